// Formats numbers for display. Each unit has a function from a value to text.

export const UNITS = {
  perSecond: (value) => `${plain(value)}/s`,
  ratio: (value) => `${plain(value * 100)} %`,
  count: plain,
  seconds: (value) => {
    if (value >= 1) return `${plain(value)} s`;
    return value >= 1e-3 || value === 0 ? `${plain(value * 1e3)} ms` : `${plain(value * 1e6)} µs`;
  },
  bytes: (value) => {
    const step = value < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
    return `${plain(value / 1024 ** step)} ${["B", "KiB", "MiB", "GiB", "TiB"][step]}`;
  },
  duration: (value) => {
    const seconds = Math.floor(value);
    const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(seconds / unit));
    if (days > 0) return `${days} d ${hours % 24} h`;
    if (hours > 0) return `${hours} h ${minutes % 60} min`;
    return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
  },
};

/** The text for a missing number. */
export const NONE = "–";

export function text(unit, value) {
  return value === null || value === undefined ? NONE : UNITS[unit](value);
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { timeStyle: "medium", hourCycle: "h23" });
}

// Three significant digits, and all digits before the decimal point.
function plain(value) {
  const size = Math.abs(value);
  const digits = size >= 100 || size === 0 ? 0 : Math.min(6, 2 - Math.floor(Math.log10(size)));
  return Number(value.toFixed(digits)).toLocaleString("en", { maximumFractionDigits: 6 }).replaceAll(",", " ");
}
