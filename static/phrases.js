/** The call log's words as people say them: states, ends, certainty, response gaps, tokens. No page, no network. */

import { causeOf } from "./problems.js";

export const STATES = {
  dialling: "Dialling",
  answered: "Answered",
  observed: "Live",
  unobserved: "Unobserved",
  ended: "Ended",
  failed: "Failed",
};

const LIVE = new Set(["dialling", "answered", "observed", "unobserved"]);

export const ENDS = {
  caller_hung_up: "The caller hung up",
  operator_hung_up: "An operator hung up",
  policy_duration: "The longest duration was reached",
  policy_idle: "Nobody spoke for too long",
  policy_spend: "The spending limit was reached",
  policy_turns: "The limit of turns was reached",
  policy_tamper: "The session was tampered with",
  policy_guardrail: "A guardrail ended it",
  not_observed: "It could not be observed",
  upstream_session_limit: "The upstream's session limit was reached",
  upstream_error: "The upstream reported an error",
  upstream_closed: "The upstream closed the call",
  never_connected: "The browser never connected",
  abandoned: "The caller left before the answer",
  unknown: "Not known",
};

export const CERTAINTIES = {
  stated: ["stated", "Somebody who knows said so: the upstream, the caller or an operator."],
  probed: ["probed", "We asked the upstream, and it no longer knew the call."],
  inferred: ["inferred", "Nobody said so; it follows from what was seen."],
};

export function isLive(call) {
  return LIVE.has(call.state);
}

export function stateWord(state) {
  return STATES[state] ?? state;
}

/** Why a call is over, in words; null while it is not. */
export function endPhrase(call) {
  if (call.end) return ENDS[call.end.reason] ?? call.end.reason;
  if (call.failure) return causeOf(call.failure.code).replace(/\.$/, "");
  return null;
}

/** How a call's record came to be erased, in words. */
export function erasurePhrase({ erased }) {
  if (erased.by === "retention") return "Erased when its days were over";
  return erased.by ? `Erased, as ${erased.by} wished` : "Erased";
}

// Two people who talk leave about 200 ms; from 800 ms on a pause is noticed, from 1.5 s on it disturbs.
const QUICK_MS = 800;
const NOTICEABLE_MS = 1_500;

/** A response gap, as {grade, text}: the grade is a word too, so that colour never stands alone. */
export function gapPhrase(milliseconds) {
  const text = `${count(Math.round(milliseconds))} ms`;
  if (milliseconds < QUICK_MS) return { grade: "quick", text };
  if (milliseconds < NOTICEABLE_MS) return { grade: "noticeable", text };
  return { grade: "slow", text };
}

/** 12345 → "12,345" */
export function count(number) {
  return Number(number).toLocaleString("en");
}

/** 532 → "532 B", 2048 → "2.0 KB" */
export function size(bytes) {
  return bytes < 1_000 ? `${bytes} B` : `${(bytes / 1_000).toFixed(1)} KB`;
}
