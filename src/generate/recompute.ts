import type { Backend } from "../backend/backend.ts";
import { forward, logits } from "../model/gpt2.ts";
import type { Parameters } from "../model/tensor-set.ts";
import { type RecomputeWorkspace, row } from "../model/workspace.ts";
import type { LogitsSource } from "./decoder.ts";

/**
 * Continues one sequence as llm.c's train_gpt2.c does: all positions of the workspace (1,T) are computed again for each
 * token, those that are not written yet as `filler`. The prompt and all that follows have to fit T.
 */
export class Recomputer implements LogitsSource {
  readonly #be: Backend;
  readonly #p: Parameters;
  readonly #ws: RecomputeWorkspace;
  readonly #tokens: Int32Array;
  #length: number;

  constructor(be: Backend, p: Parameters, ws: RecomputeWorkspace, prompt: readonly number[], filler: number) {
    this.#be = be;
    this.#p = p;
    this.#ws = ws;
    this.#tokens = new Int32Array(ws.T).fill(filler);
    this.#tokens.set(prompt);
    this.#length = prompt.length;
  }

  async logits(): Promise<readonly Float32Array[]> {
    const { C, V } = this.#p.config;
    await this.#be.write(this.#ws.tokens, this.#tokens);
    forward(this.#be, this.#p, this.#ws);
    logits(this.#be, this.#p, this.#ws.logits, row(this.#ws.lnf.out, this.#length - 1, C));
    return [(await this.#be.read(this.#ws.logits)).subarray(0, V)];
  }

  push([token]: readonly number[]): void {
    this.#tokens[this.#length++] = token;
  }
}
