/**
 * The line itself: one peer connection, its audio, and the data channel that carries events. It decides nothing about
 * the call and touches no page; it tells
 *
 *   sound {stream} · heard {event} · open {} · closed {} · connection {connection, ice}
 */

const CHANNEL = "oai-events";

export class LineProblem extends Error {
  constructor(code) {
    super(code);
    this.name = "LineProblem";
    this.code = code;
  }
}

export class Line extends EventTarget {
  #peer = new RTCPeerConnection();
  #channel;
  #sender = null;

  constructor() {
    super();
    const on = (type, act) => this.#peer.addEventListener(type, act);
    on("track", (event) => this.#tell("sound", { stream: streamOf(event) }));
    on("connectionstatechange", () => this.#tellConnection());
    on("iceconnectionstatechange", () => this.#tellConnection());
    // The channel has to exist before the offer is made, or the offer has no place for it.
    this.#channel = this.#peer.createDataChannel(CHANNEL);
    this.#channel.addEventListener("open", () => this.#tell("open"));
    this.#channel.addEventListener("message", ({ data }) => this.#hear(data));
    this.#channel.addEventListener("close", () => this.#tell("closed"));
  }

  /** The offer's SDP. Without a microphone the line only receives. */
  async offer(microphone) {
    if (microphone) this.#sender = this.#peer.addTrack(microphone.track, microphone.stream);
    else this.#peer.addTransceiver("audio", { direction: "recvonly" });
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    return this.#peer.localDescription.sdp;
  }

  accept(sdp) {
    return this.#peer.setRemoteDescription({ type: "answer", sdp });
  }

  /** Another microphone in the place of the one there is; nothing is negotiated anew. */
  replace(microphone) {
    return this.#sender.replaceTrack(microphone.track);
  }

  /** Send a client event; before the line is open and after it is closed there is nobody to send it to. */
  send(event) {
    if (this.#channel.readyState !== "open") return;
    // An error of the upstream names the event it refuses by this id.
    this.#channel.send(JSON.stringify({ event_id: `page_${crypto.randomUUID()}`, ...event }));
  }

  /** An RTCStatsReport. */
  measure() {
    return this.#peer.getStats();
  }

  close() {
    this.#channel.close();
    this.#peer.close();
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

  #tellConnection() {
    const { connectionState: connection, iceConnectionState: ice } = this.#peer;
    this.#tell("connection", { connection, ice });
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function streamOf({ streams, track }) {
  return streams[0] ?? new MediaStream([track]);
}
