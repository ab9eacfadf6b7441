/** The judge of the exercise that puts all layers together. */
import { GPT2 } from "../api/gpt2.ts";
import { createBackend } from "../backend/registry.ts";
import { sizeOf } from "../backend/shape.ts";
import { makeConfig } from "../model/config.ts";
import { type ParameterTensor, parametersOf } from "../model/parameters.ts";
import { compareTrace } from "../verify/compare-trace.ts";
import { traceStep } from "../verify/trace.ts";
import { type Dump, expectedOf } from "../verify/trace-file.ts";
import type { Problem } from "./judge.ts";
import { RandomOperands } from "./random.ts";
import type { ModelSizes, Weights } from "./train-exercise.ts";

/** The model and batch that the reader's function is called with. */
export interface TrainCase {
  readonly weights: Weights;
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
  readonly sizes: ModelSizes;
  /** Judges the loss and the gradients by name. */
  judge(results: ReadonlyMap<string, Float64Array>): Promise<Problem | undefined>;
}

/** A small random model, and the judge of its gradients. `use` has them as long as it runs. */
export async function withTrainCase<R>(use: (given: TrainCase) => Promise<R>): Promise<R> {
  const config = makeConfig({ L: 2, NH: 2, C: 6, maxT: 7, V: 11 });
  const [B, T] = [2, 5];
  const backend = await createBackend("reference");
  try {
    const model = await GPT2.create(config, { backend });
    const random = new RandomOperands(15);
    const weights: Record<string, Float32Array> = {};
    for (const parameter of parametersOf(config)) await fill(parameter);
    const [x, y] = [random.tokens([B, T], config.V).data, random.tokens([B, T], config.V).data];
    const update = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, gradClip: 0 };
    return await traceStep(backend, model.parameters, { B, T, x, y }, update, async (trace) => {
      const expected = expectedOf(trace);
      const { L, NH, C, V, Vp, maxT } = config;
      return use({
        ...{ weights, tokens: x, targets: y, sizes: { B, T, L, NH, C, V, Vp, maxT } },
        judge: (results) => judgeGradients(expected, results),
      });
    });

    async function fill({ name, size, padding, init, perLayer, shape }: ParameterTensor) {
      const values = new Float32Array(size);
      values.set(random.normal([size - padding], 0.4, init === "one" ? 1 : 0).data);
      await model.parameters.weights.write(backend, name, 0, values);
      const one = sizeOf(shape);
      for (let from = 0; from < size; from += one)
        weights[perLayer ? `h.${from / one}.${name}` : name] = values.slice(from, from + one);
    }
  } finally {
    await backend.dispose();
  }
}

async function judgeGradients(
  expected: Parameters<typeof compareTrace>[0],
  results: ReadonlyMap<string, Float64Array>,
): Promise<Problem | undefined> {
  const named = new Map([...results].map(([name, data]) => [name === "loss" ? name : `d.${name}`, data]));
  const wanted = expected.tensors.filter(({ name }) => name === "loss" || named.has(name) || isGradient(name));
  const absent = wanted.find(({ name }) => !named.has(name));
  const dump: Dump = {
    name: "your result",
    shapes: new Map(
      wanted.flatMap(({ name, shape }) => (named.has(name) ? [[name, sized(shape, named.get(name))]] : [])),
    ),
    read: async (name) => {
      const data = named.get(name) ?? new Float64Array();
      return { data, shape: dump.shapes.get(name) ?? [] };
    },
  };
  for await (const event of compareTrace(expected, dump))
    if (event.type === "deviates") {
      const { difference, name } = event;
      const called = name === "loss" ? "the loss" : `grads["${name.slice(2)}"]`;
      const likely = event.reason?.upstream ? undefined : event.reason?.what;
      if (!difference) return { what: `${called}: ${likely}` };
      return {
        what: `${called} at [${difference.at}] is ${difference.found}, expected ${difference.expected}`,
        likely,
      };
    }
  return absent ? { what: `grads["${absent.name.slice(2)}"] is missing` } : undefined;

  function isGradient(name: string) {
    return /^d\.(.*\.)?(ln[12f][wb]|(qkv|attproj|fc|fcproj)[wb]|wte|wpe)$/.test(name);
  }
}

/** The shape of a result: the wanted one, padded rows included. */
function sized([rows, ...columns]: readonly number[], data?: Float64Array): readonly number[] {
  const width = sizeOf(columns);
  const found = (data?.length ?? 0) / width;
  return Number.isInteger(found) ? [found === rows ? rows : found, ...columns] : [data?.length ?? 0];
}
