/**
 * A level on the page: a strip of the last seconds, drawn on a canvas, and the numbers behind it as attributes:
 * `data-level` now, `data-peak` the loudest of this call (root mean square, full scale is 1); `data-onset` when sound
 * last began after a pause, `data-last-sound` when there last was any (`performance.now()`, milliseconds).
 */

import { AUDIBLE } from "./first_sound.js";
import { loudness } from "./level.js";

const LOOK_EVERY_MS = 20;
const BAR_EVERY_MS = 80;
// Shorter than this the gaps between words and syllables would each count as a new beginning. Counted in looks: a page
// that stands still for a while has heard no pause.
const PAUSE_LOOKS = 300 / LOOK_EVERY_MS;
const STEP_PX = 5;
const BAR_PX = 3;
const REST_PX = 3;

export class Meter {
  #canvas;
  #level = null;
  #timer = null;
  #bars = [];
  #bar = 0;
  #barAt = 0;
  #peak = 0;
  #silentLooks = Infinity;

  constructor(canvas) {
    this.#canvas = canvas;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(canvas);
    this.rest();
  }

  /** Show this level from now on: measured fifty times a second, drawn a dozen times. */
  follow(level) {
    this.rest();
    this.#level = level;
    this.#timer = setInterval(() => this.#look(level.read(), performance.now()), LOOK_EVERY_MS);
  }

  /** Nothing is measured any more; the peak stays to be read. */
  rest() {
    clearInterval(this.#timer);
    this.#level?.close();
    this.#level = null;
    this.#bars = [];
    this.#number(0);
    this.#draw();
  }

  /** A new call: forget the last one's peak. */
  reset() {
    this.#peak = 0;
    this.#silentLooks = Infinity;
    delete this.#canvas.dataset.onset;
    delete this.#canvas.dataset.lastSound;
    this.rest();
  }

  #look(level, at) {
    this.#peak = Math.max(this.#peak, level);
    this.#bar = Math.max(this.#bar, level);
    if (level < AUDIBLE) this.#silentLooks++;
    else this.#date(at);
    if (at - this.#barAt < BAR_EVERY_MS) return;
    this.#bars.push(loudness(this.#bar));
    this.#number(this.#bar);
    this.#draw();
    this.#bar = 0;
    this.#barAt = at;
  }

  #date(at) {
    if (this.#silentLooks > PAUSE_LOOKS) this.#canvas.dataset.onset = Math.round(at);
    this.#silentLooks = 0;
    this.#canvas.dataset.lastSound = Math.round(at);
  }

  #number(level) {
    this.#canvas.dataset.level = level.toFixed(4);
    this.#canvas.dataset.peak = this.#peak.toFixed(4);
    this.#canvas.setAttribute("aria-valuenow", loudness(level).toFixed(2));
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = window.devicePixelRatio;
    Object.assign(this.#canvas, { width: width * scale, height: height * scale });
    const pen = this.#canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(this.#canvas);
    const places = Math.floor(width / STEP_PX);
    this.#bars = this.#bars.slice(-places);
    for (let place = 0; place < places; place++) {
      const bar = this.#bars[this.#bars.length - places + place];
      pen.fillStyle = bar ? style.color : style.borderTopColor;
      const tall = Math.max(REST_PX, (bar ?? 0) * height);
      pen.beginPath();
      pen.roundRect(place * STEP_PX, (height - tall) / 2, BAR_PX, tall, BAR_PX / 2);
      pen.fill();
    }
  }
}
