// A parser of Prometheus text 0.0.4, and of the buckets with exemplars of OpenMetrics.

/**
 * Parses a scrape into its samples, by name: `[{ labels, value }]`.
 *
 * Invalid text is an error that names the line. Valid lines are not returned then, because a family that is missing for this reason
 * would look like one that nobody records.
 */
export function parse(text) {
  const samples = new Map();
  if (text !== "" && !text.endsWith("\n")) {
    throw new Error("the scrape is incomplete: its last line has no end");
  }
  text.split("\n").forEach((line, index) => {
    if (line.trim() === "" || line.startsWith("#")) return;
    const { name, labels, value } = sample(line, index + 1);
    if (!samples.has(name)) samples.set(name, []);
    samples.get(name).push({ labels, value });
  });
  return samples;
}

/** The buckets with an exemplar, of OpenMetrics text: `[{ labels, bound, value, time, trace }]`. */
export function bucketsWithExemplars(text, name) {
  return text.split("\n").flatMap((line, index) => {
    const [written, exemplar] = line.split(" # {");
    if (exemplar === undefined || !written.startsWith(name)) return [];
    const { labels } = sample(written, index + 1);
    const read = /^(?:.*trace_id="([0-9a-f]{32})".*)?\} (\S+) (\S+)$/.exec(exemplar);
    if (!read) throw new Error(`line ${index + 1} of the scrape: no exemplar: ${line.slice(0, 200)}`);
    const { le: bound, ...others } = labels;
    return [{ labels: others, bound, value: number_of(read[2]), time: number_of(read[3]), trace: read[1] }];
  });
}

function sample(line, number) {
  const fail = (what) => {
    throw new Error(`line ${number} of the scrape: ${what}: ${line.slice(0, 120)}`);
  };
  const name = take(NAME, line, 0) ?? fail("no metric name");
  let at = name.length;
  const labels = {};
  if (line[at] === "{") {
    at += 1;
    while (line[at] !== "}") {
      const label = take(LABEL, line, at) ?? fail("no label");
      at += label.length;
      const equals = label.indexOf("=");
      labels[label.slice(0, equals)] = unescaped(label.slice(equals + 2, -1));
      if (line[at] === ",") at += 1;
      else if (line[at] !== "}") fail("labels without an end");
    }
    at += 1;
  }
  // A value and an optional timestamp.
  const [value, time, more] = line
    .slice(at)
    .trim()
    .split(/[ \t]+/);
  if (!NUMBER.test(value) || more !== undefined || (time !== undefined && !/^-?\d+$/.test(time))) fail("no value");
  return { name, labels, value: number_of(value) };
}

function take(pattern, line, at) {
  pattern.lastIndex = at;
  return pattern.exec(line)?.[0];
}

function unescaped(text) {
  return text.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
}

function number_of(text) {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (!special) return Number(text);
  if (special[2].toLowerCase() === "nan") return NaN;
  return special[1] === "-" ? -Infinity : Infinity;
}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*"/y;
const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$/i;
