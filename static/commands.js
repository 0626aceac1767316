/**
 * The commands of a call as a list, newest first: what was asked, what became of it, who asked and when. It draws what
 * it is told, keeps what it was told before, and asks for nothing.
 */

import { element, mark, write } from "./element.js";
import { COMMAND_STATES, codePhrase, wordsOf } from "./gist.js";
import { instant, offset } from "./time.js";

const NAMES = {
  say: "Say",
  whisper: "Whisper",
  instructions: "New instructions",
  interrupt: "Interrupt",
  mute: "Mute",
  unmute: "Unmute",
  hang_up: "Hang up",
  approve: "Approve",
  deny: "Deny",
};
const MARKS = { queued: "…", sent: "→", confirmed: "✓", refused: "✕", expired: "✕", unknown: "?" };
const SETTLED = new Set(["confirmed", "refused", "expired", "unknown"]);
const SENT_FOR = new Set(["operator", "tool", "observer"]);

export class Commands {
  #list;
  #rows = new Map();
  #words = new Map();

  constructor(list) {
    this.#list = list;
  }

  get size() {
    return this.#rows.size;
  }

  /** Events of the log: the words of a command stand there alone. */
  take(events) {
    for (const event of events) {
      if (!SENT_FOR.has(event.source) || !event.event?.event_id) continue;
      const [words, id] = [wordsOf(event), event.event.event_id];
      if (words) this.#words.set(id, words);
      this.#rows.get(id)?.say(words);
    }
  }

  /** The newest commands, newest first. */
  show(commands, { muted, startedAt }) {
    for (const command of [...commands].reverse()) this.#draw(command, muted, startedAt);
  }

  /** Nothing that was said stays on the page. */
  clear() {
    this.#words.clear();
    for (const row of this.#rows.values()) row.say(null);
  }

  #draw(command, muted, startedAt) {
    const id = command.command_id;
    if (!this.#rows.has(id)) {
      const row = new Row(command, startedAt);
      this.#rows.set(id, row);
      row.say(this.#words.get(id));
      this.#list.prepend(row.element);
    }
    this.#rows.get(id).show(command, muted);
  }
}

/** A command's name as people say it. */
export function nameOf({ type }) {
  return NAMES[type] ?? type;
}

/** Whether nothing more will become of it. */
export function isSettled({ state }) {
  return SETTLED.has(state);
}

/** What became of it, with what else is to be said. */
export function statePhrase({ state, code }) {
  return [COMMAND_STATES[state] ?? state, codePhrase(code)].filter(Boolean).join(": ");
}

class Row {
  #mark = element("span.mark", { "aria-hidden": "true" });
  #state = element("span.state");
  #words = element("q.said", { hidden: true });

  constructor(command, startedAt) {
    const name = element("span.what", {}, nameOf(command));
    const place = offset(instant(command.at) - startedAt);
    const who = element("span", { title: command.peer && `from ${command.peer}` }, `by ${command.by}`);
    this.element = element(
      "li.command",
      { "data-command": command.command_id, "data-type": command.type },
      this.#mark,
      element("div.told", {}, element("p", {}, name, " ", this.#words), element("p.quiet", {}, this.#state, " · ", who, ` · ${place}`)),
    );
  }

  show(command, muted) {
    mark(this.element, "data-state", command.state);
    write(this.#mark, MARKS[command.state] ?? "");
    write(this.#state, command.state === "queued" ? waitingPhrase(command, muted) : statePhrase(command));
  }

  say(words) {
    write(this.#words, words ?? "");
    this.#words.hidden = !words;
  }
}

function waitingPhrase({ type }, muted) {
  if (type !== "say" && type !== "response.create") return COMMAND_STATES.queued;
  return muted ? "Waiting while the model is muted" : "Waiting for its turn to speak";
}
