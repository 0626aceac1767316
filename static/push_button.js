/**
 * The key of push-to-talk: a button to hold by pointer or touch, the space bar anywhere on the page that is not for
 * typing, and for those who can only click: one click begins, the next one ends.
 */

import { mark, write } from "./element.js";

// Where the space bar has a meaning of its own.
const TYPED_INTO = "input, textarea, select, a, summary, button:not(#push)";

export class PushButton {
  #button;
  #pressed;
  #released;
  #held = false;

  constructor(button, { pressed, released }) {
    this.#button = button;
    this.#pressed = pressed;
    this.#released = released;
    button.addEventListener("pointerdown", (event) => this.#grasp(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(type, () => this.release());
    // A long touch is a press here, not a wish for a menu.
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("click", (event) => this.#click(event));
    document.addEventListener("keydown", (event) => this.#keyDown(event));
    document.addEventListener("keyup", (event) => this.#keyUp(event));
    // A key that comes up in another window is never heard of here: the microphone would stay open.
    window.addEventListener("blur", () => this.release());
    document.addEventListener("visibilitychange", () => document.hidden && this.release());
  }

  release() {
    if (!this.#held) return;
    this.#show(false);
    this.#released();
  }

  get #isOffered() {
    return !this.#button.hidden && !this.#button.disabled;
  }

  #press() {
    if (this.#held || !this.#isOffered) return;
    this.#show(true);
    this.#pressed();
  }

  #grasp(event) {
    if (event.button !== 0) return;
    // A finger that slides off the button still holds it.
    this.#button.setPointerCapture(event.pointerId);
    this.#press();
  }

  /** Assistive technology clicks without a pointer; `detail` counts the pointer's clicks. */
  #click({ detail }) {
    if (detail !== 0) return;
    if (this.#held) this.release();
    else this.#press();
  }

  #keyDown(event) {
    if (!this.#isKey(event)) return;
    event.preventDefault();
    if (!event.repeat) this.#press();
  }

  #keyUp(event) {
    if (!this.#isKey(event)) return;
    // Without this the button takes the key's coming up for a click.
    event.preventDefault();
    this.release();
  }

  #isKey({ code, target, ctrlKey, altKey, metaKey }) {
    if (code !== "Space" || ctrlKey || altKey || metaKey || !this.#isOffered) return false;
    return !(target instanceof Element && target.matches(TYPED_INTO));
  }

  #show(held) {
    this.#held = held;
    mark(this.#button, "aria-pressed", String(held));
    write(this.#button.querySelector(".push-word"), held ? "Listening… release to send" : "Hold to talk");
  }
}
