/**
 * How loud a stream is, measured from its samples and not guessed from events. It touches no page.
 */

const SAMPLES = 2048;
// Below this a level is shown as silence; speech lies between -40 and -10 dB of full scale.
const SILENCE_DB = -60;

/** One audio context for a page: browsers grant only a few, and a click is what wakes it. */
export class Ear {
  #context = null;

  /** Must be called from a click, or the browser keeps the context asleep and every level at zero. */
  wake() {
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") this.#context.resume();
  }

  listen(stream) {
    return new Level(this.#context, stream);
  }
}

export class Level {
  #source;
  #analyser;
  #samples = new Float32Array(SAMPLES);

  constructor(context, stream) {
    this.#source = context.createMediaStreamSource(stream);
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = SAMPLES;
    // Not connected to the speakers: the caller would hear themselves.
    this.#source.connect(this.#analyser);
  }

  /** The root mean square of the last 40 ms or so: 0 is silence, 1 is full scale. */
  read() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / SAMPLES);
  }

  close() {
    this.#source.disconnect();
  }
}

/** A level as the ear takes it, on a scale of decibels: 0 (silence) to 1 (full scale). */
export function loudness(level) {
  if (level <= 0) return 0;
  return Math.min(1, Math.max(0, 1 - (20 * Math.log10(level)) / SILENCE_DB));
}
