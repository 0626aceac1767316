/** What a call may use, and how much of that is left: one bar a limit, in words too. It draws what it is told. */

import { element, mark, write } from "./element.js";
import { count } from "./phrases.js";
import { clockTime } from "./time.js";

const NAMES = { duration: "Duration", idle: "Silence", spend: "Spend", spend_per_day: "Spend today", turns: "Turns", tool_calls: "Tool calls" };

export class Limits {
  #list;
  #bars = new Map();

  constructor(list) {
    this.#list = list;
  }

  /** Limits: [{limit, cap, used, near}]; seconds for duration and idle, US dollars for spend, else a number. */
  show(limits) {
    this.#list.hidden = !limits?.length;
    for (const one of limits ?? []) this.#draw(one);
  }

  #draw({ limit, cap, used, near }) {
    if (!this.#bars.has(limit)) {
      this.#bars.set(limit, new Bar(NAMES[limit] ?? limit.replaceAll("_", " ")));
      this.#list.append(this.#bars.get(limit).element);
    }
    this.#bars.get(limit).show(limit, Number(cap), Number(used ?? 0), near);
  }
}

class Bar {
  #left = element("span.left");
  #meter;

  constructor(name) {
    this.#meter = element("meter", { min: "0", "aria-label": name });
    this.element = element("li.limit", {}, element("p", {}, element("span.quiet", {}, name), " ", this.#left), this.#meter);
  }

  show(limit, cap, used, near) {
    const phrase = (value) => inItsUnit(limit, value);
    mark(this.#meter, "max", cap);
    mark(this.#meter, "value", Math.min(used, cap));
    write(this.#left, `${phrase(used)} of ${phrase(cap)}${near ? " · nearly used up" : ""}`);
    mark(this.element, "data-near", Boolean(near));
  }
}

function inItsUnit(limit, value) {
  if (/duration|idle|silence|seconds/.test(limit)) return clockTime(value * 1_000);
  if (/spend|usd|cost/.test(limit)) return `$${value.toFixed(value < 1 ? 4 : 2)}`;
  return count(value);
}
