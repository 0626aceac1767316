/**
 * A level on the page: a strip of the last seconds, drawn on a canvas, and the numbers behind it as attributes
 * (`data-level` now, `data-peak` the loudest of this call; root mean square, full scale is 1).
 */

import { loudness } from "./level.js";

const LOOK_EVERY_MS = 80;
const STEP_PX = 5;
const BAR_PX = 3;
const REST_PX = 3;

export class Meter {
  #canvas;
  #level = null;
  #timer = null;
  #bars = [];
  #peak = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(canvas);
    this.rest();
  }

  /** Show this level from now on, a dozen times a second. */
  follow(level) {
    this.rest();
    this.#level = level;
    this.#timer = setInterval(() => this.#show(level.read()), LOOK_EVERY_MS);
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
    this.rest();
  }

  #show(level) {
    this.#peak = Math.max(this.#peak, level);
    this.#bars.push(loudness(level));
    this.#number(level);
    this.#draw();
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
