/**
 * A look that repeats itself: at the pace the look asks for, slowly while the page is hidden, with growing
 * patience while it fails, and never again once it says that there is nothing more to see.
 */

export const LIVE_MS = 250;
const HIDDEN_MS = 10_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 10_000;

export class Poll {
  #look;
  #failed;
  #timer = null;
  #looking = false;
  #stopped = false;
  #misses = 0;

  /**
   * `look` is awaited and returns the milliseconds until the next look, or null for none.
   * `failed(error, milliseconds)` hears what a look threw and when the next one comes.
   */
  constructor(look, failed) {
    this.#look = look;
    this.#failed = failed;
  }

  start() {
    document.addEventListener("visibilitychange", this.#wake);
    this.#run();
  }

  /** Look now instead of at the appointed time; starts again what had stopped. */
  hurry() {
    this.#stopped = false;
    this.#run();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wake = () => {
    if (!document.hidden && !this.#stopped) this.#run();
  };

  async #run() {
    // One look at a time: two that overlap would apply the same changes twice.
    if (this.#looking) return;
    this.#looking = true;
    clearTimeout(this.#timer);
    const wait = await this.#lookOnce();
    this.#looking = false;
    if (wait === null) this.stop();
    if (!this.#stopped) this.#timer = setTimeout(() => this.#run(), document.hidden ? Math.max(wait, HIDDEN_MS) : wait);
  }

  async #lookOnce() {
    try {
      const wait = await this.#look();
      this.#misses = 0;
      return wait;
    } catch (error) {
      const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#misses++, LAST_RETRY_MS);
      return this.#failed(error, wait) === "stop" ? null : wait;
    }
  }
}
