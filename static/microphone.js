/**
 * The caller's microphone: asking for it, muting it, and giving it back. It knows why a browser may refuse;
 * it touches no page.
 */

const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** The names that browsers give to a refusal, and our code for each. */
const REFUSALS = {
  NotAllowedError: "permission_denied",
  SecurityError: "permission_denied",
  NotFoundError: "no_microphone",
  OverconstrainedError: "no_microphone",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

export class MicrophoneProblem extends Error {
  constructor(code) {
    super(code);
    this.name = "MicrophoneProblem";
    this.code = code;
  }
}

/** Ask the person for the microphone. Resolves to a `Microphone`, rejects with a `MicrophoneProblem`. */
export async function askForMicrophone() {
  // Outside a secure context the whole of mediaDevices is missing, which would look like a broken browser.
  if (!window.isSecureContext || !navigator.mediaDevices) throw new MicrophoneProblem("insecure_context");
  try {
    return new Microphone(await navigator.mediaDevices.getUserMedia({ audio: SOUND }));
  } catch (error) {
    throw new MicrophoneProblem(REFUSALS[error.name] ?? "microphone_failed");
  }
}

export class Microphone extends EventTarget {
  #track;

  constructor(stream) {
    super();
    this.stream = stream;
    [this.#track] = stream.getAudioTracks();
    // Fired when the device is unplugged or the permission withdrawn, never by our own release().
    this.#track.addEventListener("ended", () => this.dispatchEvent(new Event("lost")));
  }

  get track() {
    return this.#track;
  }

  get muted() {
    return !this.#track.enabled;
  }

  /** A muted track still sends, but only silence: nothing is negotiated anew. */
  mute(muted) {
    this.#track.enabled = !muted;
  }

  /** Give the device back; the browser's recording sign goes out. May be said twice. */
  release() {
    for (const track of this.stream.getTracks()) track.stop();
  }
}
