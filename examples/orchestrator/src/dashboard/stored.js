// Data from VictoriaMetrics, through /api/metrics/query_range of the server.

import { ask, Points } from "./source.js";

/** The window of rates in seconds: four scrapes at the usual interval of 15 seconds. */
const WINDOW = 60;
const SMALLEST_STEP = 5;
const POINTS = 240;

export class Stored {
  #query;

  /** `service` names the server's own series. */
  constructor(expressions, service) {
    this.#query = (window) => query(expressions, service, window);
  }

  /** Queries the last `range` seconds. Returns the points, and a warning if they may be incomplete, else "". */
  async read(range) {
    const step = Math.max(SMALLEST_STEP, Math.ceil(range / POINTS));
    const end = Math.floor(Date.now() / 1000);
    const parameters = new URLSearchParams({
      query: this.#query(Math.max(WINDOW, step)),
      start: end - range,
      end,
      step,
    });
    const response = await ask(`/api/metrics/query_range?${parameters}`, { Accept: "application/json" });
    let body;
    try {
      body = await response.json();
    } catch (error) {
      throw new Error(`its response is not JSON: ${error.message}`);
    }
    const points = decode(body);
    if (points.times.length === 0) {
      throw new Error("it has no samples of this service: does it scrape the service?");
    }
    return [points, warning(body)];
  }
}

/** One query for all expressions. A label of each result names its expression. */
export function query(expressions, service, window) {
  return expressions
    .map(([key, own, expression]) => {
      const promql = expression.promql({ service: own ? service : undefined, window });
      return `label_replace(${promql}, "line", ${JSON.stringify(key)}, "", "")`;
    })
    .join(" or ");
}

/** Converts a response of the query API to points. */
export function decode(body) {
  const result = body?.data?.result;
  if (body?.status !== "success" || body.data.resultType !== "matrix" || !Array.isArray(result)) {
    throw new Error(`its response is not a matrix: ${JSON.stringify(body)?.slice(0, 200)}`);
  }
  const rows = new Map();
  for (const { metric, values } of result) {
    const key = metric?.line;
    if (typeof key !== "string" || !Array.isArray(values)) throw new Error("its response has a series without a name");
    for (const [time, text] of values) {
      if (typeof time !== "number" || typeof text !== "string") throw new Error(`its response has an invalid sample: ${key}`);
      if (!rows.has(time)) rows.set(time, new Map());
      const value = Number(text);
      rows.get(time).set(key, Number.isFinite(value) ? value : null);
    }
  }
  const points = new Points();
  for (const [time, row] of [...rows].sort(([a], [b]) => a - b)) points.add(time, row);
  return points;
}

/** The warning of VictoriaMetrics if a response may be incomplete, else "". */
export function warning(body) {
  const missing = body.isPartial ? ["a storage node did not respond, so values may be missing or too low"] : [];
  const warnings = [...missing, ...(body.warnings ?? [])];
  return warnings.length === 0 ? "" : `VictoriaMetrics warns: ${warnings.join("; ")}`;
}

export const STORED_WINDOW = WINDOW;
