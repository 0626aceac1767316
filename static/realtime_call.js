/**
 * One call, from the caller's side: microphone, peer connection, data channel, and the POST that joins them.
 *
 *   ready → asking → connecting → on_the_line ⇄ weak → ended      (every state → ended)
 *
 * There is one way out, #end, taken exactly once; it closes the peer and releases the microphone whatever
 * happened before. It touches no page: it tells what happens by events.
 *
 *   state {state} · identified {id} · microphone {microphone} · sound {stream} · heard {event}
 *   ended {by: "caller" | "other_side" | "failure", problem: Error with a code, or null}
 */

import { connect, hangUp } from "./api.js";

const CHANNEL = "oai-events";
// From the answer to an open channel; over a good network it takes a tenth of a second.
const OPEN_WITHIN_MS = 15_000;
// A lost network often comes back; the field's clients wait about this long before they give a call up.
const WEAK_FOR_MS = 5_000;

export class LineProblem extends Error {
  constructor(code) {
    super(code);
    this.name = "LineProblem";
    this.code = code;
  }
}

export class RealtimeCall extends EventTarget {
  #askForMicrophone;
  #profile;
  #state = "ready";
  #id = null;
  #microphone = null;
  #peer = null;
  #channel = null;
  #patience = null;

  constructor({ askForMicrophone, profile = null }) {
    super();
    this.#askForMicrophone = askForMicrophone;
    this.#profile = profile;
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

  /** Go through with the call. Never rejects: what goes wrong is told by the event `ended`. */
  async start() {
    try {
      await this.#dial();
    } catch (error) {
      this.#end("failure", error.code ? error : new LineProblem("browser_failed"));
    }
  }

  /** Say something in writing: an item of the conversation, and a response to it. */
  say(text) {
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    this.#send({ type: "conversation.item.create", item });
    this.#send({ type: "response.create" });
  }

  hangUp() {
    this.#end("caller");
  }

  async #dial() {
    this.#become("asking");
    const microphone = await this.#askForMicrophone();
    // The person may have cancelled while the browser was asking; nothing else would release it then.
    if (this.ended) return microphone.release();
    this.#take(microphone);
    this.#become("connecting");
    const offer = await this.#offer();
    if (!this.ended) await this.#negotiate(offer);
  }

  #take(microphone) {
    this.#microphone = microphone;
    this.#tell("microphone", { microphone });
  }

  async #offer() {
    this.#peer = new RTCPeerConnection();
    this.#peer.addEventListener("track", (event) => this.#tell("sound", { stream: streamOf(event) }));
    this.#peer.addEventListener("connectionstatechange", () => this.#follow(this.#peer.connectionState));
    this.#peer.addTrack(this.#microphone.track, this.#microphone.stream);
    // The channel has to exist before the offer is made, or the offer has no place for it.
    this.#listen(this.#peer.createDataChannel(CHANNEL));
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    return this.#peer.localDescription.sdp;
  }

  async #negotiate(offer) {
    const { id, answer } = await connect(offer, this.#profile);
    this.#id = id;
    this.#tell("identified", { id });
    // Cancelled while the answer was on its way: a call stands there that nobody will ever join.
    if (this.ended) return this.#wishItsEnd();
    this.#patience = setTimeout(() => this.#fail("ice_failed"), OPEN_WITHIN_MS);
    await this.#accept(answer);
  }

  async #accept(sdp) {
    try {
      await this.#peer.setRemoteDescription({ type: "answer", sdp });
    } catch {
      throw new LineProblem("answer_unusable");
    }
  }

  #listen(channel) {
    this.#channel = channel;
    channel.addEventListener("open", () => this.#greet());
    channel.addEventListener("message", ({ data }) => this.#hear(data));
    channel.addEventListener("close", () => this.#end("other_side"));
  }

  #greet() {
    clearTimeout(this.#patience);
    this.#become("on_the_line");
    // The upstream answers this with `input_audio_buffer.cleared`, which the observer reads as the first sign
    // that a live browser is on the call: without it, a call in which nobody speaks looks never connected.
    this.#send({ type: "input_audio_buffer.clear" });
  }

  #hear(data) {
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return; // Not for us to judge: the observer keeps what the upstream really said.
    }
    if (typeof event?.type === "string") this.#tell("heard", { event });
  }

  #follow(connection) {
    if (connection === "connected") this.#recover();
    if (connection === "disconnected") this.#wait();
    if (connection === "failed") this.#fail(this.#wasOpen ? "connection_lost" : "ice_failed");
    if (connection === "closed") this.#end("other_side");
  }

  get #wasOpen() {
    return this.#state === "on_the_line" || this.#state === "weak";
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

  #send(event) {
    if (this.#channel?.readyState !== "open") return;
    // An error of the upstream names the event it refuses by this id.
    this.#channel.send(JSON.stringify({ event_id: `page_${crypto.randomUUID()}`, ...event }));
  }

  #fail(code) {
    this.#end("failure", new LineProblem(code));
  }

  #end(by, problem = null) {
    if (this.ended) return;
    this.#become("ended");
    clearTimeout(this.#patience);
    this.#channel?.close();
    this.#peer?.close();
    this.#microphone?.release();
    // What the other side ended needs no wish of ours: it would only blur whose end it was.
    if (this.#id && by !== "other_side") this.#wishItsEnd();
    this.#tell("ended", { by, problem });
  }

  #wishItsEnd() {
    // The page may be leaving and nobody is left to tell; the upstream misses the peer soon by itself.
    hangUp(this.#id, "caller").catch(() => {});
  }

  #become(state) {
    this.#state = state;
    this.#tell("state", { state });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function streamOf({ streams, track }) {
  return streams[0] ?? new MediaStream([track]);
}
