/**
 * What an operator should see first: tools that wait for a decision, and what a watch noticed. It draws what it is
 * told; what is pressed it tells whoever made it.
 */

import { element, mark, write } from "./element.js";
import { ALARMS, factsOf } from "./gist.js";
import { count } from "./phrases.js";
import { instant, offset } from "./time.js";

const SHOWN_ALARMS = 3;

export class Attention {
  #box;
  #approvals = element("ul.approvals", { "aria-label": "Tools that wait for a decision" });
  #alarms = element("ul.alarms", { "aria-label": "Alarms, the newest first" });
  #earlier = element("p.quiet");
  #rows = new Map();
  #told = [];
  #decide;
  #reveal;

  /** `decide(type, function_call_id)` is awaited when a button is pressed, `reveal(seq)` leads to an event. */
  constructor(box, { decide, reveal }) {
    this.#box = box;
    this.#decide = decide;
    this.#reveal = reveal;
    box.append(this.#approvals, this.#alarms, this.#earlier);
  }

  /** Alarms among new events. */
  take(events, startedAt) {
    const alarms = events.filter(({ type }) => ALARMS[type]);
    if (!alarms.length) return;
    this.#told.push(...alarms.map((event) => this.#alarm(event, startedAt)));
    this.#alarms.replaceChildren(...this.#told.slice(-SHOWN_ALARMS).reverse());
    const earlier = this.#told.length - SHOWN_ALARMS;
    write(this.#earlier, earlier > 0 ? `and ${count(earlier)} earlier; filter the events for “observer.” to see all` : "");
  }

  /** The tools of the call; `argumentsOf(function_call_id)` is what the model asked for. */
  show(tools, live, argumentsOf) {
    const waiting = live ? (tools ?? []).filter(({ state }) => state === "waiting") : [];
    const ids = new Set(waiting.map((tool) => tool.function_call_id));
    for (const [id, row] of this.#rows) if (!ids.has(id)) this.#drop(id, row);
    for (const tool of waiting) this.#approval(tool, argumentsOf(tool.function_call_id));
    this.#box.hidden = !waiting.length && !this.#told.length;
    mark(this.#box, "data-tone", this.#told.length ? "bad" : "warn");
  }

  /** Nothing that was recorded stays. */
  clear() {
    this.#told = [];
    for (const list of [this.#alarms, this.#approvals]) list.replaceChildren();
    this.#box.hidden = true;
  }

  #drop(id, row) {
    // Whoever pressed the button should not be thrown back to the top of the page.
    const wasHere = row.element.contains(document.activeElement);
    row.element.remove();
    this.#rows.delete(id);
    if (wasHere) document.getElementById("control-title").focus();
  }

  #approval(tool, given) {
    const id = tool.function_call_id;
    if (!this.#rows.has(id)) {
      this.#rows.set(id, this.#drawApproval(tool));
      this.#approvals.append(this.#rows.get(id).element);
    }
    const { said } = this.#rows.get(id);
    write(said, given ?? "");
    said.hidden = !given;
  }

  #drawApproval({ function_call_id: id, name, at }) {
    const said = element("pre.mono", { tabindex: "0", "aria-label": `Arguments of ${name}` });
    const buttons = ["approve", "deny"].map((type) => element(`button.${type}`, { type: "button" }, type === "approve" ? "Approve" : "Deny"));
    for (const button of buttons) button.addEventListener("click", () => this.#press(buttons, button.classList[0], id));
    buttons[0].classList.add("primary");
    const since = at ? element("span.quiet", { "data-since": at }, " · it waits") : null;
    const told = element("p", {}, "The model asks for ", element("code", {}, name), since);
    return { said, element: element("li.approval", { "data-tool": id }, told, said, element("div.decisions", {}, ...buttons)) };
  }

  async #press(buttons, type, id) {
    for (const button of buttons) button.disabled = true;
    const done = await this.#decide(type, id);
    if (!done) for (const button of buttons) button.disabled = false;
  }

  #alarm(event, startedAt) {
    const show = element("button.show", { type: "button", "aria-label": `Show event ${event.seq}` }, "Show");
    show.addEventListener("click", () => this.#reveal(event.seq));
    const title = element("strong", {}, ALARMS[event.type]);
    const facts = event.event ? factsOf(event.event) : "";
    const place = offset(instant(event.at) - startedAt);
    return element("li.alarm", { "data-seq": event.seq }, element("p", {}, title, " · ", element("span.nowrap", {}, place), facts ? element("span.quiet", {}, ` · ${facts}`) : null), show);
  }
}
