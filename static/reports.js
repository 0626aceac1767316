/**
 * What the browser tells Switchboard of its call: how the line came up, how it does, when sound was first heard, and
 * that the caller leaves. Nobody else can know these. A report that fails never disturbs the call, and there are
 * never more than the server wants: what piles up is put together. It touches no page.
 */

import { readCall, report } from "./api.js";
import { lineStats } from "./line_stats.js";
import { isLive } from "./phrases.js";

// The server takes two a second. Less than one leaves room for a goodbye that cannot wait, whatever the network does.
const PACE_MS = 1_100;
const STATS_EVERY_MS = 2_000;
const MOST_MILLISECONDS = 60_000;

export class Reports {
  #call;
  #post;
  #id = null;
  #open = false;
  #waiting = new Map();
  #pace = null;
  #sampling = null;
  #over = false;
  #refused = false;

  /** Report on a `RealtimeCall`, from before it starts until after it ends. One without an id is not reported on. */
  constructor(call, post = report) {
    this.#call = call;
    this.#post = post;
    const told = (type, act) => call.addEventListener(type, ({ detail }) => act(detail));
    told("identified", ({ id }) => (this.#id = id));
    told("connection", (states) => this.#noteConnection(states));
    told("open", () => this.#noteOpen());
    told("microphone", ({ microphone }) => this.#noteMicrophone(microphone));
    told("muted", ({ muted }) => this.#tell("microphone", { state: muted ? "muted" : "open" }));
    told("ended", (end) => this.#finish(end));
  }

  /** The model was heard for the first time, at this `performance.now()`. */
  noteFirstAudio(at) {
    const since = (start) => (start === null ? null : Math.round(at - start));
    this.#tell("first_audio", { since_start_ms: since(this.#call.startedAt), since_answer_ms: since(this.#call.answeredAt) });
  }

  #noteConnection({ connection, ice }) {
    // States that passed within one report are kept, in their order.
    const passed = this.#waiting.get("connection")?.passed;
    this.#tell("connection", { state: connection, ice, passed: [passed, `${connection}/${ice}`].filter(Boolean).join(" ") });
  }

  /** Nothing is sent before: a report counts as the sign that a browser is on the line. */
  #noteOpen() {
    this.#open = true;
    this.#tell("channel", { state: "open" });
    this.#sampling = setInterval(() => this.#sample(), STATS_EVERY_MS);
  }

  #noteMicrophone(microphone) {
    this.#tell("microphone", { state: "open", ...microphone.facts });
    microphone.addEventListener("lost", () => this.#tell("microphone", { state: "lost" }));
  }

  async #sample() {
    const statistics = await this.#call.measure();
    if (statistics && !this.#over) this.#tell("stats", lineStats(statistics));
  }

  #finish({ by, reason }) {
    this.#stop();
    if (by === "other_side") this.#noteClosed();
    else this.#noteLeaving(reason);
  }

  /** Said at once, and outlives the page: it may have no later moment. */
  #noteLeaving(reason) {
    const { state, ice, passed } = this.#waiting.get("connection") ?? {};
    const facts = { reason, was_open: this.#open, connection: state, ice, passed };
    this.#send("leaving", this.#dated(facts), { keepalive: true });
  }

  /** The other side closed, and we are still here: worth saying where the log does not know the reason already. */
  async #noteClosed() {
    const facts = this.#dated({ state: "closed" });
    const record = this.#id && (await readCall(this.#id).catch(() => null));
    if (record && isLive(record) && !record.hang_up) this.#send("channel", facts);
  }

  #tell(kind, facts) {
    if (this.#over) return;
    this.#waiting.set(kind, { ...this.#waiting.get(kind), ...this.#dated(facts) });
    if (this.#pace === null) this.#sendNext();
  }

  #dated(facts) {
    const { startedAt } = this.#call;
    return startedAt === null ? facts : { ...facts, at_ms: Math.round(performance.now() - startedAt) };
  }

  #sendNext() {
    if (!this.#open || this.#waiting.size === 0) return;
    const [[kind, facts]] = this.#waiting;
    this.#waiting.delete(kind);
    this.#send(kind, facts);
    this.#rest(PACE_MS);
  }

  #rest(milliseconds) {
    clearTimeout(this.#pace);
    this.#pace = setTimeout(() => {
      this.#pace = null;
      this.#sendNext();
    }, milliseconds);
  }

  async #send(kind, facts, options) {
    if (this.#id === null || this.#refused) return;
    try {
      await this.#post(this.#id, kind, facts, options);
    } catch (problem) {
      this.#bear(problem);
    }
  }

  /** Too many: rest as long as the server says. Any other refusal will not change during this call. */
  #bear({ status, retryAfter }) {
    if (this.#over) return;
    if (status === 429) this.#rest(Math.min((retryAfter ?? 1) * 1_000, MOST_MILLISECONDS));
    else if (status >= 400 && status < 500) this.#refused = true;
  }

  #stop() {
    this.#over = true;
    clearInterval(this.#sampling);
    clearTimeout(this.#pace);
  }
}
