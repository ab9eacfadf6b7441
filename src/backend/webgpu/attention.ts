/** Attention: which kernels compute it, for how much of the batch at a time. */
import { type KVCache, type Tensor, view } from "../backend.ts";
import type { WebGpuDevice } from "./device.ts";
import { gridOf, inVectors, partsOf } from "./dispatch.ts";
import { LONGEST } from "./matmul.ts";
import {
  type AttentionForm,
  attentionBytes,
  attentionSource,
  keysBackwardSource,
  queriesBackwardSource,
  rememberSource,
  TILE,
} from "./wgsl/attention.ts";
import { attentionRowsSource, keyRowsBackwardSource, queryRowsBackwardSource } from "./wgsl/attention-rows.ts";
import { THREADS } from "./wgsl/snippets.ts";

/** Fewer queries than these go row by row: most of a tile would be empty. */
const LEAST_QUERIES = 8;

interface Forward {
  readonly out: Tensor;
  readonly saved: Tensor | null;
  readonly qkv: Tensor;
  readonly cache?: KVCache;
  readonly past: number;
}

export function attentionForward(gpu: WebGpuDevice, NH: number, { out, saved, qkv, cache, past }: Forward): void {
  for (const { B, T, C, part } of batchesOf(gpu, qkv)) {
    const hs = C / NH;
    const S = cache?.keys.shape[1] ?? 0;
    const cached = cache ? [part(cache.keys), part(cache.values)] : [];
    for (const [i, tensor] of cached.entries()) remember(gpu, tensor, part(qkv), [T, C, S, past, i + 1]);
    const form = { hs, vectors: [out, qkv, ...cached].every((tensor) => inVectors(tensor, hs)) };
    const options = { cache: cache !== undefined, save: saved !== null };
    const isTiled = fitsTiles(gpu, hs) && (!cache || T >= LEAST_QUERIES);
    const result = isTiled ? part(out) : floatsFor(gpu, part(out));
    gpu.run({
      key: `attention ${keyOf(isTiled, form)}${cache ? " cache" : ""}${saved ? " saved" : ""}`,
      source: () => (isTiled ? attentionSource(form, options) : attentionRowsSource(options)),
      tensors: [result, part(qkv), ...cached, ...(saved ? [part(saved)] : [])],
      u32: [T, C, NH, hs, past, S],
      f32: [1 / Math.sqrt(hs), Number.NaN],
      grid: [isTiled ? Math.ceil(T / TILE) : T, NH, B],
      flops: 4 * B * T * (past + T) * C,
    });
    gpu.round(part(out), result);
  }
}

/** Puts the keys (part 1) or values (part 2) of qkv into a cache. */
function remember(gpu: WebGpuDevice, cache: Tensor, qkv: Tensor, shape: readonly number[]): void {
  const n = qkv.size / 3;
  gpu.run({
    key: "remember",
    source: () => rememberSource,
    tensors: [cache, qkv],
    u32: [n, ...shape],
    grid: gridOf(n, THREADS),
    flops: n,
  });
}

interface Backward {
  readonly dqkv: Tensor;
  readonly dout: Tensor;
  readonly qkv: Tensor;
  readonly saved: Tensor;
}

export function attentionBackward(gpu: WebGpuDevice, NH: number, { dqkv, dout, qkv, saved }: Backward): void {
  for (const { B, T, C, part } of batchesOf(gpu, qkv)) {
    const hs = C / NH;
    const form = { hs, vectors: [dqkv, dout, qkv].every((tensor) => inVectors(tensor, hs)) };
    const isTiled = fitsTiles(gpu, hs);
    const result = isTiled ? part(dqkv) : floatsFor(gpu, part(dqkv));
    const shared = {
      tensors: [result, part(dout), part(qkv), part(saved), gpu.scratch("D", B * NH * T)],
      u32: [T, C, NH, hs],
      f32: [1 / Math.sqrt(hs), Number.NaN],
      grid: [isTiled ? Math.ceil(T / TILE) : T, NH, B] as const,
      flops: 4 * B * T * T * C,
    };
    gpu.run({
      key: `attention backward, queries ${keyOf(isTiled, form)}`,
      source: () => (isTiled ? queriesBackwardSource(form) : queryRowsBackwardSource),
      ...shared,
    });
    gpu.run({
      key: `attention backward, keys ${keyOf(isTiled, form)}`,
      source: () => (isTiled ? keysBackwardSource(form) : keyRowsBackwardSource),
      ...shared,
    });
    gpu.round(part(dqkv), result);
  }
}

/** `tensor`, or floats in place of bfloat16, which kernels by rows do not write: `round` brings them there. */
function floatsFor(gpu: WebGpuDevice, tensor: Tensor): Tensor {
  return tensor.dtype === "f32" ? tensor : view(gpu.scratch("floats", tensor.size), 0, tensor.shape);
}

const keyOf = (isTiled: boolean, { hs, vectors }: AttentionForm) =>
  isTiled ? `${hs}${vectors ? " vectors" : ""}` : "rows";

const fitsTiles = (gpu: WebGpuDevice, hs: number) =>
  attentionBytes(hs) <= gpu.adapter.limits.maxComputeWorkgroupStorageSize;

/** The whole batch of qkv (B,T,3C), or parts of it where a binding or a dispatch holds no more; `part` is theirs of any (B,…) tensor. */
function batchesOf(gpu: WebGpuDevice, qkv: Tensor) {
  const [all, T, width] = qkv.shape;
  const most = Math.min(Math.floor(gpu.window / (4 * T * width)), Math.floor(LONGEST / (T * T * width)));
  return partsOf(all, most).map(({ first, count: B }) => {
    const part = (tensor: Tensor) => {
      const size = tensor.size / all;
      return view(tensor, first * size, [B * size]);
    };
    return { B, T, C: width / 3, part };
  });
}
