/**
 * A conversation on the page: one bubble a line, in the order given, changed in place as words come in.
 * It knows how a line looks and nothing of where it came from.
 */

import { element, mark, write } from "./element.js";
import { gapPhrase } from "./phrases.js";
import { ToolCard } from "./tool_card.js";

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

  /**
   * Lines: {id, role, text, unheard (the end of it that nobody heard), pending, note, time, gap (ms or null),
   * tool (a tool call)}; with `follow`, the newest is kept in sight.
   */
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
    if (!this.#bubbles.has(line.id)) this.#bubbles.set(line.id, new Bubble(Boolean(line.tool)));
    const bubble = this.#bubbles.get(line.id);
    bubble.show(line, this.#who[line.role] ?? line.role);
    return bubble.element;
  }
}

class Bubble {
  #gap = element("p.gap", { hidden: true });
  #who = element("span.who");
  #time = element("span.time");
  #heard = element("span.heard");
  // Struck through for the eye; the style sheet says "not heard" to those who listen to the page.
  #unheard = element("del.unheard", { title: "not heard" });
  #words = element("p.words", {}, this.#heard);
  #tool = null;
  #remark = element("p.remark");

  constructor(isTool) {
    if (isTool) this.#tool = new ToolCard();
    const byline = element("p.byline", {}, this.#who, " ", this.#time);
    this.element = element("li.bubble", {}, this.#gap, byline, this.#tool?.element ?? this.#words, this.#remark);
  }

  show(line, who) {
    mark(this.element, "data-role", line.role);
    mark(this.element, "data-pending", line.pending);
    write(this.#who, who);
    write(this.#time, line.time ?? "");
    write(this.#remark, line.note ?? "");
    drawGap(this.#gap, line.gap);
    if (this.#tool) this.#tool.show(line.tool);
    else this.#showWords(line.text, line.unheard);
  }

  #showWords(heard, unheard) {
    write(this.#heard, heard);
    write(this.#unheard, unheard ?? "");
    if (!unheard) this.#unheard.remove();
    else if (!this.#unheard.isConnected) this.#words.append(this.#unheard);
  }
}

function drawGap(target, gap) {
  target.hidden = gap === null || gap === undefined;
  if (target.hidden) return;
  const { grade, text } = gapPhrase(gap);
  target.dataset.grade = grade;
  target.title = "Response gap: from the end of the caller's speech, as the upstream heard it, to the model's first sound.";
  write(target, `${text} · ${grade}`);
}
