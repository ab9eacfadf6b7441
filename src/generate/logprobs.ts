/** A token, and the natural logarithm of the probability that the model gives it. */
export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** The logarithm of the sum of the exponentials: logits less it are logarithms of probabilities. */
export function logSumExp(logits: Float32Array): number {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return largest + Math.log(sum);
}

/** The `count` most probable tokens, the best first; of equals the first. `excluded` ids are left out. */
export function topLogprobs(
  logits: Float32Array,
  count: number,
  logSum = logSumExp(logits),
  excluded: ReadonlySet<number> = new Set(),
): TokenLogprob[] {
  const best: number[] = [];
  // An iterator would take five times as long, and vocabularies are large.
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token];
    if (best.length === count && !(logit > (logits[best[count - 1]] ?? Infinity))) continue;
    if (excluded.has(token)) continue;
    let at = best.length;
    while (at > 0 && logit > logits[best[at - 1]]) at--;
    best.splice(at, 0, token);
    if (best.length > count) best.pop();
  }
  return best.map((token) => ({ token, logprob: logits[token] - logSum }));
}
