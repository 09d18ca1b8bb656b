// The PromQL functions for counters and histograms, on plain numbers.

/**
 * The increase of a counter over these values, oldest first. A value below the previous one is a restart from zero.
 */
export function increase(values) {
  let grown = 0;
  for (let at = 1; at < values.length; at += 1) {
    const from = values[at] < values[at - 1] ? 0 : values[at - 1];
    grown += values[at] - from;
  }
  return grown;
}

/**
 * `histogram_quantile(q, …)` of cumulative buckets `[upper bound, count]`: linear interpolation within the bucket of the quantile, and
 * never above the highest finite bound. NaN without observations.
 */
export function histogramQuantile(q, buckets) {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  if (sorted.length < 2 || sorted.at(-1)[0] !== Infinity) return NaN;
  let most = 0;
  // Counts that were read at different moments may not be cumulative.
  for (const bucket of sorted) bucket[1] = most = Math.max(most, bucket[1]);
  if (most === 0) return NaN;
  const rank = q * most;
  const at = sorted.findIndex(([, count]) => count >= rank);
  if (at === sorted.length - 1) return sorted.at(-2)[0];
  const [bound, count] = sorted[at];
  if (at === 0 && bound <= 0) return bound;
  const [below, before] = at === 0 ? [0, 0] : sorted[at - 1];
  return below + ((bound - below) * (rank - before)) / (count - before);
}
