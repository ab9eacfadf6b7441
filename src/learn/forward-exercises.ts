import type { Exercise } from "./exercise.ts";
import { numbersWith, RandomOperands } from "./random.ts";

/** Batches of odd sizes: B, T, C and NH. */
const sizes = [
  { B: 1, T: 3, C: 4, NH: 2 },
  { B: 2, T: 5, C: 6, NH: 3 },
  { B: 3, T: 7, C: 10, NH: 2 },
] as const;

export const forwardExercises: readonly Exercise[] = [
  {
    id: "01-embedding",
    name: "embedding",
    title: "Tokens become vectors",
    text: [
      "The model begins by looking up two rows for each position: what the token is (wte) and where it stands (wpe). Their sum is",
      "the residual stream, C numbers for each position, which every layer reads and adds to.",
      "",
      "  out[b,t,c] = wte[tokens[b,t], c] + wpe[t, c]",
      "",
      "All arrays are flat and row-major: element (b,t,c) of a (B,T,C) array is at (b * T + t) * C + c.",
    ],
    parameters: [
      { name: "tokens", type: "Int32Array", doc: "(B,T)" },
      { name: "wte", type: "Float32Array", doc: "(V,C) a row for each token" },
      { name: "wpe", type: "Float32Array", doc: "(maxT,C) a row for each position" },
      { name: "B", type: "number" },
      { name: "T", type: "number" },
      { name: "C", type: "number" },
    ],
    results: { out: "(B,T,C)" },
    start: ["const out = new Float32Array(B * T * C);"],
    hints: [
      "Three loops: over the sequences b, the positions t, the channels c.",
      "tokens[b * T + t] is the row of wte; t itself is the row of wpe.",
      "out[(b * T + t) * C + c] = wte[token * C + c] + wpe[t * C + c];",
    ],
    parts: [{ operation: "embeddingForward", outputs: ["out"] }],
    cases: () =>
      sizes.map(({ B, T, C }, seed) => {
        const random = new RandomOperands(seed);
        const [V, maxT] = [11, T + 4];
        const inputs = { tokens: random.tokens([B, T], V), wte: random.normal([V, C]), wpe: random.normal([maxT, C]) };
        const { tokens, wte, wpe } = inputs;
        return {
          what: `B ${B}, T ${T}, C ${C}`,
          args: [tokens.data, wte.data, wpe.data, B, T, C],
          inputs,
          numbers: numbersWith(),
          shapes: { out: [B, T, C] },
        };
      }),
  },
  {
    id: "02-layernorm",
    name: "layernorm",
    title: "Every row to mean 0 and variance 1",
    text: [
      "Before attention and before the MLP each row of C numbers is normalised, then scaled and shifted by a learned weight and bias.",
      "",
      "  mean = sum of x / C      variance = sum of (x - mean)² / C      rstd = 1 / sqrt(variance + 1e-5)",
      "  out  = (x - mean) * rstd * weight + bias",
      "",
      "mean and rstd are kept: the backward needs them.",
    ],
    parameters: [
      { name: "inp", type: "Float32Array", doc: "(N,C)" },
      { name: "weight", type: "Float32Array", doc: "(C)" },
      { name: "bias", type: "Float32Array", doc: "(C)" },
      { name: "N", type: "number", doc: "rows" },
      { name: "C", type: "number" },
    ],
    results: { out: "(N,C)", mean: "(N)", rstd: "(N)" },
    start: [
      "const out = new Float32Array(N * C);",
      "const mean = new Float32Array(N);",
      "const rstd = new Float32Array(N);",
    ],
    hints: [
      "A row at a time, in three passes over its C numbers: the mean, then the variance, then out.",
      "The variance needs the mean first: add up (x - mean) ** 2, divide by C, and only then add 1e-5 and take the root.",
      "out[n * C + c] = (inp[n * C + c] - m) * r * weight[c] + bias[c];",
    ],
    parts: [{ operation: "layernormForward", outputs: ["mean", "rstd", "out"] }],
    cases: () =>
      [
        [1, 5, 1],
        [4, 7, 2],
        // Small numbers: 1e-5 is not small beside their variance.
        [3, 6, 0.004],
      ].map(([N, C, deviation], seed) => {
        const random = new RandomOperands(seed);
        const inputs = {
          inp: random.normal([N, C], deviation, deviation),
          weight: random.normal([C], 0.5, 1),
          bias: random.normal([C], 0.5),
        };
        return {
          what: `N ${N}, C ${C}`,
          args: [inputs.inp.data, inputs.weight.data, inputs.bias.data, N, C],
          inputs,
          numbers: numbersWith(),
          shapes: { out: [N, C], mean: [N], rstd: [N] },
        };
      }),
  },
  {
    id: "03-matmul",
    name: "matmul",
    title: "The layer that has nearly all the weights",
    text: [
      "A fully connected layer: each output is a weighted sum of all inputs of its row. Nearly all of GPT-2's time is spent here.",
      "",
      "  out[n,o] = sum over c of inp[n,c] * weight[o,c] + bias[o]",
      "",
      "The weight is (out, in): row o has the weights of output o.",
    ],
    parameters: [
      { name: "inp", type: "Float32Array", doc: "(N,C)" },
      { name: "weight", type: "Float32Array", doc: "(OC,C)" },
      { name: "bias", type: "Float32Array", doc: "(OC)" },
      { name: "N", type: "number", doc: "rows" },
      { name: "C", type: "number", doc: "inputs" },
      { name: "OC", type: "number", doc: "outputs" },
    ],
    results: { out: "(N,OC)" },
    start: ["const out = new Float32Array(N * OC);"],
    hints: [
      "Three loops: rows n, outputs o, and inside them the sum over inputs c.",
      "Begin the sum with bias[o], and keep it in a variable: it is written to out once.",
      "sum += inp[n * C + c] * weight[o * C + c];",
    ],
    parts: [{ operation: "matmulForward", outputs: ["out"] }],
    cases: () =>
      [
        [1, 3, 2],
        [5, 4, 7],
        [6, 9, 9],
      ].map(([N, C, OC], seed) => matmulCase(seed, N, C, OC)),
  },
  {
    id: "04-softmax",
    name: "softmax",
    title: "Scores become probabilities",
    text: [
      "Each row of scores becomes numbers above 0 whose sum is 1. Attention needs it, and so does the loss.",
      "",
      "  out[n,v] = exp(inp[n,v]) / sum over v of exp(inp[n,v])",
      "",
      "exp(1000) is Infinity. Subtracting the row's largest score from all of them changes nothing, and nothing overflows then.",
    ],
    parameters: [
      { name: "inp", type: "Float32Array", doc: "(N,V)" },
      { name: "N", type: "number", doc: "rows" },
      { name: "V", type: "number", doc: "columns" },
    ],
    results: { out: "(N,V)" },
    start: ["const out = new Float32Array(N * V);"],
    hints: [
      "A row at a time: the largest score, then the exponentials and their sum, then the division.",
      "Begin the largest with -Infinity: all scores of a row may be below 0.",
      "out[n * V + v] = Math.exp(inp[n * V + v] - largest) / sum;",
    ],
    parts: [{ operation: "softmax", outputs: ["out"] }],
    cases: () =>
      [
        [1, 3, 1, 0],
        [4, 5, 2, -3],
        [3, 7, 300, 1000],
        [2, 4, 10, -2000],
      ].map(([N, V, deviation, mean], seed) => {
        const inputs = { inp: new RandomOperands(seed).normal([N, V], deviation, mean) };
        return {
          what: `N ${N}, V ${V}${Math.abs(mean) > 100 ? `, scores around ${mean}` : ""}`,
          args: [inputs.inp.data, N, V],
          inputs,
          numbers: numbersWith(),
          shapes: { out: [N, V] },
        };
      }),
  },
  {
    id: "05-attention",
    name: "attention",
    title: "Positions exchange information",
    text: [
      "The only layer in which a position sees others: those before it and itself. A row of qkv holds C channels of queries, then of",
      "keys, then of values; head h has the hs = C / NH channels from h * hs on in each of the three. For each sequence and head:",
      "",
      "  score[t,t2] = query[t] · key[t2] / sqrt(hs)        for t2 <= t",
      "  att[t,t2]   = softmax over t2 of score[t,t2]        0 for t2 > t",
      "  out[t]      = sum over t2 of att[t,t2] * value[t2]",
    ],
    parameters: [
      { name: "qkv", type: "Float32Array", doc: "(B,T,3C)" },
      { name: "B", type: "number" },
      { name: "T", type: "number" },
      { name: "C", type: "number" },
      { name: "NH", type: "number", doc: "heads" },
    ],
    results: { att: "(B,NH,T,T)", out: "(B,T,C)" },
    start: [
      "const att = new Float32Array(B * NH * T * T);",
      "const out = new Float32Array(B * T * C);",
      "const hs = C / NH;",
    ],
    hints: [
      "Loops over b, h and t; inside them, three passes over t2 = 0 … t: the scores, the softmax, the weighted sum.",
      "The query of (b,t,h) begins at (b * T + t) * 3 * C + h * hs; its key lies C further, its value 2C.",
      "att of (b,h,t,t2) is at ((b * NH + h) * T + t) * T + t2.",
      "Before the exponentials, subtract the largest score of t2 <= t. Later positions keep their 0 in att.",
    ],
    parts: [{ operation: "attentionForward", outputs: ["att", "out"] }],
    cases: () =>
      sizes.map(({ B, T, C, NH }, seed) => {
        const inputs = { qkv: new RandomOperands(seed).normal([B, T, 3 * C], 1.5) };
        return {
          what: `B ${B}, T ${T}, C ${C}, NH ${NH}`,
          args: [inputs.qkv.data, B, T, C, NH],
          inputs,
          numbers: numbersWith({ NH }),
          shapes: { att: [B, NH, T, T], out: [B, T, C] },
        };
      }),
  },
  {
    id: "06-gelu",
    name: "gelu",
    title: "The bend in the MLP",
    text: [
      "Without something that is not a straight line between them, two matmuls are one. GPT-2 has the GELU, in its form by tanh:",
      "",
      "  out = 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x³)))",
    ],
    parameters: [{ name: "inp", type: "Float32Array", doc: "any shape" }],
    results: { out: "as inp" },
    start: ["const out = new Float32Array(inp.length);"],
    hints: [
      "Element by element: Math.tanh and Math.sqrt(2 / Math.PI).",
      "sqrt(2 / pi) multiplies the whole sum, x + 0.044715 x³.",
    ],
    parts: [{ operation: "geluForward", outputs: ["out"] }],
    cases: () =>
      [1, 9, 40].map((n, seed) => {
        const inputs = { inp: new RandomOperands(seed).normal([n], 2) };
        return { what: `${n} numbers`, args: [inputs.inp.data], inputs, numbers: numbersWith(), shapes: { out: [n] } };
      }),
  },
  {
    id: "07-loss",
    name: "loss",
    title: "How wrong the prediction is",
    text: [
      "The head gives a logit for each token of the vocabulary. The loss of a position is -log of the probability that softmax gives to",
      "the token that really follows, its target. Rows have Vp columns, V rounded up; those from V on are padding and do not exist.",
      "",
      "  losses[n] = -log(exp(logits[n,target]) / sum over v < V of exp(logits[n,v]))",
      "            = largest + log(sum over v < V of exp(logits[n,v] - largest)) - logits[n,target]",
    ],
    parameters: [
      { name: "logits", type: "Float32Array", doc: "(N,Vp)" },
      { name: "targets", type: "Int32Array", doc: "(N) tokens below V" },
      { name: "N", type: "number", doc: "positions" },
      { name: "V", type: "number", doc: "tokens that exist" },
      { name: "Vp", type: "number", doc: "columns of a row" },
    ],
    results: { losses: "(N)" },
    start: ["const losses = new Float32Array(N);"],
    hints: [
      "A row at a time. Loops over v end at V, while rows begin at multiples of Vp.",
      "The second formula needs no division, and cannot take the logarithm of 0.",
    ],
    parts: [{ operation: "crossEntropy", outputs: ["losses"] }],
    cases: () => lossCases(["losses"]),
  },
];

/** A case of the matmul of (N,C) by (OC,C). */
export function matmulCase(seed: number, N: number, C: number, OC: number) {
  const random = new RandomOperands(seed);
  const inputs = { inp: random.normal([N, C]), weight: random.normal([OC, C]), bias: random.normal([OC]) };
  return {
    what: `N ${N}, C ${C}, OC ${OC}`,
    args: [inputs.inp.data, inputs.weight.data, inputs.bias.data, N, C, OC],
    inputs,
    numbers: numbersWith(),
    shapes: { out: [N, OC] },
  };
}

/** Cases of the loss and of its backward. */
export function lossCases(results: readonly ("losses" | "dlogits")[]) {
  return [
    { B: 1, T: 2, V: 3, Vp: 3 },
    { B: 2, T: 3, V: 7, Vp: 128 },
    { B: 3, T: 4, V: 11, Vp: 128 },
  ].map(({ B, T, V, Vp }, seed) => {
    const random = new RandomOperands(seed);
    const N = B * T;
    const logits = random.normal([N, Vp], 2);
    for (let i = 0; i < N * Vp; i++) if (i % Vp >= V) logits.data[i] = 0;
    const targets = random.tokens([B, T], V);
    const shapes = { losses: [N], dlogits: [N, Vp] };
    return {
      what: `N ${N}, V ${V}, Vp ${Vp}`,
      args: [logits.data, targets.data, N, V, Vp],
      inputs: { logits, targets },
      numbers: numbersWith({ V }),
      shapes: Object.fromEntries(results.map((name) => [name, shapes[name]])),
    };
  });
}
