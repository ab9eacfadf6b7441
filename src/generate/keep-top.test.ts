import { expect, test } from "vitest";
import { splitmix64 } from "../random/splitmix.ts";
import { keepTop, type TopOptions } from "./keep-top.ts";
import { softmax } from "./sampler.ts";

/** The same by a sort. */
function keepTopSorted(probabilities: Float32Array, { topK, topP, minP }: TopOptions): void {
  const sorted = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const values = sorted.map((id) => probabilities[id]);
  let kept = topK > 0 ? Math.min(topK, values.length) : values.length;
  if (topP < 1) {
    const total = values.slice(0, kept).reduce((sum, value) => sum + value, 0);
    let reached = 0;
    for (let i = 0; i < kept; i++) {
      reached += values[i];
      if (reached >= topP * total) kept = i + 1;
    }
  }
  while (values[kept - 1] < minP * values[0]) kept--;
  for (const id of sorted.slice(kept)) probabilities[id] = 0;
  const sum = probabilities.reduce((total, value) => total + value, 0);
  for (let i = 0; i < probabilities.length; i++) probabilities[i] /= sum;
}

/** Numbers in [0,1), the same ones each time. */
function numbers(seed: number): () => number {
  let n = BigInt(seed) << 32n;
  return () => Number(splitmix64(n++) & 0xffffffffn) / 2 ** 32;
}

const distributions: Readonly<Record<string, (random: () => number, V: number) => Float32Array>> = {
  "as of a model": (random, V) => softmax(Float32Array.from({ length: V }, () => 6 * random() ** 2 - 8 * random())),
  peaked: (random, V) => softmax(Float32Array.from({ length: V }, () => -30 * random())),
  "nearly equal": (random, V) => softmax(Float32Array.from({ length: V }, () => 1e-6 * random())),
  equal: (_, V) => softmax(new Float32Array(V)),
  "with many ties": (random, V) => softmax(Float32Array.from({ length: V }, () => Math.floor(4 * random()))),
  "with excluded tokens": (random, V) =>
    softmax(Float32Array.from({ length: V }, (_, i) => (i > 0 && random() < 0.5 ? -Infinity : 3 * random()))),
  "one token": (_, V) => softmax(Float32Array.from({ length: V }, (_, i) => (i === V >> 1 ? 0 : -200))),
};

test.each(Object.entries(distributions))("selection keeps what a sort keeps, to the bit: %s", (_, make) => {
  for (const V of [1, 2, 7, 65, 3000])
    for (let seed = 0; seed < 12; seed++) {
      const random = numbers(97 * V + seed);
      const probabilities = make(random, V);
      const options = [
        { topK: 1 + Math.floor(V * random()), topP: 1, minP: 0 },
        { topK: 2 * V, topP: 1, minP: 0 },
        { topK: 0, topP: Math.max(1e-9, random()), minP: 0 },
        { topK: 0, topP: 0.9999, minP: 0 },
        { topK: 0, topP: 1, minP: random() },
        { topK: 0, topP: 1, minP: 1 },
        { topK: 1 + Math.floor(V * random()), topP: 0.5 + 0.5 * random(), minP: 0.3 * random() },
      ];
      for (const top of options) {
        const [selected, sorted] = [probabilities.slice(), probabilities.slice()];
        keepTop(selected, top);
        keepTopSorted(sorted, top);
        expect(selected, JSON.stringify({ V, seed, ...top })).toEqual(sorted);
      }
    }
});

test("a share next to 1 keeps all that counts", () => {
  const probabilities = softmax(Float32Array.from({ length: 3000 }, (_, i) => -0.01 * i));
  const kept = probabilities.slice();
  keepTop(kept, { topK: 0, topP: 1 - 2 ** -53, minP: 0 });
  // The sum of V doubles is off by V roundings at most.
  const lost = probabilities.reduce((sum, value, id) => (kept[id] > 0 ? sum : sum + value), 0);
  expect(lost).toBeLessThanOrEqual(3001 * 2 ** -53);
});
