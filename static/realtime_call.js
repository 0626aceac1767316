/**
 * One call, from the caller's side: microphone (or none), line, and the offer and answer that join them.
 *
 *   ready → asking → connecting → on_the_line ⇄ weak → ended      (every state → ended; without a microphone no asking)
 *
 * There is one way out, #end, taken exactly once; it closes the line and releases the microphone whatever
 * happened before. It touches no page: it tells what happens by events.
 *
 *   state {state} · identified {id} · microphone {microphone} · muted {muted} · open {} · cut {} (from here)
 *   sound {stream} · heard {event} · connection {connection, ice} (as the line tells them)
 *   ended {by: "caller" | "other_side" | "failure", reason, problem: Error with a code, or null}
 *   settled {reason} (after we ended it: the server has taken the wish)
 */

import { hangUp } from "./api.js";
import { Line, LineProblem } from "./line.js";
import { PushToTalk, WITHOUT_DETECTION } from "./push_to_talk.js";
import { Reply } from "./reply.js";

// From the answer to an open channel; over a good network it takes a tenth of a second.
const OPEN_WITHIN_MS = 15_000;
// A lost network often comes back; the field's clients wait about this long before they give a call up.
const WEAK_FOR_MS = 5_000;
const WISHED_AGAIN_AFTER_MS = 1_000;

export class RealtimeCall extends EventTarget {
  /** `performance.now()` of the start, and of the answer's being in place; null until then. */
  startedAt = null;
  answeredAt = null;
  reply = new Reply();

  #negotiate;
  #askForMicrophone;
  #push = null;
  #state = "ready";
  #id = null;
  #microphone = null;
  #line = null;
  #patience = null;

  /** `askForMicrophone` null: a call in writing, which asks for no microphone and hears the model all the same. */
  constructor({ negotiate, askForMicrophone = null, pushToTalk = false }) {
    super();
    this.#negotiate = negotiate;
    this.#askForMicrophone = askForMicrophone;
    if (pushToTalk) this.#push = new PushToTalk(this.#turns());
  }

  get id() {
    return this.#id;
  }

  get state() {
    return this.#state;
  }

  get ended() {
    return this.#state === "ended";
  }

  get isOnTheLine() {
    return this.#state === "on_the_line" || this.#state === "weak";
  }

  /** Go through with the call. Never rejects: what goes wrong is told by the event `ended`. */
  async start() {
    this.startedAt = performance.now();
    try {
      await this.#dial();
    } catch (error) {
      this.#end("failure", "not_connected", error.code ? error : new LineProblem("browser_failed"));
    }
  }

  /** Say something in writing: an item of the conversation, and a response to it. It interrupts, as speech does. */
  say(text) {
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    this.#cut();
    this.#line.send({ type: "conversation.item.create", item });
    this.#ask();
  }

  /** Push-to-talk: a turn begins. */
  press() {
    if (this.isOnTheLine) this.#push?.press();
  }

  /** Push-to-talk: the key comes up. False when it was down too shortly to do anything. */
  release() {
    return this.#push?.release() ?? true;
  }

  /** By hand; with push-to-talk the key does it. */
  mute(muted) {
    this.#microphone?.mute(muted);
    this.#tell("muted", { muted });
  }

  /** Another microphone for a call that has one. Rejects with the reason; the old one then stays. */
  async changeMicrophone(ask) {
    const microphone = await ask();
    if (this.ended) return microphone.release();
    await this.#line.replace(microphone);
    microphone.mute(this.#microphone.muted);
    this.#microphone.release();
    this.#take(microphone);
  }

  /** The line's statistics, or null when there is none. */
  async measure() {
    return this.ended ? null : this.#line.measure();
  }

  /** `reason`: "hang_up", or "pagehide" when the page goes away. */
  hangUp(reason = "hang_up") {
    this.#end("caller", reason);
  }

  async #dial() {
    const microphone = await this.#findMicrophone();
    // The person may have cancelled while the browser was asking; nothing else would release it then.
    if (this.ended) return microphone?.release();
    // With push-to-talk nothing is sent but what is said while the key is down.
    if (this.#push) microphone?.mute(true);
    if (microphone) this.#take(microphone);
    this.#become("connecting");
    this.#line = this.#lay(new Line());
    const offer = await this.#line.offer(microphone);
    if (!this.ended) await this.#join(offer);
  }

  async #findMicrophone() {
    if (this.#askForMicrophone === null) return null;
    this.#become("asking");
    return this.#askForMicrophone();
  }

  #take(microphone) {
    this.#microphone = microphone;
    this.#tell("microphone", { microphone });
  }

  #lay(line) {
    for (const type of ["sound", "heard", "connection"]) {
      line.addEventListener(type, ({ detail }) => !this.ended && this.#tell(type, detail));
    }
    // After those, so that whoever listens still finds what was so when it came: that the model spoke, for one.
    line.addEventListener("heard", ({ detail }) => this.reply.hear(detail.event));
    line.addEventListener("open", () => this.#greet());
    line.addEventListener("connection", ({ detail }) => this.#follow(detail.connection));
    line.addEventListener("closed", () => this.#end("other_side", "closed"));
    return line;
  }

  async #join(offer) {
    const { id, answer } = await this.#negotiate(offer);
    this.#id = id;
    if (id) this.#tell("identified", { id });
    // Cancelled while the answer was on its way: a call stands there that nobody will ever join.
    if (this.ended) return this.#wishItsEnd("hang_up");
    this.#patience = setTimeout(() => this.#fail("ice_failed"), OPEN_WITHIN_MS);
    await this.#accept(answer);
  }

  async #accept(answer) {
    try {
      await this.#line.accept(answer);
    } catch {
      throw new LineProblem("answer_unusable");
    }
    this.answeredAt = performance.now();
  }

  #greet() {
    clearTimeout(this.#patience);
    this.#become("on_the_line");
    this.#tell("open", {});
    if (this.#push) this.#line.send(WITHOUT_DETECTION);
  }

  #follow(connection) {
    if (connection === "connected") this.#recover();
    if (connection === "disconnected") this.#wait();
    if (connection === "failed") this.#fail(this.isOnTheLine ? "connection_lost" : "ice_failed");
    if (connection === "closed") this.#end("other_side", "closed");
  }

  #wait() {
    if (this.#state !== "on_the_line") return;
    this.#become("weak");
    this.#patience = setTimeout(() => this.#fail("connection_lost"), WEAK_FOR_MS);
  }

  #recover() {
    if (this.#state !== "weak") return;
    clearTimeout(this.#patience);
    this.#become("on_the_line");
  }

  /** What a press and a release do to the call. */
  #turns() {
    return {
      send: (event) => this.#line.send(event),
      cut: () => this.#cut(),
      ask: () => this.#ask(),
      open: (opened) => this.#microphone?.mute(!opened),
    };
  }

  #ask() {
    this.#line.send({ type: "response.create" });
    this.reply.ask();
  }

  #cut() {
    const { generating, audible } = this.reply;
    if (generating) this.#line.send({ type: "response.cancel" });
    if (audible) this.#line.send({ type: "output_audio_buffer.clear" });
    if (audible) this.#tell("cut", {});
    this.reply.cut();
    return generating || audible;
  }

  #fail(code) {
    this.#end("failure", code, new LineProblem(code));
  }

  #end(by, reason, problem = null) {
    if (this.ended) return;
    this.#become("ended");
    clearTimeout(this.#patience);
    this.#push?.stop();
    this.#line?.close();
    this.#microphone?.release();
    this.#tell("ended", { by, reason, problem });
    // What the other side ended needs no wish of ours: it would only blur whose end it was.
    if (this.#id && by !== "other_side") this.#wishItsEnd(reason);
  }

  /** Until the server takes it: a network that took the line took the first wish with it. */
  async #wishItsEnd(reason) {
    try {
      await hangUp(this.#id, "caller");
      this.#tell("settled", { reason });
    } catch ({ status }) {
      // A server that does not want our wish will not want it later.
      if (status === 0 || status >= 500) setTimeout(() => this.#wishItsEnd(reason), WISHED_AGAIN_AFTER_MS);
    }
  }

  #become(state) {
    this.#state = state;
    this.#tell("state", { state });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
