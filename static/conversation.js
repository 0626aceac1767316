/** The turns of a call as the call log folds them, made into lines to show. No page, no network. */

import { isLive } from "./phrases.js";
import { instant, offset } from "./time.js";

const STATUSES = { cancelled: "Cancelled", failed: "The response failed", incomplete: "The response is incomplete" };

const REASONS = {
  turn_detected: "because the caller spoke",
  client_cancelled: "by hand",
  max_output_tokens: "at its limit of tokens",
  content_filter: "by the content filter",
};

export class Turns {
  #turns = new Map();

  get size() {
    return this.#turns.size;
  }

  /** Turns that changed; one that stands where another stood before has taken its place. `anew` forgets the old ones. */
  take(changed, anew) {
    if (anew) this.#turns.clear();
    const taken = new Set(changed.map((turn) => turn.order));
    for (const [item, turn] of this.#turns) if (taken.has(turn.order)) this.#turns.delete(item);
    for (const turn of changed) this.#turns.set(turn.item_id, turn);
  }

  /** Lines for the bubbles, in the conversation's order; times count from `startedAt`. */
  lines(call, startedAt) {
    const ordered = [...this.#turns.values()].sort((one, other) => one.order - other.order);
    const [live, wordless] = [isLive(call), call.recording === "metadata"];
    return ordered.map((turn) => lineOf(turn, { live, wordless }, startedAt));
  }
}

function lineOf(turn, { live, wordless }, startedAt) {
  const waiting = !turn.text && live && !wordless && turn.transcription !== "failed" && turn.transcription !== "off";
  // `heard` is null when all of it was heard; it may also be empty: cut off before the first word.
  const cut = turn.heard !== null && turn.heard !== undefined;
  const text = cut ? turn.heard : turn.text;
  return {
    id: turn.item_id,
    role: turn.role,
    text: turn.text ? text : waiting ? "…" : wordless ? "Not recorded." : "No words were recorded.",
    unheard: cut ? turn.unheard : null,
    pending: turn.text || turn.tool ? false : waiting ? "transcribing" : "wordless",
    note: remarkOf(turn, cut && turn.unheard),
    time: turn.started_at === null ? "" : offset(instant(turn.started_at) - startedAt),
    gap: turn.response_gap_ms,
    tool: turn.tool ?? null,
  };
}

function remarkOf(turn, unheard) {
  const remarks = [
    outcomeOf(turn, unheard),
    unheard ? "what is struck through was not heard" : null,
    turn.transcription === "failed" ? "Transcription failed" : null,
    turn.transcription === "off" ? "Transcription is off" : null,
    turn.modality === "text" && !turn.tool ? "in writing" : null,
    turn.error,
  ];
  return remarks.filter(Boolean).join(" · ");
}

function outcomeOf({ tool, interrupted, status, reason }, unheard) {
  // A tool's card says its own status.
  if (tool) return null;
  if (interrupted) return "Interrupted";
  if (STATUSES[status]) return [STATUSES[status], REASONS[reason] ?? reason].filter(Boolean).join(" ");
  return unheard ? "Cut off" : null;
}
