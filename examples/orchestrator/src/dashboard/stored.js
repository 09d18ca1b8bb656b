// Pictures from VictoriaMetrics, through the server's /api/metrics/query_range.

import { ask, Points } from "./source.js";

/** Scrapers come every 15 seconds: four of them make a rate. */
const WINDOW = 60;
const SMALLEST_STEP = 5;
const POINTS = 240;

export class Stored {
  #query;

  /** `service` names the server's own series. */
  constructor(expressions, service) {
    this.#query = (window) => query(expressions, service, window);
  }

  /** Asks for the last `range` seconds: points, and why they may be a part only, or "". */
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
    let answer;
    try {
      answer = await response.json();
    } catch (error) {
      throw new Error(`its answer is no JSON: ${error.message}`);
    }
    const points = decode(answer);
    if (points.times.length === 0) {
      throw new Error("it has no samples of this service: does it scrape it?");
    }
    return [points, doubts(answer)];
  }
}

/** One query for everything: each number says in a label which it is. */
export function query(expressions, service, window) {
  return expressions
    .map(([key, own, expression]) => {
      const promql = expression.promql({ service: own ? service : undefined, window });
      return `label_replace(${promql}, "line", ${JSON.stringify(key)}, "", "")`;
    })
    .join(" or ");
}

/** Points from what the query API answers. */
export function decode(answer) {
  const result = answer?.data?.result;
  if (answer?.status !== "success" || answer.data.resultType !== "matrix" || !Array.isArray(result)) {
    throw new Error(`its answer is not a matrix: ${JSON.stringify(answer)?.slice(0, 200)}`);
  }
  const rows = new Map();
  for (const { metric, values } of result) {
    const key = metric?.line;
    if (typeof key !== "string" || !Array.isArray(values)) throw new Error("its answer has a series without a name");
    for (const [time, text] of values) {
      if (typeof time !== "number" || typeof text !== "string") throw new Error(`it has a sample that is none: ${key}`);
      if (!rows.has(time)) rows.set(time, new Map());
      const value = Number(text);
      rows.get(time).set(key, Number.isFinite(value) ? value : null);
    }
  }
  const points = new Points();
  for (const [time, row] of [...rows].sort(([a], [b]) => a - b)) points.add(time, row);
  return points;
}

/** What VictoriaMetrics says of an answer that may not be whole; "" of one that is. */
export function doubts(answer) {
  const missing = answer.isPartial ? ["a part of it did not answer, so numbers may be missing or too low"] : [];
  const warnings = [...missing, ...(answer.warnings ?? [])];
  return warnings.length === 0 ? "" : `VictoriaMetrics warns: ${warnings.join("; ")}`;
}

export const STORED_WINDOW = WINDOW;
