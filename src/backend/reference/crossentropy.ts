/**
 * losses (N) = -log of the probability that softmax over the first V of each row's Vp logits gives to the target.
 * With `scale`, the logits become their own gradient: (probability - 1 at the target) * scale, 0 in the padding.
 */
export function softmaxCrossentropy(
  losses: Float32Array,
  logits: Float32Array,
  targets: Int32Array,
  N: number,
  V: number,
  Vp: number,
  scale?: number,
): void {
  for (let n = 0; n < N; n++) {
    const row = logits.subarray(n * Vp, (n + 1) * Vp);
    let max = -Infinity;
    for (let v = 0; v < V; v++) max = Math.max(max, row[v]);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += Math.exp(row[v] - max);
    losses[n] = max + Math.log(sum) - row[targets[n]];
    if (scale === undefined) continue;
    for (let v = 0; v < V; v++) {
      const p = Math.exp(row[v] - max) / sum;
      row[v] = (p - (v === targets[n] ? 1 : 0)) * scale;
    }
    row.fill(0, V);
  }
}
