/**
 * The words of a call as its browser can know them: a fold over the events of the data channel, of which Azure's
 * filter lets only eleven types through (protocol: `webrtcfilter=on`). It knows nothing of the page. The call log has
 * the whole truth (interruptions, failures); this is what can be shown while one talks.
 */

/** What is still to come when a line is not final. */
export const LISTENING = "listening";
export const TRANSCRIBING = "transcribing";
export const ANSWERING = "answering";
export const FINAL = "final";
export const WORDLESS = "wordless";

export class Transcript {
  #lines = new Map();
  #order = [];
  #previous = new Map();
  #speaking = null;

  /** The lines in the conversation's order: [{id, role, text, stage, interrupted}]. */
  get lines() {
    return this.#order.map((id) => this.#lines.get(id));
  }

  /** Take in one event. True when the lines have changed. */
  hear(event) {
    const reading = READINGS[event.type];
    if (!reading) return false;
    reading.call(this, event);
    return true;
  }

  /** The model is cut off in its sentence. How much of it was heard the call log knows, not this page. */
  interrupt() {
    if (this.#speaking) this.#speaking.interrupted = true;
  }

  /** The call is over: what had no words yet gets none. */
  close() {
    for (const line of this.#lines.values()) {
      if (line.stage !== FINAL) line.stage = line.text ? FINAL : WORDLESS;
    }
  }

  /** An item has its place: behind its predecessor, whatever arrived first. */
  place({ item, previous_item_id: previous }) {
    if (item?.type !== "message" || !item.id) return;
    const line = this.#line(item.id, item.role);
    line.role = item.role;
    const text = wordsOf(item);
    if (text && !line.text) Object.assign(line, { text, stage: FINAL });
    if (previous) this.#follow(item.id, previous);
  }

  stage({ item_id: id }, role, stage) {
    const line = this.#line(id, role);
    if (line.stage !== FINAL) line.stage = stage;
  }

  grow({ item_id: id, delta }) {
    const line = this.#line(id, "assistant");
    this.#speaking = line;
    if (line.stage === FINAL) return;
    line.text += delta ?? "";
    line.stage = ANSWERING;
  }

  finish({ item_id: id }, role, text) {
    const line = this.#line(id, role);
    // An answer that was cut off may end with no text at all; what has come of it stays.
    const words = text || line.text;
    Object.assign(line, { text: words, stage: words ? FINAL : WORDLESS });
  }

  #line(id, role) {
    if (!this.#lines.has(id)) {
      this.#lines.set(id, { id, role, text: "", stage: role === "user" ? TRANSCRIBING : ANSWERING, interrupted: false });
      this.#order.push(id);
      this.#gather(id);
    }
    return this.#lines.get(id);
  }

  #follow(id, previous) {
    this.#previous.set(id, previous);
    this.#putBehind(id, previous);
    this.#gather(id);
  }

  /** Those who came before their predecessor come behind it now. */
  #gather(id) {
    for (const [later, before] of this.#previous) {
      if (before === id && this.#order.indexOf(later) < this.#order.indexOf(id)) this.#putBehind(later, id);
    }
  }

  #putBehind(id, previous) {
    if (!this.#order.includes(previous)) return;
    this.#order.splice(this.#order.indexOf(id), 1);
    this.#order.splice(this.#order.indexOf(previous) + 1, 0, id);
  }
}

const READINGS = {
  "input_audio_buffer.speech_started"(event) {
    this.stage(event, "user", LISTENING);
  },
  "input_audio_buffer.speech_stopped"(event) {
    this.stage(event, "user", TRANSCRIBING);
  },
  "conversation.item.input_audio_transcription.completed"(event) {
    this.finish(event, "user", event.transcript?.trim());
  },
  "conversation.item.added"(event) {
    this.place(event);
  },
  "conversation.item.created"(event) {
    this.place(event);
  },
  "response.output_audio_transcript.delta"(event) {
    this.grow(event);
  },
  "response.output_audio_transcript.done"(event) {
    this.finish(event, "assistant", event.transcript);
  },
  "response.output_text.delta"(event) {
    this.grow(event);
  },
  "response.output_text.done"(event) {
    this.finish(event, "assistant", event.text);
  },
};

function wordsOf(item) {
  const parts = item.content ?? [];
  return parts.map((part) => part.text ?? part.transcript ?? "").join(" ").trim();
}
