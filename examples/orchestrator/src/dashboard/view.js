// The page: a card for each panel, a table of all values, and messages.

import { clock, NONE, text } from "./format.js";
import { FACTS, PANELS } from "./panels.js";
import { Plot } from "./plot.js";

export class View {
  #cards;
  #rows;
  #points;
  #main;

  constructor(main) {
    this.#main = main;
    this.#cards = PANELS.map((panel) => new Card(panel, main.querySelector("#panels")));
    this.#rows = PANELS.flatMap((panel) =>
      panel.lines.map((line) => new Row(panel, line, main.querySelector("details tbody"))),
    );
  }

  service({ service, version }) {
    document.title = `${service} · metrics`;
    write("#service", service);
    write("#version", `version ${version}`);
  }

  /** Shows the last `range` seconds of the points. */
  points(points, range) {
    this.#points = points;
    this.range(range);
    for (const { id, unit, text: sentence } of FACTS) {
      const value = points.latest(id);
      write(`#${id}`, value === null ? "" : sentence(text(unit, value)));
    }
  }

  range(range) {
    if (!this.#points) return;
    const { times } = this.#points;
    const end = times.at(-1) ?? 0;
    // At least one minute, and no long empty range before the first point.
    const start = Math.max(end - range, Math.min(times[0] ?? end, end - 60));
    const from = Math.max(
      0,
      times.findIndex((time) => time >= start),
    );
    const within = (key) => this.#points.of(key).slice(from);
    const shown = times.slice(from);
    for (const card of this.#cards) card.draw(shown, within, [start, end]);
    for (const row of this.#rows) row.fill(within);
  }

  /** Shows the latest request of each bucket. `page` returns the page of a trace, or undefined. */
  exemplars(exemplars, page) {
    const section = this.#main.querySelector("#exemplars");
    section.hidden = exemplars.length === 0;
    const rows = exemplars.map((exemplar) => exemplarRow(exemplar, page(exemplar.trace)));
    section.querySelector("tbody").replaceChildren(...rows);
  }

  source(source, description, note) {
    this.#main.dataset.source = source;
    write("#source", description);
    write("#note", note);
  }

  /** Shows a problem that prevents an update. "" hides it. */
  trouble(message) {
    this.#main.dataset.trouble = message !== "";
    const alert = document.querySelector("#trouble");
    alert.hidden = message === "";
    if (alert.textContent !== message) alert.textContent = message;
  }

  paused(paused) {
    write("#pause", paused ? "Resume" : "Pause");
    this.#main.dataset.paused = paused;
  }

  redraw() {
    for (const card of this.#cards) card.redraw();
  }
}

class Card {
  #panel;
  #element;
  #plot;
  #entries;
  #data;

  constructor(panel, parent) {
    this.#panel = panel;
    this.#element = document.querySelector("#panel").content.firstElementChild.cloneNode(true);
    parent.append(this.#element);
    const heading = this.#find("h2");
    heading.textContent = panel.title;
    heading.id = `${panel.id}-title`;
    this.#element.setAttribute("aria-labelledby", heading.id);
    this.#element.id = panel.id;
    if (panel.lines.length > 1) this.#find(".headline-name").textContent = panel.lines[0].name;
    this.#find(".plot").setAttribute("aria-label", `${panel.title} over time`);
    this.#entries = panel.lines.map((line, index) => this.#entry(line, index));
    this.#plot = new Plot(this.#find(".plot"), {
      lines: panel.lines.map((line, index) => ({ ...line, colour: () => this.#entries[index].colour() })),
      format: (value) => text(panel.unit, value),
      integers: panel.unit === "count",
      binary: panel.unit === "bytes",
      pointed: (index) => this.#values(index),
    });
  }

  draw(times, within, span) {
    this.#data = [times, ...this.#panel.lines.map(({ name }) => within(`${this.#panel.id}: ${name}`))];
    const empty = this.#data.slice(1).every((values) => values.every((value) => value === null));
    const message = this.#find(".empty");
    message.hidden = !empty;
    message.textContent = empty ? (this.#panel.absent ?? "No data yet") : "";
    // A line without data is hidden, unless the whole panel is empty.
    this.#entries.forEach((entry, line) => entry.list(empty || this.#data[line + 1].some((value) => value !== null)));
    this.#values(null);
    this.#plot.draw(this.#data, span);
  }

  redraw() {
    this.#plot.redraw();
  }

  /** Shows the values at a point; null is the last point. */
  #values(index) {
    if (!this.#data) return;
    const [times, ...lines] = this.#data;
    const at = index ?? times.length - 1;
    this.#find(".time").textContent = index === null ? "now" : clock(times[at]);
    this.#entries.forEach((entry, line) => entry.show(text(this.#panel.unit, lines[line][at]), lines[line][at]));
    this.#find(".headline").textContent = text(this.#panel.unit, lines[0][at]);
  }

  #entry(line, index) {
    const element = document.querySelector("#line").content.firstElementChild.cloneNode(true);
    this.#find(".lines").append(element);
    const button = element.querySelector("button");
    const swatch = element.querySelector(".swatch");
    const value = element.querySelector("data");
    element.querySelector(".name").textContent = line.name;
    swatch.classList.add(line.colour ?? "first");
    value.dataset.line = `${this.#panel.id}: ${line.name}`;
    const set = (shown) => button.setAttribute("aria-pressed", shown);
    set(!line.hidden);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      set(shown);
      this.#plot.toggle(index, shown);
    });
    return {
      list: (listed) => {
        element.hidden = !listed;
      },
      colour: () => getComputedStyle(swatch).backgroundColor,
      show: (words, number) => {
        value.textContent = words;
        value.value = number ?? "";
      },
    };
  }

  #find(selector) {
    return this.#element.querySelector(selector);
  }
}

/** A row of the table for one line of a panel: the last value, minimum, mean and maximum. */
class Row {
  #key;
  #unit;
  #cells;

  constructor({ id, title, unit }, { name }, parent) {
    this.#key = `${id}: ${name}`;
    this.#unit = unit;
    const row = parent.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = `${title}: ${name}`;
    row.append(head);
    this.#cells = Array.from({ length: 4 }, () => row.insertCell());
  }

  fill(within) {
    const values = within(this.#key);
    const known = values.filter((value) => value !== null);
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    const numbers = [values.at(-1), Math.min(...known), mean, Math.max(...known)];
    this.#cells.forEach((cell, index) => {
      cell.textContent = known.length === 0 ? NONE : text(this.#unit, numbers[index]);
    });
  }
}

function exemplarRow({ labels, bound, value, time, trace }, page) {
  const row = document.querySelector("#exemplar").content.firstElementChild.cloneNode(true);
  const write = (name, content) => {
    row.querySelector(name).textContent = content;
  };
  write(".duration", text("seconds", value));
  write(".bucket", bound === "+Inf" ? "above the last boundary" : `up to ${text("seconds", Number(bound))}`);
  write(".endpoint", [labels.method, labels.endpoint].filter(Boolean).join(" "));
  write(".at", clock(time));
  write(".trace", trace);
  if (page) row.querySelector(".trace").href = page;
  row.querySelector(".copy").setAttribute("aria-label", `Copy the trace id ${trace}`);
  row.querySelector(".copy").addEventListener("click", () => navigator.clipboard?.writeText(trace));
  return row;
}

function write(selector, content) {
  const element = document.querySelector(selector);
  // A screen reader does not repeat unchanged text.
  if (element.textContent !== content) element.textContent = content;
}
