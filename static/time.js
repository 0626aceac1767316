/** Instants and durations in words. The API gives RFC 3339 in UTC; people read their own time zone. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** UTC milliseconds of an instant as the API gives it (text or milliseconds), or null. */
export function instant(value) {
  if (value === null || value === undefined) return null;
  const at = typeof value === "number" ? value : Date.parse(value);
  return Number.isNaN(at) ? null : at;
}

/** "0:42", "12:05", "1:02:05". */
export function clockTime(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / SECOND_MS));
  const minutes = Math.floor(seconds / 60);
  const tail = String(seconds % 60).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${tail}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
}

/** "+3.214 s": the place of an event in its call. */
export function offset(milliseconds) {
  const sign = milliseconds < 0 ? "−" : "+";
  return `${sign}${(Math.abs(milliseconds) / SECOND_MS).toFixed(3)} s`;
}

/** "today 14:03:22", "19 Nov 14:03:22". */
export function moment(at, today = new Date()) {
  const date = new Date(at);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  if (date.toDateString() === today.toDateString()) return `Today ${time}`;
  return `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

/** "just now", "4 s ago", "3 min ago". */
export function ago(milliseconds) {
  if (milliseconds < 1.5 * SECOND_MS) return "just now";
  if (milliseconds < 1.5 * MINUTE_MS) return `${Math.round(milliseconds / SECOND_MS)} s ago`;
  if (milliseconds < 1.5 * HOUR_MS) return `${Math.round(milliseconds / MINUTE_MS)} min ago`;
  return `${Math.round(milliseconds / HOUR_MS)} h ago`;
}
