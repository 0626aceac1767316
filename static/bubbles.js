/**
 * A conversation on the page: one bubble a line, in the order given, changed in place as words come in.
 * It knows how a line looks and nothing of where it came from.
 */

import { element, mark, write } from "./element.js";
import { gapPhrase } from "./phrases.js";

const WHO = { user: "Caller", assistant: "Model", system: "System", tool: "Tool" };
// So near to the end counts as reading along; then the newest bubble is kept in sight.
const NEAR_END_PX = 80;

export class Bubbles {
  #list;
  #who;
  #bubbles = new Map();

  constructor(list, who = {}) {
    this.#list = list;
    this.#who = { ...WHO, ...who };
  }

  /** Lines: {id, role, text, pending, note, time, gap (ms or null)}; with `follow`, the newest is kept in sight. */
  show(lines, follow = true) {
    const readingAlong = follow && this.#nearEnd();
    lines.forEach((line, place) => this.#put(this.#drawn(line), place));
    while (this.#list.children.length > lines.length) this.#list.lastChild.remove();
    if (readingAlong) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #put(bubble, place) {
    const there = this.#list.children[place];
    if (there !== bubble) this.#list.insertBefore(bubble, there ?? null);
  }

  #drawn(line) {
    if (!this.#bubbles.has(line.id)) this.#bubbles.set(line.id, blank());
    const bubble = this.#bubbles.get(line.id);
    const part = (name) => bubble.querySelector(`.${name}`);
    mark(bubble, "data-role", line.role);
    mark(bubble, "data-pending", line.pending);
    write(part("who"), this.#who[line.role] ?? line.role);
    write(part("time"), line.time ?? "");
    write(part("words"), line.text);
    write(part("remark"), line.note ?? "");
    drawGap(part("gap"), line.gap);
    return bubble;
  }
}

function blank() {
  return element(
    "li.bubble",
    {},
    element("p.gap", { hidden: true }),
    element("p.byline", {}, element("span.who"), " ", element("span.time")),
    element("p.words"),
    element("p.remark"),
  );
}

function drawGap(target, gap) {
  target.hidden = gap === null || gap === undefined;
  if (target.hidden) return;
  const { grade, text } = gapPhrase(gap);
  target.dataset.grade = grade;
  target.title = "Response gap: from the end of the caller's speech, as the upstream heard it, to the model's first sound.";
  write(target, `${text} · ${grade}`);
}
