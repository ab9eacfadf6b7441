/**
 * GPT-2: the whole model, forward and backward, written once against the backend contract. Radford et al., 2019.
 *
 * Each of the L layers reads the residual stream (N,C), N = B*T rows, and adds to it twice: what attention gathered
 * from earlier positions, and what a two-layer network (MLP) made of each position by itself. There is no autograd:
 * `backward` undoes `forward` operation by operation, from the loss to the embedding. The operations themselves are
 * in backend/reference, one short file each.
 */
import { type AdamWOptions, type Backend, type Tensor, view } from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";
import { type Gradients, type LoraTarget, lowRankBackward, lowRankForward } from "./lora.ts";
import type { Parameters, TensorsOfTraining } from "./tensor-set.ts";
import type { Stacked } from "./tensor-stacks.ts";
import {
  type DecodeWorkspace,
  firstPositions,
  type LayerActivations,
  type LossWorkspace,
  row,
  type StepWorkspace,
  type TrainWorkspace,
  type Workspace,
} from "./workspace.ts";

/**
 * Runs ws.tokens (B,T) through all layers up to the last layernorm: ws.lnf.out (N,C). The head is apart, since its logits
 * (N,Vp) are the largest tensor of all and rarely wanted whole. `past` is how many positions each sequence's cache
 * already holds.
 */
export function forward(be: Backend, p: Parameters, ws: Workspace, past = 0): void {
  be.embeddingForward(ws.encoded, ws.tokens, p.weights.wte, p.weights.wpe, past);
  forwardLayers(be, p, ws, (a) => attend(be, p.config, a, past));
}

/** All of `forward` behind the embedding; `attention` fills a layer's atty from its qkv. */
export function forwardLayers(
  be: Backend,
  p: Parameters,
  ws: Workspace,
  attention: (a: LayerActivations) => void,
): void {
  const { L, epsilon, gelu } = p.config;
  let residual = ws.encoded;
  for (let l = 0; l < L; l++) {
    const a = ws.layers[l];
    const w = p.weights.layers[l];

    be.layernormForward(a.ln1, residual, w.ln1, epsilon);
    linearForward(be, p, l, "qkv", a.qkv, a.ln1.out);
    attention(a);
    linearForward(be, p, l, "attproj", ws.projected, a.atty);
    be.residualForward(a.residual2, residual, ws.projected);

    be.layernormForward(a.ln2, a.residual2, w.ln2, epsilon);
    linearForward(be, p, l, "fc", a.fch, a.ln2.out);
    be.geluForward(a.fchgelu, a.fch, gelu);
    linearForward(be, p, l, "fcproj", ws.projected, a.fchgelu);
    be.residualForward(a.residual3, a.residual2, ws.projected);
    residual = a.residual3;
  }
  be.layernormForward(ws.lnf, residual, p.weights.lnf, epsilon);
}

/** out (N,OC) = inp (N,C) weightᵀ + bias, and what an adapter adds to it. */
function linearForward(be: Backend, p: Parameters, l: number, name: LoraTarget, out: Tensor, inp: Tensor): void {
  be.matmulForward(out, inp, p.weights.layers[l][name]);
  if (p.adapters) lowRankForward(be, p.adapters, l, name, out, inp);
}

/** a.atty (B,T,C) from a.qkv (B,T,3C): rotary positions, if the model has them, and attention. */
export function attend(
  be: Backend,
  { NH, positions }: GPT2Config,
  a: Pick<LayerActivations, "qkv" | "atty" | "attsaved" | "cache">,
  past = 0,
): void {
  if (positions === "rotary") be.rotaryForward(a.qkv, NH, past);
  be.attentionForward(a.atty, a.attsaved ?? null, a.qkv, NH, a.cache, past);
}

/** After `forward`: ws.head.losses (N) of its targets, and their mean in ws.stats. */
export function loss(be: Backend, p: Parameters, ws: LossWorkspace): void {
  be.headLoss(ws.head, ws.lnf.out, p.weights.wte);
  be.mean(view(ws.stats, 0, [1]), ws.head.losses);
}

/** The head alone: logits (rows,Vp) of rows of ws.lnf.out. */
export function logits(be: Backend, p: Parameters, out: Tensor, rows: Tensor): void {
  be.matmulForward(out, rows, { weight: p.weights.wte, bias: null });
}

export interface BackwardOptions {
  /** Add to the gradients that are there (gradient accumulation) instead of overwriting them. */
  readonly accumulate?: boolean;
  /** The weight of this batch's mean loss: one over the number of batches accumulated. */
  readonly weight?: number;
}

/** After `forward`: losses as `loss` gives them, and the gradient of their mean in `grads`, where there is room for it. */
export function backward(
  be: Backend,
  p: Parameters,
  grads: Gradients,
  ws: TrainWorkspace,
  { accumulate = false, weight = 1 }: BackwardOptions = {},
): void {
  const { L, NH, epsilon, gelu, positions } = p.config;
  const { dresidual, dchannels, dhidden, dqkv } = ws;
  const { wte, lnf } = p.weights;
  const residualBefore = (l: number) => (l === 0 ? ws.encoded : ws.layers[l - 1].residual3);

  const dwte = grads.wte && { weight: grads.wte, accumulate };
  be.headBackward(ws.head, dchannels, dwte, ws.lnf.out, wte, weight / (ws.B * ws.T));
  be.mean(view(ws.stats, 0, [1]), ws.head.losses);
  be.fill(dresidual, 0);
  const dlnf = { ...grads.lnf, accumulate };
  be.layernormBackward(dresidual, dlnf, dchannels, residualBefore(L), lnf, ws.lnf);
  for (let l = L - 1; l >= 0; l--) {
    const a = ws.layers[l];
    const w = p.weights.layers[l];
    const dw = grads.layers[l];
    const residual = residualBefore(l);
    /** The gradient of a matmul's input in dinp, and of its weights. */
    const linear = (name: LoraTarget, dinp: Tensor, dout: Tensor, inp: Tensor) => {
      const { [name]: own } = dw;
      be.matmulBackwardInput(dinp, dout, w[name]);
      if (own) be.matmulBackwardWeight({ ...own, accumulate }, dout, inp);
      if (p.adapters && grads.pairs)
        lowRankBackward(be, p.adapters, grads.pairs, l, name, { dinp, dout, inp }, accumulate);
    };

    if (ws.recompute) {
      be.layernormForward(a.ln1, residual, w.ln1, epsilon);
      be.layernormForward(a.ln2, a.residual2, w.ln2, epsilon);
      be.geluForward(a.fchgelu, a.fch, gelu);
    }

    // The MLP. Its output was added to the residual stream, so its gradient is the stream's.
    linear("fcproj", dhidden, dresidual, a.fchgelu);
    be.geluBackward(dhidden, a.fch, dhidden, gelu);
    linear("fc", dchannels, dhidden, a.ln2.out);
    be.layernormBackward(dresidual, { ...dw.ln2, accumulate }, dchannels, a.residual2, w.ln2, a.ln2);

    // Attention.
    linear("attproj", dchannels, dresidual, a.atty);
    be.attentionBackward(dqkv, dchannels, a.qkv, a.attsaved, NH);
    if (positions === "rotary") be.rotaryBackward(dqkv, NH);
    linear("qkv", dchannels, dqkv, a.ln1.out);
    be.layernormBackward(dresidual, { ...dw.ln1, accumulate }, dchannels, residual, w.ln1, a.ln1);
  }
  // The head has set wte's gradient; positions' gradients are only ever added to.
  if (!grads.wte) return;
  if (grads.wpe && !accumulate) be.fill(grads.wpe, 0);
  be.embeddingBackward(grads.wte, grads.wpe, dresidual, ws.tokens);
}

/**
 * Forward and backward of a step's batches, one after the other: their mean loss into ws.shared.stats, and its gradient
 * into `grads`, times `share`. As one large batch of all of them, but for rounding.
 */
export function accumulateGradients(be: Backend, p: Parameters, grads: Gradients, ws: StepWorkspace, share = 1): void {
  const { shared, batches, means } = ws;
  for (const [i, batch] of batches.entries()) {
    forward(be, p, batch);
    backward(be, p, grads, batch, { accumulate: i > 0, weight: share / batches.length });
  }
  be.mean(view(shared.stats, 0, [1]), means);
}

/** The squared norm of all gradients together, into ws.stats. */
export function gradientNorm(be: Backend, grads: { readonly blocks: readonly Tensor[] }, ws: LossWorkspace): void {
  be.sumSquares(view(ws.stats, 1, [1]), grads.blocks);
}

export interface UpdateOptions extends AdamWOptions {
  /** Decay biases and layernorms as well, as llm.c's test does; else embeddings and matrices only. */
  readonly decayAll?: boolean;
  /** Parameters that are updated otherwise; default: none. */
  readonly except?: (parameter: Stacked) => boolean;
}

/**
 * One AdamW step on all that is trained, the adapters or else the weights, or on the part that the moments are of; and on the
 * weights' copy in bf16 if there is one.
 */
export function update(be: Backend, p: Parameters, training: TensorsOfTraining, options: UpdateOptions): void {
  const { grads, m, v, copy } = training;
  const { entries } = p.adapters?.set ?? p.weights;
  for (const [i, { parameter, tensor }] of entries.entries()) {
    if (options.except?.(parameter)) continue;
    const weightDecay = options.decayAll || parameter.decay ? options.weightDecay : 0;
    const [dm, dv] = [m.entries[i].tensor, v.entries[i].tensor];
    if (!dm || !dv) continue;
    const held = m.entries[i];
    const start = "start" in held ? held.start : 0;
    const updated = (whole: Tensor) => (dm.size === whole.size ? whole : view(whole, start, [dm.size]));
    const rounded = copy && parameter.bf16 ? updated(copy.entries[i].tensor) : null;
    be.adamw(updated(tensor), updated(grads.entries[i].tensor), dm, dv, { ...options, weightDecay }, rounded);
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
  const prompt = firstPositions(ws.prompts[b], T);
  forward(be, p, prompt, past);
  logits(be, p, row(ws.logits, b, Vp), row(prompt.lnf.out, T - 1, C));
}

/** Takes one more token of every sequence, written to ws.step.tokens (B,1), and leaves in ws.logits what comes next. */
export function decodeStep(be: Backend, p: Parameters, ws: DecodeWorkspace, past: number): void {
  forward(be, p, ws.step, past);
  logits(be, p, ws.logits, ws.step.lnf.out);
}
