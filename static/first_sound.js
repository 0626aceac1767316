/** When a stream is first heard, by its samples: not when a packet came, nor when an event says so. */

const LOOK_EVERY_MS = 20;
// Root mean square; -46 dB of full scale. Below lies the hiss of a codec, speech lies far above.
export const AUDIBLE = 0.005;

export class FirstSound {
  #timer;

  /** `heard(at)` is told once, with the `performance.now()` of the first look that found sound. */
  constructor(level, heard) {
    this.#timer = setInterval(() => {
      if (level.read() < AUDIBLE) return;
      this.stop();
      heard(performance.now());
    }, LOOK_EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }
}
