/** A tool call inside the conversation: what the model asked for, what it was told, how long that took. */

import { element, mark, write } from "./element.js";
import { count } from "./phrases.js";
import { instant } from "./time.js";

// More digits than a number of JavaScript keeps.
const LONG_NUMBER = /\d{16}/;

const STATUSES = {
  completed: "answered",
  in_progress: "waiting for its output",
  incomplete: "not finished",
  cancelled: "cancelled",
  failed: "failed",
};

export class ToolCard {
  #name = element("code.name");
  #status = element("span.tool-status");
  #argumentsTitle = element("p.part", {}, "Arguments");
  #arguments = element("pre.arguments.mono", { tabindex: "0", "aria-label": "Arguments" });
  #output = element("pre.output.mono", { tabindex: "0", "aria-label": "Output" });
  #outputTitle = element("p.part", {}, "Output");

  constructor() {
    this.element = element(
      "div.words.tool",
      {},
      element("p.tool-head", {}, this.#name, this.#status),
      this.#argumentsTitle,
      this.#arguments,
      this.#outputTitle,
      this.#output,
    );
  }

  /** `tool`: {name, arguments, output, status, started_at, ended_at} as the call log tells it. */
  show(tool) {
    write(this.#name, tool.name ?? "unnamed");
    const took = tool.started_at && tool.ended_at ? `${count(instant(tool.ended_at) - instant(tool.started_at))} ms` : null;
    write(this.#status, [STATUSES[tool.status] ?? tool.status, took].filter(Boolean).join(" · "));
    mark(this.element, "data-status", tool.status);
    write(this.#arguments, laidOut(tool.arguments));
    write(this.#output, laidOut(tool.output));
    this.#arguments.hidden = this.#argumentsTitle.hidden = !tool.arguments;
    this.#output.hidden = this.#outputTitle.hidden = tool.output === null || tool.output === undefined;
  }
}

/** JSON is laid out to be read; what is none, or holds a number that would be rounded, stays as it was written. */
function laidOut(text) {
  if (LONG_NUMBER.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text ?? "";
  }
}
