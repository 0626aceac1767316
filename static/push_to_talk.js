/**
 * Push-to-talk: the upstream's voice detection is off, and the caller says by a key where a turn begins and ends
 * (protocol: press = clear the input, release = commit it and ask for a response). It decides and sends; the key
 * itself is the page's.
 */

/** What the session is told when the line opens. Without detection the upstream never answers by itself. */
export const WITHOUT_DETECTION = {
  type: "session.update",
  session: { type: "realtime", audio: { input: { turn_detection: null } } },
};

// Sound takes longer to the upstream than our words do: the last syllable is still on its way at the release.
const TAIL_MS = 200;
// The upstream refuses to commit less than 100 ms; so short a press is a slip of the finger anyhow.
const SHORTEST_MS = 250;

export class PushToTalk {
  #line;
  #pressedAt = null;
  #tail = null;
  #hasCut = false;

  /** `line`: {send(event), cut() → whether there was something to cut, ask(), open(bool)}. */
  constructor(line) {
    this.#line = line;
  }

  press() {
    if (this.#pressedAt !== null) return;
    this.#pressedAt = performance.now();
    this.#line.open(true);
    if (this.#tail !== null) return this.#goOn();
    this.#hasCut = this.#line.cut();
    this.#line.send({ type: "input_audio_buffer.clear" });
  }

  /** False when the press was too short to be a turn, and did not silence the model either. */
  release() {
    if (this.#pressedAt === null) return true;
    const held = performance.now() - this.#pressedAt;
    this.#pressedAt = null;
    if (held < SHORTEST_MS) {
      this.#line.open(false);
      return this.#hasCut;
    }
    this.#tail = setTimeout(() => this.#handOver(), TAIL_MS);
    return true;
  }

  stop() {
    clearTimeout(this.#tail);
    this.#pressedAt = this.#tail = null;
  }

  /** Pressed again before the last turn was handed over: it is still the same turn. */
  #goOn() {
    clearTimeout(this.#tail);
    this.#tail = null;
    // However short this press is, what was said before it counts.
    this.#pressedAt -= SHORTEST_MS;
  }

  #handOver() {
    this.#tail = null;
    this.#line.open(false);
    this.#line.send({ type: "input_audio_buffer.commit" });
    this.#line.ask();
  }
}
