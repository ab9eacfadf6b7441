/** The exercises of `llm-ts learn`: their judge, all solutions, and common mistakes. */
import { expect, test } from "vitest";
import type { Case, Exercise } from "../src/learn/exercise.ts";
import { fastExercise } from "../src/learn/fast-exercise.ts";
import { judge, type Problem } from "../src/learn/judge.ts";
import { exercises, layerExercises, sourceOf } from "../src/learn/source.ts";
import { solved } from "./learn-solutions.ts";

type Callable = (...args: unknown[]) => unknown;

async function functionIn(source: string, name: string): Promise<Callable> {
  const module = await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(source)}`);
  return module[name];
}

function outcomeOf(exercise: Exercise, call: Callable, { args }: Case) {
  const names = Object.keys(exercise.results);
  const returned = call(...structuredClone(args)) as Record<string, Float32Array>;
  const values = names.length === 1 ? { [names[0]]: returned as unknown as Float32Array } : returned;
  const results = names.map((name) => [name, Float64Array.from(values[name])] as const);
  return { results: Object.fromEntries(results), changed: [] };
}

async function problemOf(exercise: Exercise, source: string): Promise<Problem | undefined> {
  const call = await functionIn(source, exercise.name);
  for (const given of exercise.cases()) {
    const problem = judge(exercise, given, outcomeOf(exercise, call, given));
    if (problem) return problem;
  }
  return undefined;
}

const judged = [...layerExercises, fastExercise];

test("there are sixteen exercises, with hints", () => {
  expect(exercises.map(({ id }) => id.slice(0, 2))).toEqual(
    Array.from({ length: 16 }, (_, i) => `${i + 1}`.padStart(2, "0")),
  );
  for (const { hints } of exercises) expect(hints.length).toBeGreaterThan(1);
});

test.each(judged.map((exercise) => [exercise.id, exercise] as const))(
  "the solution of %s is right",
  async (id, exercise) => {
    expect(await problemOf(exercise, solved(id, "js"))).toBeUndefined();
  },
);

test.each(layerExercises.map((exercise) => [exercise.id, exercise] as const))(
  "%s is not right as it is written at first",
  async (id, exercise) => {
    const problem = await problemOf(exercise, sourceOf(id, "js"));
    expect(problem?.what).toMatch(/ is 0, expected /);
  },
);

test("the fast matmul is right as it is written at first", async () => {
  expect(await problemOf(fastExercise, sourceOf(fastExercise.id, "js"))).toBeUndefined();
});

const mistakes: readonly (readonly [id: string, from: string | RegExp, to: string, likely: RegExp])[] = [
  ["01-embedding", " + wpe[t * C + c]", "", /the position embedding wpe is not added/],
  ["01-embedding", "wpe[t * C", "wpe[(t + 1) * C", /counted from 1/],
  ["01-embedding", "wpe[t * C", "wpe[b * C", /is the sequence b/],
  ["02-layernorm", "** 2 / C", "** 2 / (C - 1)", /divided by C - 1/],
  ["02-layernorm", "** 2 / C", "** 2", /the variance is a sum/],
  ["02-layernorm", " + 1e-5", "", /epsilon is missing/],
  ["02-layernorm", "1 / Math.sqrt(variance + 1e-5)", "1 / (Math.sqrt(variance) + 1e-5)", /inside the root/],
  ["02-layernorm", " + bias[c]", "", /the bias is missing/],
  ["03-matmul", "weight[o * C + c]", "weight[c * OC + o]", /transposed/],
  ["03-matmul", "sum = bias[o]", "sum = 0", /the bias is missing/],
  ["04-softmax", " / sum", "", /division/],
  ["04-softmax", / - largest/g, "", /largest/],
  ["05-attention", " / Math.sqrt(hs)", "", /scale is missing/],
  ["05-attention", "Math.sqrt(hs)", "Math.sqrt(C)", /1 \/ sqrt\(C\)/],
  ["05-attention", /t2 <= t;/g, "t2 < T;", /causal mask/],
  [
    "05-attention",
    "qkv[query + i] * qkv[key + i]",
    "qkv[query + C + i] * qkv[key - C + i]",
    /queries and keys are exchanged/,
  ],
  ["06-gelu", "0.5 * x", "x", /0\.5/],
  ["06-gelu", "(x + 0.044715 * x ** 3)", "x", /cubic term/],
  ["07-loss", /v < V;/g, "v < Vp;", /padding/],
  ["07-loss", "largest + Math.log(sum) - logits", "-largest - Math.log(sum) + logits", /minus is missing/],
  ["08-loss-backward", " / N;", ";", /number of positions/],
  ["08-loss-backward", "v === targets[n] ? 1 : 0", "0", /1 at the target/],
  ["08-loss-backward", /v < V;/g, "v < Vp;", /padding/],
  ["09-matmul-backward", "dweight[o * C + c] +=", "dweight[o * C + c] =", /overwrites/],
  ["09-matmul-backward", "weight[o * C + c];", "weight[c * OC + o];", /transposed/],
  ["10-gelu-backward", "cdf + x * pdf", "cdf", /x \* pdf\(x\)/],
  ["10-gelu-backward", "1 + 3 * 0.044715", "1 + 0.044715", /factor 3/],
  ["11-layernorm-backward", " - average - norm * normAverage", "", /as constants/],
  ["11-layernorm-backward", " - norm * normAverage", "", /through rstd/],
  ["11-layernorm-backward", / \/ C;/g, ";", /averages are sums/],
  ["12-attention-backward", "(datt[t2] - sum)", "datt[t2]", /lacks its sum/],
  ["12-attention-backward", " / Math.sqrt(hs)", "", /scale/],
  ["12-attention-backward", /dqkv\[(value|key) \+ i\] \+=/g, "dqkv[$1 + i] =", /overwritten by each query/],
  ["13-embedding-backward", /\+= dy/g, "= dy", /more than once/],
  ["14-adamw", /(updated\.[mv]\[i\]) \/ \(1 - beta\d \*\* step\)/g, "$1", /bias correction is missing/],
  ["14-adamw", " + weightDecay * param[i]", "", /weight decay is missing/],
  ["14-adamw", "Math.sqrt(second) + eps", "Math.sqrt(second + eps)", /epsilon is inside/],
  ["14-adamw", "Math.sqrt(second)", "second", /root of v/],
];

test.each(mistakes)("in %s, %s for %s is recognised", async (id, from, to, likely) => {
  const right = solved(id, "js");
  const body = right.indexOf("export function");
  const wrong = right.slice(0, body) + right.slice(body).replace(from, to);
  expect(wrong).not.toBe(right);
  const exercise = layerExercises.find((known) => known.id === id);
  if (!exercise) throw new Error(`no exercise ${id}`);
  const problem = await problemOf(exercise, wrong);
  expect(problem?.what).toMatch(/ is -?[\d.NaInfity]+(e-?\d+)?, expected .* elements differ/);
  expect(problem?.likely ?? "").toMatch(likely);
});

test("types, sizes and changed arguments are named", () => {
  const [embedding] = layerExercises;
  const [given] = embedding.cases();
  expect(judge(embedding, given, { results: { out: "a number" }, changed: [] })?.what).toBe(
    "the result is a number, expected an array of 12 numbers, out (B,T,C)",
  );
  expect(judge(embedding, given, { results: { out: new Float64Array(3) }, changed: [] })?.what).toMatch(
    /has 3 numbers/,
  );
});
