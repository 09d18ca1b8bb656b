// Data from the server's own /metrics: the last scrapes, and the points that were computed from them.

import { parse } from "./exposition.js";
import { ask, Points } from "./source.js";
import { increase } from "./promql.js";

/** The window of rates in seconds, as far as there are scrapes. */
const WINDOW = 15;
/** The shortest window in seconds. In a shorter one, one request would be a rate of hundreds per second. */
const SHORTEST = 1;

export class Live {
  /** `{ service, version }` of the last scrape. */
  service;
  #scrapes = [];
  #points = new Points();
  #expressions;

  constructor(expressions) {
    this.#expressions = expressions;
  }

  /** Scrapes once and returns all points so far. */
  async read() {
    const response = await ask("/metrics", { Accept: "text/plain" });
    const time = now();
    const samples = parse(await response.text());
    const [info] = samples.get("asdlc_service_info") ?? [];
    if (!info) throw new Error("the scrape does not name its service: no asdlc_service_info");
    this.service = info.labels;
    this.#scrapes.push(new Scrape(time, samples));
    // As VictoriaMetrics does: the scrapes of the window and the last one before it.
    const first = this.#scrapes.findIndex((scrape) => scrape.time > time - WINDOW);
    this.#scrapes.splice(0, Math.max(0, first - 1));

    const scrapes = new Window(this.#scrapes);
    const values = this.#expressions.map(([key, , expression]) => [key, expression.live(scrapes)]);
    this.#points.add(time, new Map(values));
    return this.#points;
  }

  /** Starts anew after a pause, so that no line is drawn across it. */
  forget() {
    if (this.#scrapes.length === 0) return;
    this.#scrapes = [];
    this.#points.gap();
  }
}

/** The scrapes of one window: the latest values, and the increases of counters. */
export class Window {
  #scrapes;

  constructor(scrapes) {
    this.#scrapes = scrapes;
  }

  get seconds() {
    return this.#scrapes.at(-1).time - this.#scrapes[0].time;
  }

  latest(name, matches) {
    return this.#scrapes
      .at(-1)
      .samples(name)
      .filter(({ labels }) => matches(labels));
  }

  /** The increase of each counter as `[{ labels, value }]`. Empty if the window is too short. */
  increases(name, matches) {
    if (this.seconds < SHORTEST) return [];
    const series = new Map();
    this.#scrapes.forEach((scrape, index) => {
      for (const { labels, value } of scrape.samples(name)) {
        if (!matches(labels)) continue;
        const key = JSON.stringify(Object.entries(labels).sort());
        // A series that was missing in the first scrape of the window started at zero.
        if (!series.has(key)) series.set(key, { labels, values: index === 0 ? [] : [0] });
        series.get(key).values.push(value);
      }
    });
    return [...series.values()].map(({ labels, values }) => ({ labels, value: increase(values) }));
  }
}

export class Scrape {
  #samples;

  constructor(time, samples) {
    this.time = time;
    this.#samples = samples;
  }

  samples(name) {
    return this.#samples.get(name) ?? [];
  }
}

// Unlike Date.now this clock never goes back.
function now() {
  return (performance.timeOrigin + performance.now()) / 1000;
}

export const LIVE_WINDOW = WINDOW;
