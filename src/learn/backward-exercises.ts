import { attemptsAt } from "../mistakes/table.ts";
import type { Exercise } from "./exercise.ts";
import { lossCases } from "./forward-exercises.ts";
import { numbersWith, RandomOperands } from "./random.ts";

export const backwardExercises: readonly Exercise[] = [
  {
    id: "08-loss-backward",
    name: "lossBackward",
    title: "The first gradient",
    text: [
      "A gradient says by how much the loss changes when a number changes a little. Here everything begins: the gradient of the MEAN",
      "loss of all N positions with respect to each logit.",
      "",
      "  dlogits[n,v] = (prob[n,v] - (v is targets[n] ? 1 : 0)) / N        prob = softmax over v < V of logits",
      "",
      "The target's logit wants to rise, all others to fall, each by the probability that it had. Padding has gradient 0.",
    ],
    parameters: [
      { name: "logits", type: "Float32Array", doc: "(N,Vp)" },
      { name: "targets", type: "Int32Array", doc: "(N) tokens below V" },
      { name: "N", type: "number", doc: "positions" },
      { name: "V", type: "number", doc: "tokens that exist" },
      { name: "Vp", type: "number", doc: "columns of a row" },
    ],
    results: { dlogits: "(N,Vp)" },
    start: ["const dlogits = new Float32Array(N * Vp);"],
    hints: [
      "The softmax of exercise 4, over V of the Vp columns; then subtract 1 at the target.",
      "Divide everything by N at the end: the loss is a mean.",
    ],
    parts: [{ operation: "crossEntropyBackward", outputs: ["dlogits"] }],
    cases: () => lossCases(["dlogits"]),
  },
  {
    id: "09-matmul-backward",
    name: "matmulBackward",
    title: "The chain rule, three sums",
    text: [
      "Forward: out[n,o] = sum over c of inp[n,c] * weight[o,c] + bias[o]. Given dout, the gradient of out, everything that took part",
      "gets its share: dout times what it was multiplied by, summed over every place in which it was used.",
      "",
      "  dinp[n,c]    = sum over o of dout[n,o] * weight[o,c]",
      "  dweight[o,c] = sum over n of dout[n,o] * inp[n,c]",
      "  dbias[o]     = sum over n of dout[n,o]",
    ],
    parameters: [
      { name: "dout", type: "Float32Array", doc: "(N,OC)" },
      { name: "inp", type: "Float32Array", doc: "(N,C)" },
      { name: "weight", type: "Float32Array", doc: "(OC,C)" },
      { name: "N", type: "number", doc: "rows" },
      { name: "C", type: "number", doc: "inputs" },
      { name: "OC", type: "number", doc: "outputs" },
    ],
    results: { dinp: "(N,C)", dweight: "(OC,C)", dbias: "(OC)" },
    start: [
      "const dinp = new Float32Array(N * C);",
      "const dweight = new Float32Array(OC * C);",
      "const dbias = new Float32Array(OC);",
    ],
    hints: [
      "The same three loops as forward, n, o and c. Each step of the innermost adds to dinp and to dweight.",
      "All are sums, so +=. dbias gets dout[n,o] once for each n and o, outside the loop over c.",
      "dinp[n * C + c] += dy * weight[o * C + c]; dweight[o * C + c] += dy * inp[n * C + c]; with dy = dout[n * OC + o].",
    ],
    parts: [
      { operation: "matmulBackwardInput", outputs: ["dinp"] },
      { operation: "matmulBackwardWeight", outputs: ["dweight", "dbias"] },
    ],
    cases: () =>
      [
        [1, 3, 2],
        [5, 4, 7],
        [6, 9, 9],
      ].map(([N, C, OC], seed) => {
        const random = new RandomOperands(seed);
        const inputs = { dout: random.normal([N, OC]), inp: random.normal([N, C]), weight: random.normal([OC, C]) };
        return {
          what: `N ${N}, C ${C}, OC ${OC}`,
          args: [inputs.dout.data, inputs.inp.data, inputs.weight.data, N, C, OC],
          inputs,
          numbers: numbersWith(),
          shapes: { dinp: [N, C], dweight: [OC, C], dbias: [OC] },
        };
      }),
  },
  {
    id: "10-gelu-backward",
    name: "geluBackward",
    title: "A product rule",
    text: [
      "Forward: out = x * cdf, cdf = 0.5 * (1 + tanh(u)), u = sqrt(2 / pi) * (x + 0.044715 * x³). By the product rule:",
      "",
      "  dinp = dout * (cdf + x * pdf)",
      "  pdf  = the derivative of cdf = 0.5 * (1 - tanh(u)²) * sqrt(2 / pi) * (1 + 3 * 0.044715 * x²)",
    ],
    parameters: [
      { name: "dout", type: "Float32Array", doc: "as inp" },
      { name: "inp", type: "Float32Array", doc: "what the forward was given, not what it returned" },
    ],
    results: { dinp: "as inp" },
    start: ["const dinp = new Float32Array(inp.length);"],
    hints: [
      "The derivative of tanh(u) is (1 - tanh(u)²) times the derivative of u.",
      "Compute tanh(u) once: cdf and pdf both have it.",
    ],
    parts: [{ operation: "geluBackward", outputs: ["dinp"] }],
    cases: () =>
      [1, 9, 40].map((n, seed) => {
        const random = new RandomOperands(seed);
        const inputs = { dout: random.normal([n]), inp: random.normal([n], 2) };
        return {
          what: `${n} numbers`,
          args: [inputs.dout.data, inputs.inp.data],
          inputs,
          numbers: numbersWith(),
          shapes: { dinp: [n] },
        };
      }),
  },
  {
    id: "11-layernorm-backward",
    name: "layernormBackward",
    title: "Where everything depends on everything",
    text: [
      "Forward: norm = (x - mean) * rstd, out = norm * weight + bias. Each x of a row acts on its own output directly, and on all outputs",
      "of the row through mean and rstd: hence two averages over the row.",
      "",
      "  dnorm      = dout * weight",
      "  dinp       = rstd * (dnorm - avg(dnorm) - norm * avg(dnorm * norm))",
      "  dweight[c] = sum over rows of dout * norm        dbias[c] = sum over rows of dout",
    ],
    parameters: [
      { name: "dout", type: "Float32Array", doc: "(N,C)" },
      { name: "inp", type: "Float32Array", doc: "(N,C)" },
      { name: "weight", type: "Float32Array", doc: "(C)" },
      { name: "mean", type: "Float32Array", doc: "(N) of the forward" },
      { name: "rstd", type: "Float32Array", doc: "(N) of the forward" },
      { name: "N", type: "number", doc: "rows" },
      { name: "C", type: "number" },
    ],
    results: { dinp: "(N,C)", dweight: "(C)", dbias: "(C)" },
    start: [
      "const dinp = new Float32Array(N * C);",
      "const dweight = new Float32Array(C);",
      "const dbias = new Float32Array(C);",
    ],
    hints: [
      "Two passes over a row: the first finds the two averages (and adds to dweight and dbias), the second writes dinp.",
      "An average over a row is a sum divided by C.",
      "dinp[n * C + c] = rstd[n] * (dnorm - average - norm * normAverage);",
    ],
    parts: [{ operation: "layernormBackward", outputs: ["dinp", "dweight", "dbias"] }],
    cases: () =>
      [
        [1, 5],
        [4, 7],
        [3, 6],
      ].map(([N, C], seed) => {
        const random = new RandomOperands(seed);
        const inp = random.normal([N, C], 1.5, 0.7);
        const [weight, bias, dout] = [random.normal([C], 0.5, 1), random.normal([C]), random.normal([N, C])];
        const numbers = numbersWith();
        const forward = attemptsAt("layernormForward", { inp, weight, bias }, numbers)[0].compute();
        const kept = { mean: Float32Array.from(forward.mean), rstd: Float32Array.from(forward.rstd) };
        return {
          what: `N ${N}, C ${C}`,
          args: [dout.data, inp.data, weight.data, kept.mean, kept.rstd, N, C],
          inputs: {
            ...{ dout, inp, weight },
            mean: { data: kept.mean, shape: [N] },
            rstd: { data: kept.rstd, shape: [N] },
          },
          numbers,
          shapes: { dinp: [N, C], dweight: [C], dbias: [C] },
        };
      }),
  },
  {
    id: "12-attention-backward",
    name: "attentionBackward",
    title: "Back through the weighted sum, the softmax and the dot product",
    text: [
      "The three steps of the forward in reverse order, for each sequence, head and query t, over t2 <= t:",
      "",
      "  weighted sum   datt[t2] = dout[t] · value[t2]                      dvalue[t2] += att[t,t2] * dout[t]",
      "  softmax        dscore[t2] = att[t,t2] * (datt[t2] - sum over t3 of att[t,t3] * datt[t3])",
      "  dot product    dquery[t] += dscore[t2] * key[t2] / sqrt(hs)        dkey[t2] += dscore[t2] * query[t] / sqrt(hs)",
      "",
      "A key or value was used by every later position, so its gradient is a sum over all of them.",
    ],
    parameters: [
      { name: "dout", type: "Float32Array", doc: "(B,T,C)" },
      { name: "qkv", type: "Float32Array", doc: "(B,T,3C) of the forward" },
      { name: "att", type: "Float32Array", doc: "(B,NH,T,T) of the forward" },
      { name: "B", type: "number" },
      { name: "T", type: "number" },
      { name: "C", type: "number" },
      { name: "NH", type: "number", doc: "heads" },
    ],
    results: { dqkv: "(B,T,3C)" },
    start: ["const dqkv = new Float32Array(B * T * 3 * C);", "const hs = C / NH;", "const datt = new Float64Array(T);"],
    hints: [
      "Loops over b, h and t as in the forward. First pass over t2: datt, dvalue, and the sum of att * datt. Second: dscore, dquery, dkey.",
      "dqkv is laid out as qkv: the gradient of the query of (b,t,h) begins at (b * T + t) * 3 * C + h * hs, of its key C further, of its value 2C.",
      "The sum over t3 is one number for the whole row t: compute it before the second pass.",
    ],
    parts: [{ operation: "attentionBackward", outputs: ["dqkv"] }],
    cases: () =>
      [
        { B: 1, T: 3, C: 4, NH: 2 },
        { B: 2, T: 5, C: 6, NH: 3 },
        { B: 3, T: 7, C: 10, NH: 2 },
      ].map(({ B, T, C, NH }, seed) => {
        const random = new RandomOperands(seed);
        const [qkv, dout] = [random.normal([B, T, 3 * C], 1.5), random.normal([B, T, C])];
        const numbers = numbersWith({ NH });
        const { att } = attemptsAt("attentionForward", { qkv }, numbers)[0].compute();
        const kept = { data: Float32Array.from(att), shape: [B, NH, T, T] };
        return {
          what: `B ${B}, T ${T}, C ${C}, NH ${NH}`,
          args: [dout.data, qkv.data, kept.data, B, T, C, NH],
          inputs: { dout, qkv, att: kept },
          numbers,
          shapes: { dqkv: [B, T, 3 * C] },
        };
      }),
  },
  {
    id: "13-embedding-backward",
    name: "embeddingBackward",
    title: "Rows that are used more than once",
    text: [
      "Forward: out[b,t] = wte[tokens[b,t]] + wpe[t]. A row of wte was used wherever its token stands, a row of wpe once in each sequence:",
      "their gradients add up.",
      "",
      "  dwte[tokens[b,t], c] += dout[b,t,c]        dwpe[t,c] += dout[b,t,c]",
    ],
    parameters: [
      { name: "dout", type: "Float32Array", doc: "(B,T,C)" },
      { name: "tokens", type: "Int32Array", doc: "(B,T)" },
      { name: "B", type: "number" },
      { name: "T", type: "number" },
      { name: "C", type: "number" },
      { name: "V", type: "number", doc: "rows of wte" },
      { name: "maxT", type: "number", doc: "rows of wpe" },
    ],
    results: { dwte: "(V,C)", dwpe: "(maxT,C)" },
    start: ["const dwte = new Float32Array(V * C);", "const dwpe = new Float32Array(maxT * C);"],
    hints: [
      "The loops of exercise 1, with the two sides of the assignment exchanged.",
      "dwte[token * C + c] += dout[(b * T + t) * C + c];",
    ],
    parts: [{ operation: "embeddingBackward", outputs: ["dwte", "dwpe"] }],
    cases: () =>
      [
        { B: 1, T: 3, C: 4 },
        { B: 2, T: 5, C: 3 },
        { B: 3, T: 7, C: 5 },
      ].map(({ B, T, C }, seed) => {
        const random = new RandomOperands(seed);
        const [V, maxT] = [6, T + 2];
        const [dout, tokens] = [random.normal([B, T, C]), random.tokens([B, T], V)];
        // A token that occurs twice in a row, whatever the random ones are.
        tokens.data[1] = tokens.data[0];
        const nothing = { data: new Float32Array(V * C), shape: [V, C] };
        const wpe = { data: new Float32Array(maxT * C), shape: [maxT, C] };
        return {
          what: `B ${B}, T ${T}, C ${C}`,
          args: [dout.data, tokens.data, B, T, C, V, maxT],
          inputs: { dout, tokens, dwte: nothing, wpe },
          numbers: numbersWith(),
          shapes: { dwte: [V, C], dwpe: [maxT, C] },
        };
      }),
  },
  {
    id: "14-adamw",
    name: "adamw",
    title: "One update",
    text: [
      "AdamW keeps two moving averages for each parameter, of its gradient and of the gradient's square, and steps by their quotient. They",
      "begin at 0, which the division by 1 - beta^step makes up for. Weight decay pulls on the parameter itself.",
      "",
      "  m = beta1 * m + (1 - beta1) * g        v = beta2 * v + (1 - beta2) * g²",
      "  param -= learningRate * ((m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + eps) + weightDecay * param)",
      "",
      "Return new arrays; the given ones stay as they are.",
    ],
    parameters: [
      { name: "param", type: "Float32Array", doc: "any shape" },
      { name: "grad", type: "Float32Array", doc: "as param" },
      { name: "m", type: "Float32Array", doc: "before the update" },
      { name: "v", type: "Float32Array", doc: "before the update" },
      { name: "options", type: "AdamWOptions", doc: "step is 1 for the first update" },
    ],
    results: { m: "as param", v: "as param", param: "as param" },
    start: [
      "const updated = { m: new Float32Array(param.length), v: new Float32Array(param.length), param: new Float32Array(param.length) };",
      "const { learningRate, beta1, beta2, eps, weightDecay, step } = options;",
    ],
    hints: [
      "Element by element; m and v first, since the update takes the new ones.",
      "eps is added to the root, and weightDecay * param is outside of m and v.",
    ],
    parts: [{ operation: "adamw", outputs: ["m", "v", "param"] }],
    cases: () =>
      [
        [1, 1],
        [7, 1],
        [12, 5],
      ].map(([n, step], seed) => {
        const random = new RandomOperands(seed);
        const { adamw } = numbersWith();
        const options = { learningRate: 0.1, beta1: 0.9, beta2: 0.99, eps: 0.01, weightDecay: 0.3, step };
        const old = step === 1 ? 0 : 1;
        const [param, grad, m] = [random.normal([n]), random.normal([n]), random.normal([n], old)];
        const v = { data: random.normal([n], old).data.map((value) => value * value), shape: [n] };
        return {
          what: `${n} numbers, step ${step}`,
          args: [param.data, grad.data, m.data, v.data, options],
          inputs: { param, grad, m, v },
          numbers: numbersWith({ adamw: { ...adamw, ...options } }),
          shapes: { m: [n], v: [n], param: [n] },
        };
      }),
  },
];
