// One plot: uPlot with keyboard control and texts for screen readers.

/* global uPlot */

const SYNC = "time";

export class Plot {
  #plot;
  #element;
  #lines;
  #format;
  #span = [0, 1];
  #at = null;

  /**
   * `lines` are `{ name, colour, hidden }`; `colour()` returns the current colour. `pointed(index)` is called when the cursor moves on
   * any plot, with the index of its point, or with null when the cursor leaves.
   */
  constructor(element, { lines, format, integers, binary, pointed }) {
    this.#element = element;
    this.#lines = lines;
    this.#format = format;
    const style = (property) => () => getComputedStyle(element).getPropertyValue(property);
    const axis = {
      stroke: style("color"),
      font: "11px system-ui, sans-serif",
      grid: { stroke: style("border-top-color"), width: 1 },
      ticks: { show: false },
    };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        padding: [8, 26, 0, 0],
        scales: {
          x: { range: () => this.#span },
          y: { range: (_, __, most) => (most > 0 ? uPlot.rangeNum(0, most, 0.1, true) : [0, 1]) },
        },
        axes: [
          { ...axis, space: 70, size: 26, values: wallClock },
          {
            ...axis,
            size: 72,
            space: 28,
            values: (_, splits) => splits.map(format),
            ...(integers && {
              incrs: [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5].map((e) => n * 10 ** e)).sort((a, b) => a - b),
            }),
            ...(binary && { incrs: Array.from({ length: 48 }, (_, power) => 2 ** power) }),
          },
        ],
        series: [
          {},
          ...lines.map(({ name, colour, hidden }) => ({
            label: name,
            show: !hidden,
            stroke: colour,
            fill: () => colour().replace("rgb(", "rgba(").replace(")", ", 0.08)"),
            width: 1.5,
            points: { size: 4 },
          })),
        ],
        cursor: { sync: { key: SYNC }, drag: { x: false, y: false }, y: false },
        hooks: {
          setCursor: [
            ({ cursor }) => {
              this.#at = cursor.left >= 0 ? cursor.idx : null;
              this.#describe();
              pointed(this.#at);
            },
          ],
        },
      },
      [[], ...lines.map(() => [])],
      element,
    );
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(element);
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("blur", () => this.#point(null));
  }

  /** Draws `[times, values of the first line, …]` between two times. */
  draw(data, span) {
    this.#span = span;
    this.#plot.setData(data);
    this.#element.setAttribute("aria-valuemax", Math.max(0, data[0].length - 1));
    // A screen reader on this plot reads only the selected values, not each new one.
    if (document.activeElement !== this.#element) this.#describe();
  }

  toggle(index, shown) {
    this.#plot.setSeries(index + 1, { show: shown });
  }

  /** Redraws after a change of colours. */
  redraw() {
    this.#plot.redraw(false);
  }

  #key(event) {
    const times = this.#plot.data[0];
    const last = times.length - 1;
    const from = this.#at ?? last + 1;
    const to = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      PageUp: from + 10,
      PageDown: from - 10,
      Home: 0,
      End: last,
      Escape: null,
    }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#point(to === null ? null : Math.min(last, Math.max(0, to)));
  }

  #point(index) {
    const left = index === null ? -10 : this.#plot.valToPos(this.#plot.data[0][index], "x");
    this.#plot.setCursor({ left, top: index === null ? -10 : 0 }, true, true);
  }

  #describe() {
    const [times, ...values] = this.#plot.data;
    const at = this.#at ?? times.length - 1;
    const when = times.length === 0 ? "no data yet" : wallClock(null, [times[at]])[0];
    const what = this.#lines.map(({ name }, line) => `${name} ${this.#format(values[line]?.[at])}`);
    this.#element.setAttribute("aria-valuenow", Math.max(0, at));
    this.#element.setAttribute("aria-valuetext", [when, ...what].join(", "));
  }

  #size() {
    return { width: Math.max(120, this.#element.clientWidth), height: this.#element.clientHeight };
  }
}

// Times in the user's time zone, with seconds if they are close together.
function wallClock(_, times) {
  const seconds = times.length < 2 || times[1] - times[0] < 60;
  const format = new Intl.DateTimeFormat([], {
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds && { second: "2-digit" }),
    hourCycle: "h23",
  });
  return times.map((time) => format.format(new Date(time * 1000)));
}
