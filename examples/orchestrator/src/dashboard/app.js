// Asks, draws, and tells what is wrong. Live until VictoriaMetrics answers, and again when it no longer does.

import { clock } from "./format.js";
import { Live, LIVE_WINDOW } from "./live.js";
import { EXPRESSIONS } from "./panels.js";
import { Stored, STORED_WINDOW } from "./stored.js";
import { followTheme } from "./theme.js";
import { View } from "./view.js";

const LIVE_EVERY = 2_000;
const STORED_EVERY = 5_000;
/** While it does not answer, VictoriaMetrics is asked again after as long. */
const LOOK_AGAIN = 30_000;

const live = new Live(EXPRESSIONS);
const view = new View(document.querySelector("main"));
let stored;
let whyLive = "";
let lookAt = 0;
let lastAnswer;
let paused = false;
let timer;
let underWay = false;
let again = false;

/** Reads from the source there is, draws, and says how long that is good for. */
async function read() {
  // The server itself tells the name to ask VictoriaMetrics for.
  let points = live.service ? undefined : await live.read();
  if (performance.now() >= lookAt) {
    try {
      stored ??= new Stored(EXPRESSIONS, live.service.service);
      const [read, doubts] = await stored.read(range());
      show(read, "stored", `From VictoriaMetrics, rates over ${STORED_WINDOW} s`, doubts);
      live.forget();
      return STORED_EVERY;
    } catch (error) {
      lookAt = performance.now() + LOOK_AGAIN;
      whyLive = `No numbers from VictoriaMetrics: ${error.message}`;
    }
  }
  points ??= await live.read();
  show(points, "live", `Live from /metrics, rates over ${LIVE_WINDOW} s`, whyLive);
  return LIVE_EVERY;
}

function show(points, source, description, note = "") {
  lastAnswer = Date.now() / 1000;
  view.service(live.service);
  view.source(source, description, note);
  view.points(points, range());
  view.trouble("");
}

async function turn() {
  clearTimeout(timer);
  again = underWay;
  if (underWay || paused || document.hidden) return;
  underWay = true;
  let next = LIVE_EVERY;
  try {
    next = await read();
  } catch (error) {
    const since = lastAnswer ? ` What is drawn ends at ${clock(lastAnswer)}.` : "";
    view.trouble(`${sentence(error.message)}${since} Trying again every ${LIVE_EVERY / 1000} s.`);
  } finally {
    underWay = false;
  }
  // Also when it was paused meanwhile: the turn then ends at once.
  timer = setTimeout(turn, again ? 0 : next);
}

function range() {
  return Number(document.querySelector("input[name=range]:checked").value);
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function resume() {
  live.forget();
  turn();
}

followTheme(document.querySelector("#theme"), () => view.redraw());
document.querySelector("#pause").addEventListener("click", () => {
  paused = !paused;
  view.paused(paused);
  if (!paused) resume();
});
document.querySelector("#refresh").addEventListener("click", () => {
  lookAt = 0;
  turn();
});
document.querySelector("#ranges").addEventListener("change", () => {
  view.range(range());
  turn();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) resume();
});
turn();
