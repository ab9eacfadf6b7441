import { type Backend, view } from "../backend/backend.ts";
import { writeBatch } from "../data/batch.ts";
import { NotFiniteError } from "../errors.ts";
import { logSumExp } from "../generate/logprobs.ts";
import { argmax } from "../generate/sampler.ts";
import { alone, type Group } from "../group/group.ts";
import { together } from "../group/together.ts";
import { logits } from "../model/gpt2.ts";
import { heldByOthers, requireMemory, weightsPlan } from "../model/memory.ts";
import { describeNotFinite, firstNotFinite } from "../model/not-finite.ts";
import { allocPackedWorkspace, firstRows, forwardPacked, type PackedWorkspace, rowUnit } from "../model/packed.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import type { Parameters } from "../model/tensor-set.ts";
import { type Layout, layoutsOf, prefixLength, type Row, type Span } from "./packing.ts";

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
 * else is in its batch; rows that follow each other and begin alike, up to the token that predicts the first scored one,
 * share that beginning. But for rounding: the wasm backend has other kernels for few rows (assembly/few-rows.ts) and for up
 * to four queries, which add in another order.
 */
export class Scorer {
  readonly model: ScoredModel;
  readonly group: Group;
  readonly #memory: TensorScope;
  readonly #whole: PackedWorkspace;
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
    // Both parts of the longest row begin where the backend wants its operands.
    const rows = tokens + 2 * (this.#unit - 1);
    const own = weightsPlan(parameters);
    requireMemory(backend, config, { ...own, score: { rows } }, heldByOthers(backend, config, own));
    this.model = model;
    this.group = group;
    this.#memory = new TensorScope(backend);
    try {
      this.#whole = allocPackedWorkspace(this.#memory, config, rows);
    } catch (error) {
      void this.#memory.free();
      throw error;
    }
  }

  /** Rows of this length that fit a batch of every member. */
  rowsAtOnce(length: number): number {
    return this.group.size * Math.max(1, Math.floor(this.#whole.T / length));
  }

  /** The scores of all rows, in their order. In a group, every member calls this with the same rows. */
  async score(rows: readonly Row[], options: ScoreOptions = {}): Promise<RowScore[]> {
    const { rank, size } = this.group;
    const own = layoutsOf(rows, this.#whole.T, this.#unit).filter((_, i) => i % size === rank);
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
    const { places, scored } = layout;
    const ws = firstRows(this.#whole, layout.rows);
    const targets = await this.#write(ws, rows, layout);
    forwardPacked(backend, parameters, ws, layout.segments);
    const found: Judged = greedy ? await this.#judge(ws, scored, targets) : { losses: await this.#losses(ws, scored) };
    const scores: [number, RowScore][] = [];
    for (const { index, span } of places) {
      const [start, end] = [span.start - scored.start, span.start - scored.start + span.length];
      const losses = found.losses.subarray(start, end);
      for (const loss of losses) await this.#requireFinite(loss);
      scores.push([index, { losses, greedy: found.isLargest?.subarray(start, end).every((largest) => largest === 1) }]);
    }
    return scores;
  }

  /** Writes tokens, their positions and targets; returns the targets (rows). */
  async #write(ws: PackedWorkspace, rows: readonly Row[], { prefixes, places }: Layout): Promise<Int32Array> {
    const { backend, parameters } = this.model;
    const [inputs, targets, positions] = [0, 1, 2].map(() => new Int32Array(ws.T));
    const put = (tokens: ArrayLike<number>, first: number, { start, length }: Span) => {
      for (let i = 0; i < length; i++) {
        inputs[start + i] = tokens[first + i];
        targets[start + i] = tokens[first + i + 1];
        positions[start + i] = first + i;
      }
    };
    for (const { index, span } of prefixes) put(rows[index].tokens, 0, span);
    for (const { index, span } of places) put(rows[index].tokens, prefixLength(rows[index]), span);
    await writeBatch(backend, ws, { inputs, targets }, parameters.config.V);
    await backend.write(ws.rowPositions, positions);
    return targets;
  }

  /** The losses of the scored rows. The head is as much work as four layers of GPT-2 124M: it is computed for these alone. */
  async #losses(ws: PackedWorkspace, { start, length }: Span): Promise<Float32Array> {
    const { backend, parameters } = this.model;
    const { C } = parameters.config;
    const losses = view(ws.head.losses, start, [length]);
    const head = { ...ws.head, losses, targets: view(ws.head.targets, start, [length]) };
    backend.headLoss(head, view(ws.lnf.out, start * C, [length, C]), parameters.weights.wte);
    return backend.read(losses);
  }

  /** Logits are read, as many rows of them as the head's scratch memory takes, and judged here. */
  async #judge(ws: PackedWorkspace, { start, length }: Span, targets: Int32Array): Promise<Judged> {
    const { backend, parameters } = this.model;
    const { C, V, Vp } = parameters.config;
    const most = Math.floor(ws.head.scratch.size / Vp);
    const losses = new Float64Array(length);
    const isLargest = new Uint8Array(length);
    for (let first = 0; first < length; first += most) {
      const count = Math.min(most, length - first);
      const out = view(ws.head.scratch, 0, [count, Vp]);
      logits(backend, parameters, out, view(ws.lnf.out, (start + first) * C, [count, C]));
      const read = await backend.read(out);
      for (let i = 0; i < count; i++) {
        const row = read.subarray(i * Vp, i * Vp + V);
        const target = targets[start + first + i];
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
