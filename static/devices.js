/**
 * The microphones and loudspeakers of this machine, and which one the person chose, here or the last time. Browsers
 * name them only once the microphone was allowed. It touches no page.
 */

import { recall, remember } from "./memory.js";

export const MICROPHONES = "audioinput";
export const LOUDSPEAKERS = "audiooutput";

const REMEMBERED_AS = { [MICROPHONES]: "microphone", [LOUDSPEAKERS]: "loudspeaker" };
// Chromium's own names for "whatever the system uses"; we have one of our own for that.
const ALIASES = new Set(["", "default", "communications"]);

/** Not every browser lets a page choose where its sound comes out. */
export const canChooseLoudspeaker = "setSinkId" in HTMLMediaElement.prototype;

export class Devices extends EventTarget {
  #found = [];
  #chosen = new Map();

  constructor() {
    super();
    for (const [kind, name] of Object.entries(REMEMBERED_AS)) this.#chosen.set(kind, recall(name));
    navigator.mediaDevices?.addEventListener("devicechange", () => this.look());
  }

  /** Look what is plugged in; `changed` is told when that is known. */
  async look() {
    const found = await navigator.mediaDevices?.enumerateDevices().catch(() => []);
    this.#found = (found ?? []).filter(({ deviceId, label }) => label && !ALIASES.has(deviceId));
    this.dispatchEvent(new Event("changed"));
  }

  /** [{id, label}] of a kind; empty while the browser does not tell. */
  list(kind) {
    return this.#found.filter((device) => device.kind === kind).map(({ deviceId: id, label }) => ({ id, label }));
  }

  /** The chosen {id, label}, or null for the system's own choice. */
  chosen(kind) {
    return this.#chosen.get(kind) ?? null;
  }

  /** Whether the chosen one is known to be missing. */
  isMissing(kind) {
    const list = this.list(kind);
    return this.chosen(kind) !== null && list.length > 0 && !list.some(({ id }) => id === this.chosen(kind).id);
  }

  choose(kind, id) {
    const chosen = this.list(kind).find((device) => device.id === id) ?? null;
    this.#chosen.set(kind, chosen);
    remember(REMEMBERED_AS[kind], chosen);
  }
}
