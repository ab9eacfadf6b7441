/**
 * Training of a byte-level BPE vocabulary (Sennrich et al. 2016): starting from the 256 bytes, the most frequent pair of
 * neighbouring tokens becomes a token, again and again. Of equally frequent pairs, the one with the lower ids comes first.
 * The merges are those of Hugging Face's BpeTrainer, whose two habits are kept: a pair that makes a token which is there
 * already is merged into that, and the count of a pair is looked at again only when it comes to the front of the queue.
 */
import TinyQueue from "tinyqueue";
import { takeTurns } from "../turns.ts";
import { utf8 } from "./byte-level.ts";
import { byteAlphabet } from "./tokenizer-json.ts";

export interface BpeTraining {
  /** Size of the vocabulary: special tokens, 256 bytes, merges. */
  readonly vocabSize: number;
  /** Tokens that get the first ids, and are never made of text. */
  readonly special: readonly string[];
  /** A pair that occurs less often makes no token. */
  readonly minFrequency: number;
  readonly onProgress?: (tokens: number) => void;
}

export interface BpeVocabulary {
  /** By id; special tokens as they are written, the others with one character a byte. */
  readonly tokens: readonly string[];
  /** Pairs of ids, in order of their ranks. */
  readonly merges: readonly (readonly [number, number])[];
  /** Tokens of the training text. */
  readonly tokenCount: number;
}

/** A pair of ids in the queue. Its count may have changed since it was queued. */
interface Candidate {
  readonly pair: number;
  count: number;
  /** Words in which it may occur. */
  readonly words: readonly number[];
}

/** A pair as one number, ordered by its first id, then its second. */
const pairOf = (first: number, second: number) => first * 2 ** 21 + second;
const idsOf = (pair: number) => [Math.floor(pair / 2 ** 21), pair % 2 ** 21] as const;

/** The vocabulary of pieces with their counts. It is smaller than asked for when no pair is left that is frequent enough. */
export async function trainBpe(pieces: ReadonlyMap<string, number>, training: BpeTraining): Promise<BpeVocabulary> {
  const { vocabSize, special, minFrequency, onProgress } = training;
  const bytes = [...byteAlphabet()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, byte]) => String.fromCharCode(byte));
  const tokens = [...special, ...bytes];
  const ids = new Map(bytes.map((byte, i) => [byte, special.length + i]));
  const words = new Words(pieces, ids);
  const queue = new TinyQueue<Candidate>(words.takeNewPairs(), (a, b) => b.count - a.count || a.pair - b.pair);
  const merges = new Map<number, number>();
  const turn = takeTurns();
  let rank = 0;
  while (tokens.length < vocabSize) {
    const candidate = queue.pop();
    if (!candidate) break;
    const count = words.countOf(candidate.pair);
    if (candidate.count !== count) {
      candidate.count = count;
      queue.push(candidate);
      continue;
    }
    if (count < Math.max(1, minFrequency)) break;
    const [first, second] = idsOf(candidate.pair);
    const token = tokens[first] + tokens[second];
    let id = ids.get(token);
    if (id === undefined) {
      id = tokens.push(token) - 1;
      ids.set(token, id);
    }
    // A pair that is merged twice has its second rank.
    merges.set(candidate.pair, rank++);
    for (const word of candidate.words) words.merge(word, first, second, id);
    for (const pair of words.takeNewPairs()) queue.push(pair);
    onProgress?.(tokens.length);
    await turn();
  }
  const ordered = [...merges].sort(([, a], [, b]) => a - b).map(([pair]) => idsOf(pair));
  return { tokens, merges: ordered, tokenCount: words.tokenCount };
}

/** The pieces of a text as ids, all in one array, and the counts of their pairs. */
class Words {
  readonly #ids: Int32Array;
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;
  readonly #frequencies: Float64Array;
  readonly #pairs = new Map<number, number>();
  /** Pairs that came up since they were last taken, with their words. */
  #fresh = new Map<number, number[]>();

  constructor(pieces: ReadonlyMap<string, number>, ids: ReadonlyMap<string, number>) {
    let length = 0;
    for (const text of pieces.keys()) length += utf8(text).length;
    this.#ids = new Int32Array(length);
    this.#starts = new Int32Array(pieces.size);
    this.#lengths = new Int32Array(pieces.size);
    this.#frequencies = Float64Array.from(pieces.values());
    let start = 0;
    let word = 0;
    for (const [text, frequency] of pieces) {
      const bytes = utf8(text);
      for (let i = 0; i < bytes.length; i++) this.#ids[start + i] = ids.get(bytes[i]) ?? 0;
      this.#starts[word] = start;
      this.#lengths[word] = bytes.length;
      for (let i = 1; i < bytes.length; i++)
        this.#count(this.#ids[start + i - 1], this.#ids[start + i], frequency, word);
      start += bytes.length;
      word++;
    }
  }

  countOf(pair: number): number {
    return this.#pairs.get(pair) ?? 0;
  }

  /** Of all words, as often as they occur. */
  get tokenCount(): number {
    return this.#lengths.reduce((sum, length, word) => sum + length * this.#frequencies[word], 0);
  }

  /** The pairs that came up since the last call and occur. */
  takeNewPairs(): Candidate[] {
    const fresh = this.#fresh;
    this.#fresh = new Map();
    return Array.from(fresh, ([pair, words]) => ({ pair, count: this.countOf(pair), words })).filter(
      ({ count }) => count > 0,
    );
  }

  /** Replaces each `first, second` of a word by `id`, from the left. */
  merge(word: number, first: number, second: number, id: number): void {
    const ids = this.#ids;
    const start = this.#starts[word];
    const end = start + this.#lengths[word];
    const frequency = this.#frequencies[word];
    let out = start;
    for (let i = start; i < end; i++, out++) {
      const isPair = ids[i] === first && i + 1 < end && ids[i + 1] === second;
      if (!isPair) {
        ids[out] = ids[i];
        continue;
      }
      if (out > start) {
        this.#count(ids[out - 1], first, -frequency, word);
        this.#count(ids[out - 1], id, frequency, word);
      }
      if (i + 2 < end) {
        this.#count(second, ids[i + 2], -frequency, word);
        this.#count(id, ids[i + 2], frequency, word);
      }
      ids[out] = id;
      i++;
    }
    this.#lengths[word] = out - start;
  }

  #count(first: number, second: number, change: number, word: number): void {
    const pair = pairOf(first, second);
    this.#pairs.set(pair, (this.#pairs.get(pair) ?? 0) + change);
    if (change < 0) return;
    const words = this.#fresh.get(pair);
    if (!words) this.#fresh.set(pair, [word]);
    else if (words[words.length - 1] !== word) words.push(word);
  }
}
