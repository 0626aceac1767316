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

/** Ask the person for a microphone, the one with this id or the system's. Rejects with a `MicrophoneProblem`. */
export async function askForMicrophone(device = null) {
  // Outside a secure context the whole of mediaDevices is missing, which would look like a broken browser.
  if (!window.isSecureContext || !navigator.mediaDevices) throw new MicrophoneProblem("insecure_context");
  // Not "ideal": Chromium then prefers the system's own even when the wanted one is there.
  const which = device ? { deviceId: { exact: device } } : {};
  try {
    return new Microphone(await navigator.mediaDevices.getUserMedia({ audio: { ...SOUND, ...which } }));
  } catch (error) {
    throw new MicrophoneProblem(REFUSALS[error.name] ?? "microphone_failed");
  }
}

/** The same, but with the system's microphone when the wanted one is not there. */
export async function askForMicrophoneOrDefault(device = null) {
  try {
    return await askForMicrophone(device);
  } catch (problem) {
    if (device === null || problem.code !== "no_microphone") throw problem;
    return askForMicrophone();
  }
}

/** Tells `lost`: unplugged, or the permission withdrawn. */
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

  /** Flat facts for a report. Not its name: people give devices their own. */
  get facts() {
    const { sampleRate, channelCount, echoCancellation, noiseSuppression, autoGainControl } = this.#track.getSettings();
    return {
      sample_rate: sampleRate,
      channels: channelCount,
      echo_cancellation: echoCancellation,
      noise_suppression: noiseSuppression,
      auto_gain: autoGainControl,
    };
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
