/** The exercise that puts all layers together: GPT-2's forward and backward of the reader's own functions. */
import { GPT2 } from "../api/gpt2.ts";
import { createBackend } from "../backend/registry.ts";
import { makeConfig } from "../model/config.ts";
import { type ParameterTensor, parametersOf } from "../model/parameters.ts";
import { compareTrace } from "../verify/compare-trace.ts";
import { traceStep } from "../verify/trace.ts";
import { type Dump, expectedOf } from "../verify/trace-file.ts";
import type { Problem } from "./judge.ts";
import { RandomOperands } from "./random.ts";

export interface ModelSizes {
  readonly B: number;
  readonly T: number;
  readonly L: number;
  readonly NH: number;
  readonly C: number;
  readonly V: number;
  readonly Vp: number;
  readonly maxT: number;
}

export type Weights = Readonly<Record<string, Float32Array>>;

export const trainExercise = {
  id: "15-train",
  name: "gradients",
  title: "All of it: the gradient of every weight",
  text: [
    "GPT-2 from your own functions. The forward pass is written; the backward pass is yours: each line of the forward again, last to",
    "first, as the gradient of what it was given.",
    "",
    "weights and grads hold a Float32Array under each name: wte (Vp,C), wpe (maxT,C), lnfw, lnfb (C), and of each layer, behind",
    "h.0., h.1. and so on: ln1w, ln1b, ln2w, ln2b (C), qkvw (3C,C), qkvb, attprojw (C,C), attprojb, fcw (4C,C), fcb, fcprojw (C,4C), fcprojb.",
    "",
    "The residual stream is added to twice in each layer: so its gradient is passed on as it is, and what comes back through",
    "attention and MLP is added to it. wte is used twice, at both ends: it gets two gradients.",
  ],
  imports: [
    ["embedding", "01-embedding"],
    ["layernorm", "02-layernorm"],
    ["matmul", "03-matmul"],
    ["attention", "05-attention"],
    ["gelu", "06-gelu"],
    ["loss as losses", "07-loss"],
    ["lossBackward", "08-loss-backward"],
    ["matmulBackward", "09-matmul-backward"],
    ["geluBackward", "10-gelu-backward"],
    ["layernormBackward", "11-layernorm-backward"],
    ["attentionBackward", "12-attention-backward"],
    ["embeddingBackward", "13-embedding-backward"],
  ] as const,
  body: `  const { B, T, L, NH, C, V, Vp, maxT } = sizes;
  const N = B * T;
  const noBias = new Float32Array(Vp);

  // Forward. What the backward needs is kept.
  let stream = embedding(tokens, weights.wte, weights.wpe, B, T, C);
  const layers = [];
  for (let l = 0; l < L; l++) {
    const w = (name) => weights["h." + l + "." + name];
    const before = stream;
    const ln1 = layernorm(before, w("ln1w"), w("ln1b"), N, C);
    const qkv = matmul(ln1.out, w("qkvw"), w("qkvb"), N, C, 3 * C);
    const { att, out: atty } = attention(qkv, B, T, C, NH);
    const projected = matmul(atty, w("attprojw"), w("attprojb"), N, C, C);
    const middle = before.map((value, i) => value + projected[i]);
    const ln2 = layernorm(middle, w("ln2w"), w("ln2b"), N, C);
    const fch = matmul(ln2.out, w("fcw"), w("fcb"), N, C, 4 * C);
    const fchgelu = gelu(fch);
    const fcproj = matmul(fchgelu, w("fcprojw"), w("fcprojb"), N, 4 * C, C);
    stream = middle.map((value, i) => value + fcproj[i]);
    layers.push({ before, ln1, qkv, att, atty, middle, ln2, fch, fchgelu });
  }
  const lnf = layernorm(stream, weights.lnfw, weights.lnfb, N, C);
  const logits = matmul(lnf.out, weights.wte, noBias, N, C, Vp);
  const each = losses(logits, targets, N, V, Vp);
  const loss = each.reduce((sum, value) => sum + value, 0) / N;

  // Backward, from the loss to the embedding.
  const grads = {};
  const dlogits = lossBackward(logits, targets, N, V, Vp);
  const head = matmulBackward(dlogits, lnf.out, weights.wte, N, C, Vp);
  // Your lines: the last layernorm, the layers from the last to the first, the embedding.

  return { loss, grads };`,
  hints: [
    "const last = layernormBackward(head.dinp, stream, weights.lnfw, lnf.mean, lnf.rstd, N, C); its dinp is the gradient of the stream: dstream. grads.lnfw = last.dweight, grads.lnfb = last.dbias.",
    "For l from L - 1 down: fcproj's output was added to the stream, so its dout is dstream itself. matmulBackward, geluBackward, matmulBackward, layernormBackward; then dstream = dstream + what the layernorm gives. Then the same for attention.",
    "At the end embeddingBackward(dstream, tokens, B, T, C, Vp, maxT): grads.wpe is its dwpe, grads.wte the sum of its dwte and head.dweight.",
  ],
};

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
      const one = shape.reduce((product, n) => product * n, 1);
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
  const width = columns.reduce((product, n) => product * n, 1);
  const found = (data?.length ?? 0) / width;
  return Number.isInteger(found) ? [found === rows ? rows : found, ...columns] : [data?.length ?? 0];
}
