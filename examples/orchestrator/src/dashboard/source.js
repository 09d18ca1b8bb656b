// What both sources share: how they ask, how they fail, and what they bring.

/** A GET whose answer is 200. */
export async function ask(path, headers) {
  let response;
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    response = await fetch(path, { headers, signal, cache: "no-store" });
  } catch (error) {
    const why = error.name === "TimeoutError" ? `within ${PATIENCE / 1000} s` : "";
    throw new Error(`${location.host} does not answer ${why}`.trim());
  }
  if (response.ok) return response;
  const body = await response.text().catch(() => "");
  throw new Error(`status ${response.status}, ${reason(body) || "without a reason"}`);
}

/** Values over time by key, as many for each key as there are times; null where there is none. */
export class Points {
  times = [];
  #values = new Map();

  add(time, row) {
    for (const key of row.keys()) {
      if (!this.#values.has(key))
        this.#values.set(
          key,
          this.times.map(() => null),
        );
    }
    this.times.push(time);
    for (const [key, values] of this.#values) values.push(row.get(key) ?? null);
    if (this.times.length > MOST) {
      this.times.shift();
      for (const values of this.#values.values()) values.shift();
    }
  }

  /** A row of nothing, so that no line is drawn over the time nobody looked. */
  gap() {
    if (this.times.length > 0) this.add(this.times.at(-1) + 1e-3, new Map());
  }

  of(key) {
    return this.#values.get(key) ?? this.times.map(() => null);
  }

  latest(key) {
    return this.#values.get(key)?.at(-1) ?? null;
  }
}

// A sentence out of an error's body, which is JSON as Prometheus and the tasks' API have it, or text.
function reason(body) {
  try {
    const { error } = JSON.parse(body);
    if (typeof error === "string") return error;
  } catch {
    // Not JSON.
  }
  return body.slice(0, 200);
}

const PATIENCE = 10_000;
/** Six hours of a scrape every two seconds. */
const MOST = 10_800;
