/**
 * What the model is doing, as far as the caller's side can tell. Behind Azure's filter no `response.created` and no
 * `response.done` arrives, so it is read from what does: words that grow and end, sound that starts and stops.
 */

export class Reply {
  /** The model makes an answer: cancelling it has a meaning. */
  generating = false;
  /** The model's voice comes out: clearing what is left of it has a meaning. */
  audible = false;

  /** The caller's side has just asked for an answer. */
  ask() {
    this.generating = true;
  }

  /** The caller's side, or the upstream for it, has cut the answer off. */
  cut() {
    this.generating = this.audible = false;
  }

  hear({ type }) {
    Object.assign(this, CHANGES[type]);
  }
}

const BEGUN = { generating: true };
// Also sent for an answer that was cancelled (OpenAI's API schema), so neither can stay on for ever.
const MADE = { generating: false };
const SILENT = { generating: false, audible: false };

const CHANGES = {
  "response.created": BEGUN,
  "response.output_audio_transcript.delta": BEGUN,
  "response.output_text.delta": BEGUN,
  "response.output_audio_transcript.done": MADE,
  "response.output_text.done": MADE,
  "response.done": MADE,
  "output_audio_buffer.started": { audible: true },
  "output_audio_buffer.stopped": SILENT,
  "output_audio_buffer.cleared": { audible: false },
  // With voice detection the upstream cuts itself off here; the event that says so does not pass the filter.
  "input_audio_buffer.speech_started": SILENT,
};
