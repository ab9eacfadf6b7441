/**
 * Muon (Jordan et al., 2024), for the matrices of layers: the momentum of a gradient, made nearly orthogonal, so that an update
 * moves all its directions alike. As torch.optim.Muon computes it in f32, Nesterov's momentum included:
 *
 *   b = momentum * b + (1 - momentum) * g,   u = (1 - momentum) * g + momentum * b      g = grad * gradScale
 *   X = u / |u|, five times X = 3.4445 X + (-4.775 A + 2.0315 A A) X, A = X Xᵀ         of the shorter side
 *   param = (1 - learningRate * weightDecay) * param - learningRate * 0.2 sqrt(max(rows, columns)) * X
 *
 * The last factor gives updates the size of AdamW's, whose learning rate and decay then serve both ("match_rms_adamw", Liu et
 * al., 2025). Queries, keys and values are matrices of their own.
 */
import { type AdamWOptions, type Backend, type Tensor, view } from "../backend/backend.ts";
import type { MuonScratch } from "./muon-memory.ts";
import type { TensorName } from "./parameters.ts";
import type { MuonTraining, Parameters, TensorSet } from "./tensor-set.ts";
import type { Stacked } from "./tensor-stacks.ts";

const momentum = 0.95;
const iterations = 5;
const [a, b, c] = [3.4445, -4.775, 2.0315];
const epsilon = 1e-7;

const matrices: ReadonlySet<string> = new Set<TensorName>(["qkvw", "attprojw", "fcw", "fcprojw"]);

/** True for what Muon updates; AdamW has the rest. */
export const isMuons = ({ name }: Pick<Stacked, "name">): boolean => matrices.has(name);

/** The matrices of a set, queries, keys and values apart. */
function matricesOf(set: TensorSet, C: number): Tensor[] {
  return set.layers.flatMap(({ qkv, attproj, fc, fcproj }) => [
    ...[0, 1, 2].map((i) => view(qkv.weight, i * C * C, [C, C])),
    attproj.weight,
    fc.weight,
    fcproj.weight,
  ]);
}

/** Leaves u in the gradients of matrices, and gives the norm of each. */
export async function muonDirections(
  be: Backend,
  { config }: Parameters,
  { grads, m, muon }: MuonTraining,
  gradScale: number,
): Promise<number[]> {
  const buffers = matricesOf(m, config.C);
  for (const [i, grad] of matricesOf(grads, config.C).entries()) {
    be.addScaled(grad, grad, (1 - momentum ** 2) * gradScale, buffers[i], momentum ** 2);
    be.sumSquares(view(muon.squares, i, [1]), [grad]);
  }
  return [...(await be.read(muon.squares))].map(Math.sqrt);
}

/** Updates the matrices of layers and their momentum by directions of these norms. */
export function updateByMuon(
  be: Backend,
  { config, weights }: Parameters,
  { grads, m, muon }: MuonTraining,
  norms: readonly number[],
  { learningRate, weightDecay }: Pick<AdamWOptions, "learningRate" | "weightDecay">,
): void {
  const [directions, buffers] = [grads, m].map((set) => matricesOf(set, config.C));
  for (const [i, param] of matricesOf(weights, config.C).entries()) {
    const u = directions[i];
    // The momentum from u, by its definition.
    be.addScaled(buffers[i], buffers[i], momentum / (1 + momentum), u, 1 / (1 + momentum));
    orthogonalize(be, u, norms[i], muon);
    const rate = learningRate * 0.2 * Math.sqrt(Math.max(...param.shape));
    be.addScaled(param, param, 1 - learningRate * weightDecay, u, -rate);
  }
}

/** Five Newton-Schulz iterations on x (rows,columns), whose norm is known: its singular values become 0.7 to 1.2. */
function orthogonalize(be: Backend, x: Tensor, norm: number, scratch: MuonScratch): void {
  const [rows, columns] = x.shape;
  const side = Math.min(rows, columns);
  const gram = view(scratch.gram, 0, [side, side]);
  const square = view(scratch.square, 0, [side, side]);
  const product = view(scratch.product, 0, [rows, columns]);
  be.addScaled(x, x, 1 / Math.max(norm, epsilon), x, 0);
  for (let i = 0; i < iterations; i++) {
    if (rows <= columns) be.matmulForward(gram, x, { weight: x, bias: null });
    else be.matmulBackwardWeight({ weight: gram, bias: null, accumulate: false }, x, x);
    be.matmulForward(square, gram, { weight: gram, bias: null });
    be.addScaled(square, gram, b, square, c);
    if (rows <= columns) be.matmulBackwardInput(product, square, { weight: x, bias: null });
    else be.matmulBackwardInput(product, x, { weight: square, bias: null });
    be.addScaled(x, x, a, product, 1);
  }
}
