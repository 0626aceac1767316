/**
 * How the caller's network did, from what the browser reported every two seconds: three strips (round trip, jitter,
 * loss) over the time of the call, and the same as a table. It is drawn only when there is something to draw.
 */

import { byId, element, write } from "./element.js";
import { count } from "./phrases.js";
import { clockTime, instant } from "./time.js";

// A longer call shows its newest samples: an hour of them is 1,800.
const MOST_SAMPLES = 600;
const DOT_PX = 1.75;
const ROOM_PX = 4;

const SERIES = [
  { id: "rtt", of: (sample) => sample.rtt_ms, unit: "ms", least: 50 },
  { id: "jitter", of: (sample) => sample.jitter_ms, unit: "ms", least: 20 },
  { id: "loss", of: (sample) => sample.loss_percent, unit: "%", least: 2 },
];

export class NetworkLane {
  #card;
  #samples = [];
  #before = null;
  #changed = false;

  constructor(card) {
    this.#card = card;
    const redraw = () => this.#draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new ResizeObserver(redraw).observe(card);
  }

  /** Take in what of a page of events the browser measured; times count from `startedAt`. */
  take(events, startedAt) {
    for (const { type, at, event } of events) {
      if (type === "browser.stats") this.#add(event, instant(at) - startedAt);
    }
    if (!this.#changed) return;
    this.#changed = false;
    this.#card.hidden = false;
    this.#draw();
    this.#fillTable();
  }

  #add(facts, after) {
    this.#samples.push({ after, rtt_ms: facts.rtt_ms, jitter_ms: facts.jitter_ms, loss_percent: lossBetween(this.#before, facts) });
    this.#samples.splice(0, Math.max(0, this.#samples.length - MOST_SAMPLES));
    this.#before = facts;
    this.#changed = true;
  }

  #draw() {
    if (this.#card.hidden) return;
    for (const series of SERIES) drawStrip(series, this.#samples);
  }

  #fillTable() {
    const cell = (value, unit) => element("td.number", {}, value === undefined || value === null ? "–" : `${shown(value)} ${unit}`);
    const rows = this.#samples.map((sample) =>
      element("tr", {}, element("td", {}, clockTime(sample.after)), ...SERIES.map(({ of, unit }) => cell(of(sample), unit))),
    );
    byId("network-rows").replaceChildren(...rows);
  }
}

/** Percent of the packets since the last sample that never came; counts start again when the line does. */
function lossBetween(before, now) {
  const lost = (now.packets_lost ?? 0) - (before?.packets_lost ?? 0);
  const received = (now.packets_received ?? 0) - (before?.packets_received ?? 0);
  if (lost < 0 || received < 0 || lost + received === 0) return 0;
  return (100 * lost) / (lost + received);
}

function drawStrip({ id, of, unit, least }, samples) {
  const canvas = byId(`network-${id}`);
  const values = samples.map(of);
  const told = values.filter((value) => value !== undefined && value !== null);
  const worst = Math.max(...told, 0);
  write(byId(`network-${id}-value`), told.length ? `${shown(told.at(-1))} ${unit}` : "–");
  write(byId(`network-${id}-worst`), told.length ? `worst ${shown(worst)} ${unit}` : "");
  plot(canvas, values, Math.max(worst, least));
}

function plot(canvas, values, top) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = window.devicePixelRatio;
  Object.assign(canvas, { width: width * scale, height: height * scale });
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const x = (place) => ROOM_PX + (place * (width - 2 * ROOM_PX)) / Math.max(1, values.length - 1);
  const y = (value) => height - ROOM_PX - (value / top) * (height - 2 * ROOM_PX);
  pen.scale(scale, scale);
  pen.fillStyle = style.borderTopColor;
  pen.fillRect(0, height - 1, width, 1);
  pen.strokeStyle = pen.fillStyle = style.color;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  pen.beginPath();
  values.forEach((value, place) => value !== undefined && value !== null && pen.lineTo(x(place), y(value)));
  pen.stroke();
  dot(pen, x(values.length - 1), y(values.at(-1) ?? 0));
}

function dot(pen, x, y) {
  pen.beginPath();
  pen.arc(x, y, DOT_PX, 0, 2 * Math.PI);
  pen.fill();
}

function shown(value) {
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : count(Math.round(value));
}
