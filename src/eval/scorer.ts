import { type Backend, view } from "../backend/backend.ts";
import { requireTokens } from "../data/batch.ts";
import { NotFiniteError } from "../errors.ts";
import { logSumExp } from "../generate/logprobs.ts";
import { argmax } from "../generate/sampler.ts";
import { alone, type Group } from "../group/group.ts";
import { together } from "../group/together.ts";
import { logits } from "../model/gpt2.ts";
import { heldByOthers, requireMemory, weightsPlan } from "../model/memory.ts";
import { describeNotFinite, firstNotFinite } from "../model/not-finite.ts";
import { allocPackedWorkspace, forwardPacked, type PackedWorkspace, rowUnit } from "../model/packed.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { LossWorkspace } from "../model/workspace.ts";
import { type Layout, layoutsOf, type Row } from "./packing.ts";

/** Scores of a row's tokens. */
export interface RowScore {
  /** The negative logarithm of each one's probability, in nats. */
  readonly losses: ArrayLike<number>;
  /** True when each is the most probable token at its position; with `greedy` only. */
  readonly greedy?: boolean;
}

/** A model with its backend, as far as scoring needs it. */
export interface ScoredModel {
  readonly backend: Backend;
  readonly parameters: Parameters;
}

export interface ScoreOptions {
  /** Also compare with the most probable tokens, which takes reading the logits: for few scored tokens. */
  readonly greedy?: boolean;
  /** Receives, after each batch, the number of tokens computed and their total; of this member of a group. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Rows of a batch: enough for matrices that are worth their weights' way from memory. */
const rowsPerBatch = 1024;

/**
 * Scores rows of tokens, many in one forward pass. Attention looks back only, so a row's score does not depend on what
 * else is in its batch; rows that follow each other and begin alike share that beginning. But for rounding: the wasm backend has
 * other kernels for few rows (assembly/few-rows.ts) and for up to four queries, which add in another order.
 */
export class Scorer {
  readonly model: ScoredModel;
  readonly group: Group;
  readonly #memory: TensorScope;
  readonly #ws: PackedWorkspace;
  readonly #unit: number;

  /**
   * `tokens`: of a batch, the longest row at least. In a `group` each member, which has the same model, computes its share of the
   * batches, and gets all scores. MemoryError when that does not fit beside the model.
   */
  constructor(
    model: ScoredModel,
    tokens: number = Math.max(rowsPerBatch, model.parameters.config.maxT),
    group: Group = alone,
  ) {
    const { backend, parameters } = model;
    const { config } = parameters;
    this.#unit = rowUnit(backend, config);
    const own = weightsPlan(parameters);
    requireMemory(backend, config, { ...own, score: { rows: tokens } }, heldByOthers(backend, config, own));
    this.model = model;
    this.group = group;
    this.#memory = new TensorScope(backend);
    try {
      this.#ws = allocPackedWorkspace(this.#memory, config, tokens);
    } catch (error) {
      void this.#memory.free();
      throw error;
    }
  }

  /** Rows of this length that fit a batch of every member. */
  rowsAtOnce(length: number): number {
    return this.group.size * Math.max(1, Math.floor(this.#ws.T / length));
  }

  /** The scores of all rows, in their order. In a group, every member calls this with the same rows. */
  async score(rows: readonly Row[], options: ScoreOptions = {}): Promise<RowScore[]> {
    const { rank, size } = this.group;
    const own = layoutsOf(rows, this.#ws.T, this.#unit).filter((_, i) => i % size === rank);
    const found = await together(this.group, () => this.#scoreBatches(rows, own, options));
    const scores: RowScore[] = new Array(rows.length);
    if (size === 1) for (const [index, score] of found) scores[index] = score;
    else
      for (const all of await this.group.gather(found.map(asData)))
        for (const [index, score] of all) scores[index] = score;
    return scores;
  }

  /** The scores of the rows in some batches, by their index. */
  async #scoreBatches(
    rows: readonly Row[],
    layouts: readonly Layout[],
    { greedy = false, onProgress }: ScoreOptions,
  ): Promise<[number, RowScore][]> {
    const total = layouts.reduce((sum, layout) => sum + layout.rows, 0);
    const scores: [number, RowScore][] = [];
    let done = 0;
    for (const layout of layouts) {
      scores.push(...(await this.#scoreBatch(rows, layout, greedy)));
      done += layout.rows;
      onProgress?.(done, total);
    }
    return scores;
  }

  async dispose(): Promise<void> {
    await this.#memory.free();
  }

  /** The scores of a layout's rows, by their index. */
  async #scoreBatch(rows: readonly Row[], layout: Layout, greedy: boolean): Promise<[number, RowScore][]> {
    const { backend, parameters } = this.model;
    const { segments, predicting, places } = layout;
    const targets = await this.#write(rows, layout);
    const ws = forwardPacked(backend, parameters, this.#ws, {
      rows: layout.rows,
      segments,
      predicting: predicting.length,
    });
    const found: Judged = greedy ? await this.#judge(ws, targets) : { losses: await this.#losses(ws) };
    const scores: [number, RowScore][] = [];
    for (const { index, span } of places) {
      const [start, end] = [span.start, span.start + span.length];
      const losses = found.losses.subarray(start, end);
      for (const loss of losses) await this.#requireFinite(loss);
      scores.push([index, { losses, greedy: found.isLargest?.subarray(start, end).every((largest) => largest === 1) }]);
    }
    return scores;
  }

  /** Writes tokens, their positions, and which of them predict which targets; returns these. */
  async #write(rows: readonly Row[], layout: Layout): Promise<Int32Array> {
    const { backend, parameters } = this.model;
    const [tokens, positions] = [0, 1].map(() => new Int32Array(layout.rows));
    for (const { index, first, span } of layout.pieces)
      for (let i = 0; i < span.length; i++) {
        tokens[span.start + i] = rows[index].tokens[first + i];
        positions[span.start + i] = first + i;
      }
    const predicting = Int32Array.from(layout.predicting);
    const targets = new Int32Array(predicting.length);
    for (const { index, span } of layout.places)
      for (let i = 0; i < span.length; i++) targets[span.start + i] = rows[index].tokens[rows[index].from + i];
    for (const ids of [tokens, targets]) requireTokens(ids, 0, parameters.config.V);
    await backend.write(this.#ws.tokens, tokens);
    await backend.write(this.#ws.rowPositions, positions);
    await backend.write(this.#ws.predicting, predicting);
    await backend.write(this.#ws.head.targets, targets);
    return targets;
  }

  /** The head is as much work as four layers of GPT-2 124M: it is computed for rows that predict, alone. */
  async #losses({ head, lnf }: LossWorkspace): Promise<Float32Array> {
    const { backend, parameters } = this.model;
    backend.headLoss(head, lnf.out, parameters.weights.wte);
    return backend.read(head.losses);
  }

  /** Logits are read, as many rows of them as the head's scratch memory takes, and judged here. */
  async #judge({ T: length, head, lnf }: LossWorkspace, targets: Int32Array): Promise<Judged> {
    const { backend, parameters } = this.model;
    const { C, V, Vp } = parameters.config;
    const most = Math.floor(head.scratch.size / Vp);
    const losses = new Float64Array(length);
    const isLargest = new Uint8Array(length);
    for (let first = 0; first < length; first += most) {
      const count = Math.min(most, length - first);
      const out = view(head.scratch, 0, [count, Vp]);
      logits(backend, parameters, out, view(lnf.out, first * C, [count, C]));
      const read = await backend.read(out);
      for (let i = 0; i < count; i++) {
        const row = read.subarray(i * Vp, i * Vp + V);
        const target = targets[first + i];
        losses[first + i] = logSumExp(row) - row[target];
        // Of equal ones the first is the model's choice.
        isLargest[first + i] = Number(argmax(row) === target);
      }
    }
    return { losses, isLargest };
  }

  async #requireFinite(loss: number): Promise<void> {
    if (Number.isFinite(loss)) return;
    const { backend, parameters } = this.model;
    const tensor = await firstNotFinite(backend, parameters.weights);
    throw new NotFiniteError(
      `The model's ${describeNotFinite(loss, 0, tensor)}. Its weights are damaged: take an earlier checkpoint, or ` +
        "download the model again.",
      tensor,
    );
  }
}

/** What is known of scored rows, one after the other. */
interface Judged {
  readonly losses: Float32Array | Float64Array;
  /** 1 where the target is the most probable token. */
  readonly isLargest?: Uint8Array;
}

/** A score as JSON can hold it. */
function asData([index, { losses, greedy }]: readonly [number, RowScore]): [number, RowScore] {
  return [index, { losses: Array.from(losses), greedy }];
}
