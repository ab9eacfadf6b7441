import { promptTokens, requireModel, requireSignal, requireWhole } from "../api/generation.ts";
import type { GPT2 } from "../api/gpt2.ts";
import { attentionForward } from "../backend/reference/attention.ts";
import { hostTensor } from "../backend/reference/host-tensor.ts";
import { forward } from "../model/gpt2.ts";
import { heldByOthers, requireMemory, weightsPlan } from "../model/memory.ts";
import { withTensors } from "../model/tensor-scope.ts";
import { type Allocator, allocInspectWorkspace, type InspectWorkspace } from "../model/workspace.ts";
import { type OptionNames, requireOptions, requireType } from "../option-names.ts";
import { takeTurns } from "../turns.ts";
import { type Predictions, predict } from "./predictions.ts";

export interface InspectOptions {
  /** Number of most probable tokens to report at each position; default 10. */
  readonly top?: number;
  /** Receives the share done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
  /** Ends it with the signal's reason. */
  readonly signal?: AbortSignal;
}

const inspectOptions: OptionNames<InspectOptions> = { top: true, onProgress: true, signal: true };

/** Internals of a model for the T tokens of a prompt. Plain data: it can be posted between threads. */
export interface Inspection {
  /** (T) the tokens that the model read. */
  readonly tokens: Int32Array;
  /** Tokens that were left out at the prompt's beginning, since it had more than the model, or this, takes. */
  readonly cut: number;
  /**
   * The text of every token that occurs here, in the prompt or as a candidate. Bytes that are no whole character stand
   * as \xE2. Without a tokenizer: #id.
   */
  readonly texts: ReadonlyMap<number, string>;
  readonly L: number;
  readonly NH: number;
  /** (L,NH,T,T) attention probabilities, row = query position, column = key position: rows sum to 1. */
  readonly attention: Float32Array;
  /**
   * L + 1 predictions of the next token: the last layernorm and the head, applied to the residual stream where it begins
   * (0, the embedding) and behind each layer. This is the "logit lens" (nostalgebraist, 2020).
   */
  readonly lens: readonly Predictions[];
  /** The last of them: what the model predicts. */
  readonly next: Predictions;
}

/** The most tokens to inspect: attention grows with their square. For GPT-2 124M it takes 38 MB then. */
export const mostInspected = 256;

/**
 * Runs a prompt, text or tokens, through the model and returns its internals: what each head attends to, and how the
 * candidates for the next token change from layer to layer. An empty prompt is the start token; of one that is too long
 * the newest min(maxT, mostInspected) tokens are taken. Weights must not change meanwhile.
 *
 * InputError for a text that the tokenizer cannot encode or a token outside the vocabulary, UsageError for an invalid
 * `top`, MemoryError when it does not fit beside the model, NotFiniteError when the model is damaged.
 */
export async function inspect(
  model: GPT2,
  prompt: string | readonly number[],
  options: InspectOptions = {},
): Promise<Inspection> {
  requireModel(model);
  const { backend, config, parameters } = model;
  requireOptions("inspect", options, inspectOptions);
  const { top = 10, onProgress, signal } = options;
  requireWhole("top", top, 1);
  requireSignal(signal);
  requireType("function", { onProgress });
  const given = promptTokens(model, prompt);
  const tokens = Int32Array.from(given.slice(-Math.min(config.maxT, mostInspected)));
  const T = tokens.length;
  const own = weightsPlan(parameters);
  requireMemory(backend, config, { ...own, inspect: { T } }, heldByOthers(backend, config, own));

  const allocate = (at: Allocator) => allocInspectWorkspace(at, config, T);
  return withTensors(backend, allocate, async (ws) => {
    await backend.write(ws.tokens, tokens);
    forward(backend, parameters, ws);
    const attention = await readAttention(model, ws, signal);
    const lens = await readLens(model, ws, tokens, Math.min(top, config.V - model.unusedIds.length), {
      onProgress,
      signal,
    });
    const texts = textsOf(model, [tokens, ...lens.map((layer) => layer.tokens)]);
    const { L, NH } = config;
    return { tokens, cut: given.length - T, texts, L, NH, attention, lens, next: lens[L] };
  });
}

/** Backends keep different intermediates of attention; queries and keys are always there, and the reference recomputes it. */
async function readAttention({ backend, config }: GPT2, ws: InspectWorkspace, signal?: AbortSignal) {
  const { L, NH, C } = config;
  const { T, layers } = ws;
  const size = NH * T * T;
  const attention = new Float32Array(L * size);
  const out = hostTensor(new Float32Array(T * C), [1, T, C]);
  const turn = takeTurns();
  for (const [l, { qkv }] of layers.entries()) {
    const saved = attention.subarray(l * size, (l + 1) * size);
    const probabilities = hostTensor(saved, [NH, T, T]);
    attentionForward(out, probabilities, hostTensor(await backend.read(qkv), [1, T, 3 * C]), NH);
    await turn();
    signal?.throwIfAborted();
  }
  return attention;
}

async function readLens(
  { backend, config, parameters, unusedIds }: GPT2,
  ws: InspectWorkspace,
  tokens: Int32Array,
  top: number,
  { onProgress, signal }: InspectOptions,
): Promise<Predictions[]> {
  const streams = [ws.encoded, ...ws.layers.map(({ residual3 }) => residual3)];
  const wanted = { top, excluded: new Set(unusedIds) };
  const lens: Predictions[] = [];
  for (const stream of streams) {
    backend.layernormForward(ws.lnf, stream, parameters.weights.lnf, config.epsilon);
    lens.push(await predict(backend, parameters, ws, tokens, wanted, signal));
    onProgress?.(lens.length / streams.length);
  }
  return lens;
}

/** The text of each token: characters, \xE2 for bytes that are none, #id without a tokenizer. */
export function textsOf({ tokenizer }: GPT2, lists: readonly Int32Array[]): Map<number, string> {
  const texts = new Map<number, string>();
  const textOf = (id: number) => (tokenizer ? tokenText(tokenizer.decodeBytes([id])) : `#${id}`);
  for (const ids of lists) for (const id of ids) if (!texts.has(id)) texts.set(id, textOf(id));
  return texts;
}

/**
 * A token's bytes as text. A token may begin or end inside a character: such bytes stand as \xE2, where a decoder would
 * put the same U+FFFD for each.
 */
export function tokenText(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes[at]);
    try {
      text += decoder.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += `\\x${bytes[at].toString(16).toUpperCase().padStart(2, "0")}`;
      at++;
    }
  }
  return text;
}

/** Length in bytes of a UTF-8 character, from its first byte. */
function characterLength(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
