// The expressions of the page. Each is defined once for both sources: as PromQL for VictoriaMetrics, and as a function of scrapes.
//
// An expression is `{ promql(scope), live(scrapes) }`. `scope` is `{ service, window }`, with the window in seconds. `service` is
// undefined for expressions over all services. `scrapes` is a `Window` of live.js. A missing value is `null`.

import { histogramQuantile, increase } from "./promql.js";

/** The sum of a gauge. */
export function gauge(name, matchers = []) {
  return {
    promql: (scope) => `sum(${selector(name, matchers, scope)})`,
    live: (scrapes) => sum(scrapes.latest(name, predicate(matchers))),
  };
}

/** The minimum of a gauge: the worst of several instances of the service. */
export function minimum(name) {
  return {
    promql: (scope) => `min(${selector(name, [], scope)})`,
    live: (scrapes) => {
      const values = scrapes.latest(name, () => true).map(({ value }) => value);
      return values.length === 0 ? null : Math.min(...values);
    },
  };
}

/** The increase of a counter per second. */
export function rate(name, matchers = []) {
  return {
    promql: (scope) => `sum(${increased(name, matchers, scope)}) / ${scope.window}`,
    live: (scrapes) => {
      const grown = sum(scrapes.increases(name, predicate(matchers)));
      return grown === null ? null : grown / scrapes.seconds;
    },
  };
}

/** `part`, or 0 if only `all` exists. A status that never occurred has no series. */
export function orZero(part, all) {
  return {
    promql: (scope) => `(${part.promql(scope)} or 0 * (${all.promql(scope)}))`,
    live: (scrapes) => part.live(scrapes) ?? (all.live(scrapes) === null ? null : 0),
  };
}

/** The share of `part` in `all`, 0 to 1. `null` while `all` is 0. */
export function ratio(part, all) {
  const some = orZero(part, all);
  return {
    promql: (scope) => `${some.promql(scope)} / (${all.promql(scope)})`,
    live: (scrapes) => {
      const total = all.live(scrapes);
      return total ? some.live(scrapes) / total : null;
    },
  };
}

/** A quantile of a histogram, over all its series. */
export function quantile(q, name, matchers = []) {
  const bucket = `${name}_bucket`;
  return {
    promql: (scope) => `histogram_quantile(${q}, sum by (le) (${increased(bucket, matchers, scope)}))`,
    live: (scrapes) => {
      const counts = new Map();
      for (const { labels, value } of scrapes.increases(bucket, predicate(matchers))) {
        const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
        counts.set(bound, (counts.get(bound) ?? 0) + value);
      }
      const value = histogramQuantile(q, [...counts]);
      return Number.isNaN(value) ? null : value;
    },
  };
}

// Not `rate`, because `increase` of VictoriaMetrics counts a new series from zero.
function increased(name, matchers, scope) {
  return `increase(${selector(name, matchers, scope)}[${scope.window}s])`;
}

function selector(name, matchers, { service }) {
  const all = service === undefined ? matchers : [["service", "=", service], ...matchers];
  return `${name}{${all.map(([label, operator, value]) => `${label}${operator}${JSON.stringify(value)}`).join(",")}}`;
}

/** Matchers are `[label, "=~" or "!~", pattern]`, anchored as in PromQL. */
function predicate(matchers) {
  const tests = matchers.map(([label, operator, pattern]) => {
    const whole = new RegExp(`^(?:${pattern})$`, "s");
    return (labels) => whole.test(labels[label] ?? "") === (operator === "=~");
  });
  return (labels) => tests.every((test) => test(labels));
}

function sum(samples) {
  return samples.length === 0 ? null : samples.reduce((total, { value }) => total + value, 0);
}
