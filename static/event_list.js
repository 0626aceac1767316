/**
 * The event inspector: one row an event, as it came; runs of deltas (and of the browser's statistics) folded into their first row; a text filter; the
 * raw JSON of a row when it is asked for. It draws what it is given and fetches nothing.
 */

import { copyButton, element, mark, write } from "./element.js";
import { count, size } from "./phrases.js";
import { instant, offset } from "./time.js";

// Older rows go when there are more: a page with a hundred thousand rows helps nobody.
const MOST_ROWS = 5_000;
const NEAR_END_PX = 60;

/** Who speaks, and in which direction: an arrow, and the words for it. */
const SOURCES = {
  upstream: ["↓", "from the upstream"],
  operator: ["↑", "sent for an operator"],
  tool: ["↑", "sent for a tool"],
  observer: ["•", "noted by the observer"],
  browser: ["◦", "reported by the browser"],
};

export class EventList {
  #list;
  #startedAt = null;
  #rows = [];
  #run = null;
  #left = 0;
  #wanted = "";
  #encoder = new TextEncoder();

  constructor(list) {
    this.#list = list;
    list.addEventListener("click", (event) => this.#toggle(event.target.closest(".event-line")));
    list.addEventListener("keydown", (event) => this.#walk(event));
  }

  /** No rows any more. */
  clear() {
    this.#rows = [];
    this.#run = null;
    this.#left = 0;
    this.#list.replaceChildren();
  }

  /** The instant that the rows' times count from. */
  countFrom(at) {
    this.#startedAt = at;
  }

  get length() {
    return this.#rows.length;
  }

  get filtered() {
    return this.#wanted !== "";
  }

  get matching() {
    return this.#rows.filter((row) => row.matches).length;
  }

  /** How many rows had to go because there are too many. */
  get left() {
    return this.#left;
  }

  /** Rows for new events; with `follow`, the newest stays in sight of one who reads at the end. */
  add(events, follow) {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    const readingAlong = follow && scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    for (const event of events) this.#append(event);
    const tooMany = this.#rows.splice(0, Math.max(0, this.#rows.length - MOST_ROWS));
    for (const row of tooMany) row.element.remove();
    this.#left += tooMany.length;
    if (readingAlong) this.#list.scrollTop = this.#list.scrollHeight;
  }

  showDeltas(shown) {
    this.#list.toggleAttribute("data-deltas", shown);
  }

  /** Only rows whose type, source or JSON has this text; a filter looks into folded deltas too. */
  filter(text) {
    this.#wanted = text.trim().toLowerCase();
    this.#list.toggleAttribute("data-filtered", this.#wanted !== "");
    for (const row of this.#rows) this.#sift(row);
  }

  #append(event) {
    const text = JSON.stringify(event.event);
    const row = { element: this.#drawn(event, text), event, search: `${event.source} ${text}`.toLowerCase() };
    this.#rows.push(row);
    this.#fold(row);
    this.#sift(row);
    this.#list.append(row.element);
  }

  #fold(row) {
    const { type } = row.event;
    if (!isOneOfMany(type)) {
      this.#run = null;
      return;
    }
    if (this.#run?.type === type) {
      this.#run.length += 1;
      row.element.classList.add("folded");
      write(this.#run.badge, `× ${count(this.#run.length)}`);
    } else {
      this.#run = { type, length: 1, badge: row.element.querySelector(".run") };
    }
  }

  #sift(row) {
    row.matches = row.search.includes(this.#wanted);
    row.element.classList.toggle("sifted", !row.matches);
  }

  #drawn({ seq, at, source, type }, text) {
    const [arrow, words] = SOURCES[source] ?? ["?", `from ${source}`];
    const line = element(
      "button.event-line",
      { type: "button", "aria-expanded": "false" },
      element("span.seq", {}, String(seq)),
      element("span.at", {}, offset(instant(at) - (this.#startedAt ?? instant(at)))),
      element("span.arrow", { title: words }, element("span", { "aria-hidden": "true" }, arrow), element("span.hidden-label", {}, words)),
      element("span.type", {}, ...breakable(type), element("span.run")),
      element("span.size", {}, size(this.#encoder.encode(text).length)),
    );
    return element("li.event", { "data-seq": seq, "data-source": source, "data-type": type, "data-tone": toneOf(type) }, line);
  }

  #toggle(line) {
    if (!line) return;
    const item = line.parentElement;
    const open = line.getAttribute("aria-expanded") !== "true";
    mark(line, "aria-expanded", String(open));
    if (!open) return item.querySelector(".raw").remove();
    const row = this.#rows.find((one) => one.element === item);
    const text = JSON.stringify(row.event.event, null, 2);
    item.append(element("div.raw", {}, copyButton(() => text, `Copy event ${row.event.seq}`), element("pre.mono", { tabindex: "0" }, text)));
  }

  #walk(event) {
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches(".event-line")) return;
    event.preventDefault();
    const lines = [...this.#list.querySelectorAll(".event-line")].filter((line) => line.offsetParent !== null);
    lines[lines.indexOf(event.target) + step]?.focus();
  }
}

/** A long type name may break behind its dots, and nowhere else while that will do. */
function breakable(type) {
  return type.split(/(?<=\.)/).flatMap((part) => [part, element("wbr")]);
}

/** What comes many times in a row and says little by itself. */
function isOneOfMany(type) {
  return type.endsWith(".delta") || type === "browser.stats";
}

const WARNINGS = new Set(["observer.gap", "observer.degraded", "observer.truncated", "observer.id_reused"]);

function toneOf(type) {
  if (type === "error" || type === "unreadable" || type.endsWith(".failed")) return "bad";
  return WARNINGS.has(type) ? "warn" : null;
}
