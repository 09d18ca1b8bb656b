// The panels of the page.

import { gauge, minimum, orZero, quantile, rate, ratio } from "./expressions.js";

// Requests of dashboards such as this one are not included, because the page would show mostly itself.
const COUNTED = [["endpoint", "!~", "/api/metrics/.*"]];
const REQUESTS = requests();
const CLIENT_ERRORS = requests("4..");
const SERVER_ERRORS = requests("5..");
// Includes responses that started as a success and did not complete.
const FAILURES = rate("asdlc_http_requests_failed_total", COUNTED);
const DURATION = ["asdlc_http_request_duration_seconds", COUNTED];
const EVENTS = "asdlc_events_processed_total";

/**
 * `unit` is a key of format.js. `own` means only the service that serves the page; otherwise all services. A `hidden` line is listed
 * with its value, and is drawn when its button is pressed.
 */
export const PANELS = [
  {
    id: "requests",
    title: "Request rate",
    unit: "perSecond",
    own: true,
    lines: [
      { name: "all", expression: REQUESTS },
      { name: "4xx", expression: orZero(CLIENT_ERRORS, REQUESTS), colour: "warning" },
      { name: "5xx", expression: orZero(SERVER_ERRORS, REQUESTS), colour: "error" },
    ],
  },
  {
    id: "errors",
    title: "Error ratio",
    unit: "ratio",
    own: true,
    absent: "No requests",
    lines: [
      { name: "5xx", expression: ratio(SERVER_ERRORS, REQUESTS), colour: "error" },
      { name: "any failure", expression: ratio(FAILURES, REQUESTS), colour: "warning" },
    ],
  },
  {
    id: "latency",
    title: "Latency",
    unit: "seconds",
    own: true,
    absent: "No requests",
    lines: [
      { name: "p50", expression: quantile(0.5, ...DURATION) },
      { name: "p90", expression: quantile(0.9, ...DURATION), colour: "second" },
      { name: "p99", expression: quantile(0.99, ...DURATION), colour: "third" },
    ],
  },
  {
    id: "in-flight",
    title: "Requests in flight",
    unit: "count",
    own: true,
    lines: [{ name: "in flight", expression: gauge("asdlc_http_requests_in_flight") }],
  },
  {
    id: "events",
    title: "Tasks and events",
    unit: "perSecond",
    lines: [
      { name: "tasks done", expression: rate("asdlc_tasks_processed_total") },
      { name: "events done", expression: rate(EVENTS, [["status", "=~", "success"]]), colour: "second" },
      { name: "events failed", expression: rate(EVENTS, [["status", "=~", "failed"]]), colour: "error" },
    ],
  },
  {
    id: "workers",
    title: "Workers",
    unit: "count",
    absent:
      "No workers found. They are separate programs: their metrics come from VictoriaMetrics, if it scrapes them.",
    lines: [
      { name: "active workers", expression: gauge("asdlc_active_workers") },
      { name: "events in progress", expression: gauge("asdlc_active_tasks"), colour: "second" },
    ],
  },
  {
    id: "memory",
    title: "Memory",
    unit: "bytes",
    own: true,
    lines: [
      { name: "resident", expression: memory("rss") },
      { name: "virtual", expression: memory("vms"), colour: "second", hidden: true },
    ],
  },
];

/** Facts next to the title of the page. A missing fact is not shown. */
export const FACTS = [
  { id: "uptime", unit: "duration", text: (uptime) => `up ${uptime}`, expression: minimum("asdlc_uptime_seconds") },
  {
    id: "redis",
    unit: "count",
    text: (up) => (up === "0" ? "no Redis connection" : "Redis is connected"),
    expression: minimum("asdlc_redis_connection_up"),
  },
];

/** All expressions as `[key, own, expression]`. The keys name the points of a source. */
export const EXPRESSIONS = [
  ...PANELS.flatMap(({ id, own, lines }) =>
    lines.map(({ name, expression }) => [`${id}: ${name}`, own === true, expression]),
  ),
  ...FACTS.map(({ id, expression }) => [id, true, expression]),
];

function requests(status) {
  const matchers = status === undefined ? COUNTED : [...COUNTED, ["status", "=~", status]];
  return rate("asdlc_http_requests_total", matchers);
}

function memory(type) {
  return gauge("asdlc_process_memory_bytes", [["type", "=~", type]]);
}
