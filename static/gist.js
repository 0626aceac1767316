/**
 * What a line of the log says, in a few words, where its type does not tell: what was sent for an operator or a tool,
 * what became of a command, what a watch noticed. No page, no network.
 */

// `say` asks for a response with these instructions; what is to be said comes after a blank line (realtime/acts.py).
const SAY = "Say exactly the following to the caller,";
const SENT_FOR = new Set(["operator", "tool", "observer"]);

/** One line for an event as the API gives it, or null. */
export function gistOf({ source, type, event }) {
  if (!event) return null;
  if (type === "observer.command") return [COMMAND_STATES[event.state] ?? event.state, codePhrase(event.code)].filter(Boolean).join(": ");
  if (ALARMS[type]) return factsOf(event);
  if (!SENT_FOR.has(source)) return null;
  const [what, words] = sentPhrase(type, event);
  return words ? `${what}: “${words.trim()}”` : what;
}

/** The words of a command, as its line in the log tells them; null where it has none. */
export function wordsOf({ type, event }) {
  return event ? (sentPhrase(type, event)[1]?.trim() ?? null) : null;
}

/** The name of an alarm by its event's type. */
export const ALARMS = {
  "observer.tamper": "The session was tampered with",
  "observer.guardrail": "A guardrail took notice",
};

/** A command's states as people say them. */
export const COMMAND_STATES = {
  queued: "Waiting",
  sent: "Sent",
  confirmed: "Confirmed",
  refused: "Refused",
  expired: "Too late",
  unknown: "Unknown",
};

const CODES = {
  call_ended: "the call was over",
  nothing_to_do: "nothing was to be done",
  not_delivered: "it could not be delivered",
  not_taken: "the line broke",
  stopped_meanwhile: "its observer was stopped meanwhile",
};

/** Why a command was refused, or what else is to be said of it. */
export function codePhrase(code) {
  return code ? (CODES[code] ?? code.replaceAll("_", " ")) : null;
}

/** All that a note says, "name value · name value"; notes hold words of machines and numbers only. */
export function factsOf(event) {
  const told = Object.entries(event).filter(([name, value]) => name !== "type" && value !== null && typeof value !== "object");
  return told.map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(" · ");
}

/** [what it is, the words in it or undefined] */
function sentPhrase(type, { response, item, session }) {
  if (type === "response.create") return responsePhrase(response?.instructions);
  if (type === "conversation.item.create") return itemPhrase(item ?? {});
  if (type === "session.update") return sessionPhrase(session ?? {});
  return [null];
}

function responsePhrase(instructions) {
  if (!instructions?.startsWith(SAY)) return ["Respond", instructions];
  return ["Say", instructions.slice(instructions.indexOf("\n\n") + 2)];
}

function itemPhrase({ type, role, content, output }) {
  if (type === "function_call_output") return ["Output", output];
  const words = content?.map((part) => part.text ?? part.transcript ?? "").join(" ");
  return [role === "system" ? "Whisper" : `As ${role}`, words];
}

function sessionPhrase({ instructions, audio }) {
  if (instructions !== undefined) return ["Instructions", instructions];
  const answers = audio?.input?.turn_detection?.create_response;
  if (answers !== undefined) return [answers ? "Unmute" : "Mute"];
  return ["Session"];
}
