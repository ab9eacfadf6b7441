/**
 * GPT-2: the whole model, forward and backward, written once against the backend contract. Radford et al., 2019.
 *
 * Each of the L layers reads the residual stream (N,C), N = B*T rows, and adds to it twice: what attention gathered
 * from earlier positions, and what a two-layer network (MLP) made of each position by itself. There is no autograd:
 * `backward` undoes `forward` operation by operation, from the loss to the embedding. The operations themselves are
 * in backend/reference, one short file each.
 */
import { type AdamWOptions, type Backend, type Tensor, view } from "../backend/backend.ts";
import {
  decayedTensors,
  layer,
  type Parameters,
  type TensorSet,
  type TrainingTensors,
  tensorNames,
} from "./parameters.ts";
import {
  type DecodeWorkspace,
  type LossWorkspace,
  row,
  type StepWorkspace,
  type TrainWorkspace,
  type Workspace,
} from "./workspace.ts";

/**
 * Runs ws.tokens (B,T) through all layers up to the last layernorm: ws.lnf (N,C). The head is apart, since its logits
 * (N,Vp) are the largest tensor of all and rarely wanted whole. `T` may be less than the workspace's; `past` is how
 * many positions each sequence's cache already holds.
 */
export function forward(be: Backend, p: Parameters, ws: Workspace, T = ws.T, past = 0): void {
  const { B } = ws;
  const { L, NH, C, hidden, epsilon, gelu } = p.config;
  const w = p.weights;
  const N = B * T;
  const cut = (t: Tensor, width: number) => (T === ws.T ? t : view(t, 0, [N, width]));
  const projected = cut(ws.projected, C);

  let residual = cut(ws.encoded, C);
  be.embeddingForward(residual, ws.tokens, w.wte, w.wpe, B, T, C, past);
  for (let l = 0; l < L; l++) {
    const a = ws.layers[l];
    const residual2 = cut(a.residual2, C);
    const residual3 = cut(a.residual3, C);

    be.layernormForward(a.ln1, a.ln1mean, a.ln1rstd, residual, layer(w.ln1w, l), layer(w.ln1b, l), N, C, epsilon);
    be.matmulForward(a.qkv, a.ln1, layer(w.qkvw, l), layer(w.qkvb, l), N, C, 3 * C);
    be.attentionForward(a.atty, a.attsaved ?? null, a.qkv, { B, T, C, NH }, a.cache, past);
    be.matmulForward(projected, a.atty, layer(w.attprojw, l), layer(w.attprojb, l), N, C, C);
    be.residualForward(residual2, residual, projected);

    be.layernormForward(a.ln2, a.ln2mean, a.ln2rstd, residual2, layer(w.ln2w, l), layer(w.ln2b, l), N, C, epsilon);
    be.matmulForward(a.fch, a.ln2, layer(w.fcw, l), layer(w.fcb, l), N, C, hidden);
    be.geluForward(cut(a.fchgelu, hidden), cut(a.fch, hidden), gelu);
    be.matmulForward(projected, a.fchgelu, layer(w.fcprojw, l), layer(w.fcprojb, l), N, hidden, C);
    be.residualForward(residual3, residual2, projected);
    residual = residual3;
  }
  be.layernormForward(ws.lnf, ws.lnfmean, ws.lnfrstd, residual, w.lnfw, w.lnfb, N, C, epsilon);
}

/** After `forward`: ws.losses (N) of ws.targets, and their mean in ws.stats. */
export function loss(be: Backend, p: Parameters, ws: LossWorkspace): void {
  const { C, V, Vp } = p.config;
  const N = ws.B * ws.T;
  be.headLoss(ws.losses, ws.headScratch, ws.lnf, p.weights.wte, ws.targets, N, C, V, Vp);
  be.mean(view(ws.stats, 0, [1]), ws.losses);
}

/** After `forward`: logits (N,Vp) of every position. */
export function logits(be: Backend, p: Parameters, ws: Workspace, out: Tensor): void {
  const { C, Vp } = p.config;
  be.matmulForward(out, ws.lnf, p.weights.wte, null, ws.B * ws.T, C, Vp);
}

export interface BackwardOptions {
  /** Add to the gradients that are there (gradient accumulation) instead of overwriting them. */
  readonly accumulate?: boolean;
  /** The weight of this batch's mean loss: one over the number of batches accumulated. */
  readonly weight?: number;
}

/** After `forward`: losses as `loss` gives them, and the gradient of their mean in `grads`. */
export function backward(
  be: Backend,
  p: Parameters,
  grads: TensorSet,
  ws: TrainWorkspace,
  { accumulate = false, weight = 1 }: BackwardOptions = {},
): void {
  const { B, T } = ws;
  const { L, NH, C, V, Vp, hidden, epsilon, gelu } = p.config;
  const w = p.weights;
  const g = grads;
  const N = B * T;
  const { dresidual, dchannels, dhidden, dqkv } = ws;
  const residual = (l: number) => (l < 0 ? ws.encoded : ws.layers[l].residual3);

  be.headBackward(
    ws.losses,
    dchannels,
    g.wte,
    ws.headScratch,
    ws.lnf,
    w.wte,
    ws.targets,
    N,
    C,
    V,
    Vp,
    weight / N,
    accumulate,
  );
  be.mean(view(ws.stats, 0, [1]), ws.losses);
  be.fill(dresidual, 0);
  be.layernormBackward(
    dresidual,
    g.lnfw,
    g.lnfb,
    dchannels,
    residual(L - 1),
    w.lnfw,
    ws.lnfmean,
    ws.lnfrstd,
    N,
    C,
    accumulate,
  );
  for (let l = L - 1; l >= 0; l--) {
    const a = ws.layers[l];
    const [fcprojw, fcw, attprojw, qkvw] = [w.fcprojw, w.fcw, w.attprojw, w.qkvw].map((t) => layer(t, l));

    if (ws.recompute) {
      const stream = residual(l - 1);
      be.layernormForward(a.ln1, a.ln1mean, a.ln1rstd, stream, layer(w.ln1w, l), layer(w.ln1b, l), N, C, epsilon);
      be.layernormForward(a.ln2, a.ln2mean, a.ln2rstd, a.residual2, layer(w.ln2w, l), layer(w.ln2b, l), N, C, epsilon);
      be.geluForward(a.fchgelu, a.fch, gelu);
    }

    // The MLP. Its output was added to the residual stream, so its gradient is the stream's.
    be.matmulBackwardInput(dhidden, dresidual, fcprojw, N, hidden, C);
    be.matmulBackwardWeight(layer(g.fcprojw, l), layer(g.fcprojb, l), dresidual, a.fchgelu, N, hidden, C, accumulate);
    be.geluBackward(dhidden, a.fch, dhidden, gelu);
    be.matmulBackwardInput(dchannels, dhidden, fcw, N, C, hidden);
    be.matmulBackwardWeight(layer(g.fcw, l), layer(g.fcb, l), dhidden, a.ln2, N, C, hidden, accumulate);
    be.layernormBackward(
      dresidual,
      layer(g.ln2w, l),
      layer(g.ln2b, l),
      dchannels,
      a.residual2,
      layer(w.ln2w, l),
      a.ln2mean,
      a.ln2rstd,
      N,
      C,
      accumulate,
    );

    // Attention.
    be.matmulBackwardInput(dchannels, dresidual, attprojw, N, C, C);
    be.matmulBackwardWeight(layer(g.attprojw, l), layer(g.attprojb, l), dresidual, a.atty, N, C, C, accumulate);
    be.attentionBackward(dqkv, dchannels, a.qkv, a.attsaved, { B, T, C, NH });
    be.matmulBackwardInput(dchannels, dqkv, qkvw, N, C, 3 * C);
    be.matmulBackwardWeight(layer(g.qkvw, l), layer(g.qkvb, l), dqkv, a.ln1, N, C, 3 * C, accumulate);
    be.layernormBackward(
      dresidual,
      layer(g.ln1w, l),
      layer(g.ln1b, l),
      dchannels,
      residual(l - 1),
      layer(w.ln1w, l),
      a.ln1mean,
      a.ln1rstd,
      N,
      C,
      accumulate,
    );
  }
  // The head has set wte's gradient; positions' gradients are only ever added to.
  if (!accumulate) be.fill(g.wpe, 0);
  be.embeddingBackward(g.wte, g.wpe, dresidual, ws.tokens, B, T, C);
}

/**
 * Forward and backward of a step's batches, one after the other: their mean loss into ws.shared.stats, and its gradient
 * into `grads`. As one large batch of all of them, but for rounding.
 */
export function accumulateGradients(be: Backend, p: Parameters, grads: TensorSet, ws: StepWorkspace): void {
  const { shared, batches, means } = ws;
  for (const [i, batch] of batches.entries()) {
    forward(be, p, batch);
    backward(be, p, grads, batch, { accumulate: i > 0, weight: 1 / batches.length });
  }
  be.mean(view(shared.stats, 0, [1]), means);
}

/** The squared norm of all gradients together, into ws.stats. */
export function gradientNorm(be: Backend, grads: TensorSet, ws: LossWorkspace): void {
  be.sumSquares(view(ws.stats, 1, [1]), Object.values(grads));
}

export interface UpdateOptions extends AdamWOptions {
  /** Decay biases and layernorms as well, as llm.c's test does; else embeddings and matrices only. */
  readonly decayAll?: boolean;
}

/** One AdamW step on all parameters. */
export function update(be: Backend, p: Parameters, training: TrainingTensors, options: UpdateOptions): void {
  for (const name of tensorNames) {
    const weightDecay = options.decayAll || decayedTensors.has(name) ? options.weightDecay : 0;
    be.adamw(p.weights[name], training.grads[name], training.m[name], training.v[name], { ...options, weightDecay });
  }
}

/**
 * Takes T more tokens of sequence `b`, written to its workspace, behind the `past` ones that its cache holds, and leaves
 * the logits of what comes after the last in ws.logits, row b.
 */
export function decodePrompt(
  be: Backend,
  p: Parameters,
  ws: DecodeWorkspace,
  b: number,
  T: number,
  past: number,
): void {
  const { C, Vp } = p.config;
  const prompt = ws.prompts[b];
  forward(be, p, prompt, T, past);
  be.matmulForward(row(ws.logits, b, Vp), row(prompt.lnf, T - 1, C), p.weights.wte, null, 1, C, Vp);
}

/** Takes one more token of every sequence, written to ws.step.tokens (B,1), and leaves in ws.logits what comes next. */
export function decodeStep(be: Backend, p: Parameters, ws: DecodeWorkspace, past: number): void {
  forward(be, p, ws.step, 1, past);
  logits(be, p, ws.step, ws.logits);
}
