import { type Backend, view } from "../backend/backend.ts";
import { writeBatch } from "../data/batch.ts";
import { NotFiniteError } from "../errors.ts";
import { logSumExp } from "../generate/logprobs.ts";
import { argmax } from "../generate/sampler.ts";
import { Arena } from "../model/arena.ts";
import { forward, logits } from "../model/gpt2.ts";
import { heldByOthers, requireMemory, weightsPlan } from "../model/memory.ts";
import { describeNotFinite, firstNotFinite } from "../model/not-finite.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { LossWorkspace } from "../model/workspace.ts";

/** A sequence of tokens, of which those from `from` (1 or more) on are scored, each given all before it. */
export interface Row {
  readonly tokens: ArrayLike<number>;
  readonly from: number;
}

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
  /** Receives, after each batch, the number of tokens computed and their total. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Tokens of a batch: enough for matrices that are worth their weights' way from memory. */
const tokensPerBatch = 1024;

/**
 * Scores rows of tokens, many in one forward pass. Attention looks back only, so neither what fills a batch behind a
 * row nor other rows change its score, but for rounding: the wasm backend multiplies few rows (assembly/few-rows.ts) with
 * another kernel, which adds in another order.
 */
export class Scorer {
  readonly model: ScoredModel;
  readonly #arena: Arena;

  /** `tokens`: of a batch, the longest row at least. MemoryError when that does not fit beside the model. */
  constructor(model: ScoredModel, tokens: number = Math.max(tokensPerBatch, model.parameters.config.maxT)) {
    const { backend, parameters } = model;
    const own = weightsPlan(parameters);
    const others = heldByOthers(backend, parameters.config, own);
    requireMemory(backend, parameters.config, { ...own, evaluate: { B: 1, T: tokens } }, others);
    this.model = model;
    this.#arena = new Arena(backend, parameters.config, tokens);
  }

  /** Rows of this length that fit a batch. */
  rowsPerBatch(length: number): number {
    return Math.max(1, Math.floor(this.#arena.tokens / length));
  }

  /** The scores of all rows, in their order. */
  async score(rows: readonly Row[], { greedy = false, onProgress }: ScoreOptions = {}): Promise<RowScore[]> {
    const lengths = rows.map(inputLength);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const scores: RowScore[] = new Array(rows.length);
    let done = 0;
    for (const batch of batchesOf(lengths, this.#arena.tokens)) {
      const found = await this.#scoreBatch(
        batch.map((index) => rows[index]),
        greedy,
      );
      for (const [i, index] of batch.entries()) {
        scores[index] = found[i];
        done += lengths[index];
      }
      onProgress?.(done, total);
    }
    return scores;
  }

  async dispose(): Promise<void> {
    await this.#arena.free();
  }

  async #scoreBatch(rows: readonly Row[], greedy: boolean): Promise<RowScore[]> {
    const { backend, parameters } = this.model;
    const T = Math.max(...rows.map(inputLength));
    const ws = this.#arena.workspace(rows.length, T);
    await this.#write(ws, rows);
    forward(backend, parameters, ws);
    const scores = greedy ? await this.#greedyScores(ws, rows) : await this.#losses(ws, rows);
    for (const { losses } of scores) for (let i = 0; i < losses.length; i++) await this.#requireFinite(losses[i]);
    return scores;
  }

  async #write(ws: LossWorkspace, rows: readonly Row[]): Promise<void> {
    const { backend, parameters } = this.model;
    const inputs = new Int32Array(ws.B * ws.T);
    const targets = new Int32Array(ws.B * ws.T);
    for (const [b, { tokens }] of rows.entries()) {
      const row = Int32Array.from(tokens);
      inputs.set(row.subarray(0, -1), b * ws.T);
      targets.set(row.subarray(1), b * ws.T);
    }
    await writeBatch(backend, ws, { inputs, targets }, parameters.config.V);
  }

  /** The head is as much work as four layers of GPT-2 124M, so it is computed for the scored positions alone. */
  async #losses(ws: LossWorkspace, rows: readonly Row[]): Promise<RowScore[]> {
    const { backend, parameters } = this.model;
    const { C } = parameters.config;
    const { losses, targets } = ws.head;
    for (const { start, length } of merged(scoredPositions(rows, ws.T))) {
      const head = { ...ws.head, losses: view(losses, start, [length]), targets: view(targets, start, [length]) };
      backend.headLoss(head, view(ws.lnf.out, start * C, [length, C]), parameters.weights.wte);
    }
    const found = await backend.read(losses);
    return scoredPositions(rows, ws.T).map(({ start, length }) => ({ losses: found.subarray(start, start + length) }));
  }

  /** Logits are read, as many rows of them as the head's scratch memory takes, and judged here. */
  async #greedyScores(ws: LossWorkspace, rows: readonly Row[]): Promise<RowScore[]> {
    const { backend, parameters } = this.model;
    const { C, V, Vp } = parameters.config;
    const most = Math.floor(ws.head.scratch.size / Vp);
    const scores: RowScore[] = [];
    for (const [b, { start, length }] of scoredPositions(rows, ws.T).entries()) {
      const { tokens, from } = rows[b];
      const losses: number[] = [];
      let greedy = true;
      for (let first = 0; first < length; first += most) {
        const count = Math.min(most, length - first);
        const out = view(ws.head.scratch, 0, [count, Vp]);
        logits(backend, parameters, out, view(ws.lnf.out, (start + first) * C, [count, C]));
        const read = await backend.read(out);
        for (let i = 0; i < count; i++) {
          const judged = judge(read.subarray(i * Vp, i * Vp + V), tokens[from + first + i]);
          losses.push(judged.loss);
          greedy &&= judged.isLargest;
        }
      }
      scores.push({ losses, greedy });
    }
    return scores;
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

/** A row's last token is only predicted. */
function inputLength({ tokens }: Row): number {
  return tokens.length - 1;
}

interface Positions {
  readonly start: number;
  readonly length: number;
}

/** Positions, in a batch of rows of T, that predict the scored tokens of each row. */
function scoredPositions(rows: readonly Row[], T: number): Positions[] {
  return rows.map(({ tokens, from }, b) => ({ start: b * T + from - 1, length: tokens.length - from }));
}

/** Positions that follow each other at once, as one. */
function merged(positions: readonly Positions[]): Positions[] {
  const runs: Positions[] = [];
  for (const { start, length } of positions) {
    const last = runs.at(-1);
    if (last && last.start + last.length === start) runs[runs.length - 1] = { ...last, length: last.length + length };
    else runs.push({ start, length });
  }
  return runs;
}

/** The loss of a target among its logits (V), and whether its logit is the largest: of equal ones the first counts. */
function judge(logits: Float32Array, target: number): { loss: number; isLargest: boolean } {
  return { loss: logSumExp(logits) - logits[target], isLargest: argmax(logits) === target };
}

/**
 * Cuts rows of these lengths into batches of at most `tokens` tokens, padding included. Rows of like length come
 * together, the longest first, so that little is padding; a row that is longer than a batch gets one of its own.
 * Gives, for each batch, the indices of its rows.
 */
export function batchesOf(lengths: readonly number[], tokens: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
  const batches: number[][] = [];
  for (let start = 0; start < order.length; ) {
    const rows = Math.max(1, Math.floor(tokens / lengths[order[start]]));
    batches.push(order.slice(start, start + rows));
    start += rows;
  }
  return batches;
}
