// Reads the data, draws it and shows problems. The data comes from VictoriaMetrics if it responds, else live from /metrics.

import { exemplars, tracePages } from "./exemplars.js";
import { clock } from "./format.js";
import { Live, LIVE_WINDOW } from "./live.js";
import { EXPRESSIONS } from "./panels.js";
import { Stored, STORED_WINDOW } from "./stored.js";
import { followTheme } from "./theme.js";
import { View } from "./view.js";

const LIVE_EVERY = 2_000;
const STORED_EVERY = 5_000;
/** How long to wait before VictoriaMetrics is queried again after a failure. */
const RETRY_AFTER = 30_000;

const live = new Live(EXPRESSIONS);
const view = new View(document.querySelector("main"));
let stored;
let tracePage;
let liveReason = "";
let retryAt = 0;
let lastUpdate;
let paused = false;
let timer;
let inProgress = false;
let again = false;

/** Reads from the available source, draws the data, and returns when to read again. */
async function read() {
  // The name of the service, for the query, comes from a scrape.
  let points = live.service ? undefined : await live.read();
  if (performance.now() >= retryAt) {
    try {
      stored ??= new Stored(EXPRESSIONS, live.service.service);
      const [fresh, warning] = await stored.read(range());
      show(fresh, "stored", `From VictoriaMetrics, rates over ${STORED_WINDOW} s`, warning);
      live.forget();
      return STORED_EVERY;
    } catch (error) {
      retryAt = performance.now() + RETRY_AFTER;
      liveReason = `No data from VictoriaMetrics: ${error.message}`;
    }
  }
  points ??= await live.read();
  show(points, "live", `Live from /metrics, rates over ${LIVE_WINDOW} s`, liveReason);
  return LIVE_EVERY;
}

function show(points, source, description, note = "") {
  lastUpdate = Date.now() / 1000;
  view.service(live.service);
  view.source(source, description, note);
  view.points(points, range());
  view.trouble("");
}

async function update() {
  clearTimeout(timer);
  again = inProgress;
  if (inProgress || paused || document.hidden) return;
  inProgress = true;
  let next = LIVE_EVERY;
  try {
    next = await read();
    await readExemplars();
  } catch (error) {
    const since = lastUpdate ? ` The plots end at ${clock(lastUpdate)}.` : "";
    view.trouble(`${sentence(error.message)}${since} Trying again every ${LIVE_EVERY / 1000} s.`);
  } finally {
    inProgress = false;
  }
  // Also if the page was paused meanwhile: the next update then returns at once.
  timer = setTimeout(update, again ? 0 : next);
}

/** Reads the exemplars, which only this server has: VictoriaMetrics does not store them. */
async function readExemplars() {
  tracePage ??= await tracePages();
  view.exemplars(await exemplars(), tracePage);
}

function range() {
  return Number(document.querySelector("input[name=range]:checked").value);
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function resume() {
  live.forget();
  update();
}

followTheme(document.querySelector("#theme"), () => view.redraw());
document.querySelector("#pause").addEventListener("click", () => {
  paused = !paused;
  view.paused(paused);
  if (!paused) resume();
});
document.querySelector("#refresh").addEventListener("click", () => {
  retryAt = 0;
  update();
});
document.querySelector("#ranges").addEventListener("change", () => {
  view.range(range());
  update();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) resume();
});
update();
