/**
 * What an operator can do on a call: have the model say something, whisper to it, instruct it anew, silence it. It asks
 * for it through what it is given, and shows what became of it; the tools, and the limits that are left.
 */

import { byId, element, mark, write } from "./element.js";
import { Commands, isSettled, nameOf, statePhrase } from "./commands.js";
import { Limits } from "./limits.js";
import { isLive } from "./phrases.js";
import { explain } from "./problems.js";

const ACTS = {
  say: ["What the model says to the caller", "Say it", "The model says this to the caller, word for word, as soon as it is its turn."],
  whisper: ["What the model is told", "Whisper", "The model is told this at once; the caller hears nothing, and the model does not answer it."],
  instructions: ["The model’s new instructions", "Instruct", "These take the place of the instructions that the model has now, for the rest of the call."],
};
const WORDLESS = "This profile keeps no words, so a command with words cannot wait for its turn.";

export class Control {
  #send;
  #commands = new Commands(byId("commands"));
  #limits = new Limits(byId("limits"));
  #mine = new Set();

  /** `send(act)` asks for an act and returns {command_id}; it throws a ServerProblem. */
  constructor(send) {
    this.#send = send;
    byId("act").addEventListener("submit", (event) => this.#submit(event));
    byId("act").addEventListener("change", () => this.#explain());
    byId("act-text").addEventListener("keydown", (event) => this.#key(event));
    byId("interrupt").addEventListener("click", () => this.#press(byId("interrupt"), { type: "interrupt" }));
    byId("mute").addEventListener("click", () => this.#press(byId("mute"), { type: byId("mute").dataset.act }));
    this.#explain();
  }

  /** New events of the log. */
  take(events) {
    this.#commands.take(events);
  }

  /** A call as the API shows it; one that shows no commands is not ours to act on. */
  show(call, startedAt) {
    const [live, theirs] = [isLive(call), call.commands === undefined];
    const acting = live && call.recording !== "off";
    if (!theirs) this.#commands.show(call.commands, { muted: call.muted, startedAt });
    for (const command of call.commands ?? []) this.#announce(command);
    byId("control").hidden = theirs || (!acting && !this.#commands.size && !call.limits?.length && !call.tools?.length);
    byId("acting").hidden = !acting;
    byId("muted").hidden = !acting || !call.muted;
    this.#showMute(call.muted);
    this.#showTools(call.tools);
    this.#limits.show(call.limits);
    byId("commands-blank").hidden = this.#commands.size > 0;
    mark(byId("act"), "data-wordless", call.recording === "metadata");
    this.#explain();
  }

  /** Nothing that was said stays on the page. */
  clear() {
    this.#commands.clear();
  }

  /** Ask for an act; true when it was taken. Trouble is shown beside the buttons. */
  async ask(act) {
    byId("control-trouble").hidden = true;
    try {
      const { command_id: id } = await this.#send(act);
      this.#mine.add(id);
      write(byId("control-said"), `${nameOf(act)}: asked.`);
      return true;
    } catch (problem) {
      const { cause, detail } = explain(problem);
      write(byId("control-trouble"), detail || cause);
      byId("control-trouble").hidden = false;
      return false;
    }
  }

  async #submit(event) {
    event.preventDefault();
    const [box, text] = [byId("act-text"), byId("act-text").value];
    if (!text.trim() || byId("act-send").disabled) return box.focus();
    byId("act-send").disabled = true;
    const taken = await this.ask({ type: this.#act, text });
    if (taken && box.value === text) box.value = "";
    byId("act-send").disabled = false;
    box.focus();
  }

  #key(event) {
    // As in every chat: Enter sends, with Shift it begins a line. While an input method composes, it is that method's.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("act").requestSubmit();
  }

  async #press(button, act) {
    if (button.getAttribute("aria-disabled")) return;
    // Not `disabled`, which would take the focus away from whoever works by keyboard.
    mark(button, "aria-disabled", "true");
    await this.ask(act);
    mark(button, "aria-disabled", null);
  }

  get #act() {
    return byId("act").elements.act.value;
  }

  #explain() {
    const wordless = byId("act").hasAttribute("data-wordless");
    const [label, send, hint] = ACTS[this.#act];
    write(byId("act-label"), label);
    write(byId("act-send"), send);
    write(byId("act-hint"), wordless ? WORDLESS : hint);
    byId("act-words").disabled = wordless;
  }

  #showMute(muted) {
    byId("mute").dataset.act = muted ? "unmute" : "mute";
    write(byId("mute"), muted ? "Unmute the model" : "Mute the model");
  }

  #showTools(tools) {
    const told = (tools ?? []).map(({ name, state, by }) => [name, [state.replaceAll("_", " "), by ? `by ${by}` : null].filter(Boolean).join(" ")]);
    byId("tools").hidden = !told.length;
    const now = JSON.stringify(told);
    if (byId("tools").dataset.now === now) return;
    byId("tools").dataset.now = now;
    byId("tool-list").replaceChildren(...told.map(([name, state]) => element("li", {}, element("code", {}, name), ` ${state}`)));
  }

  #announce(command) {
    if (isSettled(command) && this.#mine.delete(command.command_id)) write(byId("control-said"), `${nameOf(command)}: ${statePhrase(command)}.`);
  }
}
