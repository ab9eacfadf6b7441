/**
 * Cuts rows of these lengths into batches of at most `tokens` tokens, padding included. Rows of like length come
 * together, the longest first, so that little is padding; a row that is longer than a batch gets one of its own.
 * Gives, for each batch, the indices of its rows.
 */
export function batchesOf(lengths: readonly number[], tokens: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
  const batches: number[][] = [];
  for (let start = 0; start < order.length; ) {
    const rows = Math.max(1, Math.floor(tokens / lengths[order[start]]));
    batches.push(order.slice(start, start + rows));
    start += rows;
  }
  return batches;
}
