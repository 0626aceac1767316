/**
 * What the talk page shows of a call's state: the words for it, the buttons that make sense in it, the timer, and what
 * went wrong. It is told everything and asks for nothing.
 */

import { byId, element, mark, prose, write } from "./element.js";
import { explain } from "./problems.js";
import { clockTime } from "./time.js";

const TIMER_EVERY_MS = 250;
const IDLE = new Set(["ready", "ended", "failed"]);
const OPEN = new Set(["on_the_line", "weak"]);

const STATES = {
  ready: "Ready",
  asking: "Asking for the microphone…",
  connecting: "Connecting…",
  on_the_line: "On the line",
  weak: "The line is weak…",
  ended: "Ended",
  failed: "Not connected",
};

const HINTS = {
  ready: "Press Start and talk. Or take text only: then no microphone is asked for.",
  asking: "Your browser asks whether this page may use the microphone.",
  connecting: "The call is being set up.",
  weak: "The network is interrupted; waiting for it to come back.",
  ended: "You hung up.",
  failed: "",
};

const HINTS_ON_THE_LINE = {
  "text-only": "Type to the model. It answers aloud and in writing; no microphone is used.",
  "push-to-talk": "Hold the button or the space bar while you speak. Nothing is sent otherwise.",
  "hands-free": "Just talk. You may interrupt at any time.",
};

export class Desk {
  #startedAt = null;
  #clock = null;
  #manner = "hands-free";

  /** A new call, in one of the manners "hands-free", "push-to-talk", "text-only". */
  clear(manner) {
    this.#manner = manner;
    this.#startedAt = null;
    byId("timer").hidden = true;
    byId("log-link").hidden = true;
    byId("consent").hidden = true;
    byId("microphone-meter").hidden = manner === "text-only";
    this.showProblem(null);
    this.showMute(false);
  }

  show(state) {
    const [idle, open] = [IDLE.has(state), OPEN.has(state)];
    if (state === "on_the_line" && this.#startedAt === null) this.#startTimer();
    if (idle) clearInterval(this.#clock);
    write(byId("state"), STATES[state]);
    for (const part of ["state", "line-dot"]) byId(part).dataset.state = state;
    if (state === "on_the_line") this.remind();
    else this.hint(HINTS[state]);
    this.#offer(state, idle, open);
  }

  hint(text) {
    write(byId("hint"), text);
  }

  /** How one talks in this call. */
  remind() {
    this.hint(HINTS_ON_THE_LINE[this.#manner]);
  }

  /** The call waits for the caller's consent to this version of the profile's statement. */
  askForConsent(version) {
    this.show("ready");
    this.hint("");
    write(byId("consent-version"), version);
    for (const start of ["start", "start-text"]) byId(start).hidden = true;
    byId("consent").hidden = false;
  }

  /** The call broke, or never stood. */
  showFailure(problem) {
    if (this.#startedAt === null) this.show("failed");
    else this.hint("");
    this.showProblem(problem);
  }

  showProblem(problem) {
    const box = byId("problem");
    box.hidden = problem === null;
    mark(box, "data-code", problem?.code);
    if (problem === null) return box.replaceChildren();
    const { cause, next, detail } = explain(problem);
    box.replaceChildren(
      element("strong", {}, cause),
      element("p", {}, ...prose(next)),
      detail ? element("p.quiet", {}, ...prose(detail)) : "",
    );
  }

  showMute(muted) {
    mark(byId("mute"), "aria-pressed", String(muted));
    write(byId("mute"), muted ? "Unmute" : "Mute");
    write(byId("microphone-name"), muted ? "You, muted" : "You");
    mark(byId("microphone-level"), "data-muted", muted);
  }

  showLogLink(id) {
    byId("log-link").href = `/call.html?id=${encodeURIComponent(id)}`;
    byId("log-link").hidden = false;
  }

  #offer(state, idle, open) {
    for (const start of ["start", "start-text"]) byId(start).hidden = !idle;
    write(byId("start"), state === "ready" ? "Start" : "Start again");
    byId("hang-up").hidden = idle;
    write(byId("hang-up"), open ? "Hang up" : "Cancel");
    byId("mute").hidden = !open || this.#manner !== "hands-free";
    byId("push").hidden = !open || this.#manner !== "push-to-talk";
    // How turns are taken is agreed with the upstream when the line opens.
    byId("mode").disabled = !idle;
    byId("microphone").disabled = !idle && this.#manner === "text-only";
    byId("say").disabled = byId("say-send").disabled = !open;
  }

  #startTimer() {
    this.#startedAt = Date.now();
    byId("timer").hidden = false;
    write(byId("timer"), clockTime(0));
    this.#clock = setInterval(() => write(byId("timer"), clockTime(Date.now() - this.#startedAt)), TIMER_EVERY_MS);
  }
}
