// Shared code of both sources: requests, errors and points.

/** Sends a GET request. Throws unless the response is 200. */
export async function ask(path, headers) {
  let response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT);
    response = await fetch(path, { headers, signal, cache: "no-store" });
  } catch (error) {
    const why = error.name === "TimeoutError" ? `within ${TIMEOUT / 1000} s` : "";
    throw new Error(`${location.host} does not respond ${why}`.trim());
  }
  if (response.ok) return response;
  const body = await response.text().catch(() => "");
  throw new Error(`status ${response.status}, ${reason(body) || "without a reason"}`);
}

/** Values over time by key, with one value for each time. A missing value is null. */
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

  /** Adds a row without values, so that no line is drawn across the gap. */
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

// The reason in the body of an error response: JSON as in Prometheus and in the API of tasks, or text.
function reason(body) {
  try {
    const { error } = JSON.parse(body);
    if (typeof error === "string") return error;
  } catch {
    // Not JSON.
  }
  return body.slice(0, 200);
}

const TIMEOUT = 10_000;
/** Six hours of a scrape every two seconds. */
const MOST = 10_800;
