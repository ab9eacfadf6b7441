/** The exercise that puts all layers together: GPT-2's forward and backward of the reader's own functions. */

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
