// Pictures from the server's own /metrics: a ring of scrapes, and of what was computed from them.

import { parse } from "./exposition.js";
import { ask, Points } from "./source.js";
import { increase } from "./promql.js";

/** Rates are over about this many seconds: what happened between the scrapes, not more. */
const WINDOW = 15;
/** One request within a few milliseconds is not hundreds a second. */
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

  /** Scrapes once and returns all points there are. */
  async read() {
    const response = await ask("/metrics", { Accept: "text/plain" });
    const time = now();
    const samples = parse(await response.text());
    const [info] = samples.get("asdlc_service_info") ?? [];
    if (!info) throw new Error("the scrape does not say of which service it is: no asdlc_service_info");
    this.service = info.labels;
    this.#scrapes.push(new Scrape(time, samples));
    // As VictoriaMetrics: the scrapes of the window, and the one that they are compared with.
    const first = this.#scrapes.findIndex((scrape) => scrape.time > time - WINDOW);
    this.#scrapes.splice(0, Math.max(0, first - 1));

    const scrapes = new Window(this.#scrapes);
    const values = this.#expressions.map(([key, , expression]) => [key, expression.live(scrapes)]);
    this.#points.add(time, new Map(values));
    return this.#points;
  }

  /** What was not seen is not bridged: a new start after a pause. */
  forget() {
    if (this.#scrapes.length === 0) return;
    this.#scrapes = [];
    this.#points.gap();
  }
}

/** What was scraped last, and how the counters grew up to then. */
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

  /** `[{ labels, value }]`: by how much each counter grew. None before there is time to speak of. */
  increases(name, matches) {
    if (this.seconds < SHORTEST) return [];
    const series = new Map();
    this.#scrapes.forEach((scrape, index) => {
      for (const { labels, value } of scrape.samples(name)) {
        if (!matches(labels)) continue;
        const key = JSON.stringify(Object.entries(labels).sort());
        // It was not there when the window began, which we have seen: it stood at zero.
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

// Unlike Date.now it never goes back.
function now() {
  return (performance.timeOrigin + performance.now()) / 1000;
}

export const LIVE_WINDOW = WINDOW;
