// The exemplars of a histogram, from the server's own /metrics in OpenMetrics: for each bucket, the trace of its latest request.

import { bucketsWithExemplars } from "./exposition.js";
import { ask } from "./source.js";

const FAMILY = "asdlc_http_request_duration_seconds";

/** Reads the latest exemplars: `[{ labels, bound, value, time, trace }]`, the slowest first. */
export async function exemplars() {
  const response = await ask(`/metrics?name[]=${FAMILY}`, { Accept: "application/openmetrics-text; version=1.0.0" });
  const found = bucketsWithExemplars(await response.text(), `${FAMILY}_bucket`);
  return found.filter(({ trace }) => trace !== undefined).sort((a, b) => b.value - a.value);
}

/** The page of a trace, or undefined if the server knows none. */
export async function tracePages() {
  const response = await ask("/dashboard/settings", { Accept: "application/json" });
  const { traceUrl } = await response.json();
  if (!traceUrl || !/^https?:\/\//.test(traceUrl)) return () => undefined;
  return (trace) => traceUrl.replaceAll("{trace_id}", encodeURIComponent(trace));
}
