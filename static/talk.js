/**
 * The page one talks on: it turns clicks into what a call is asked to do, and what a call tells into words, levels
 * and bubbles. What a call is stands in realtime_call.js.
 */

import { hangUp, readCall } from "./api.js";
import { watchReadiness } from "./banner.js";
import { Bubbles } from "./bubbles.js";
import { byId, element, mark, prose, write } from "./element.js";
import { Ear } from "./level.js";
import { Meter } from "./meter.js";
import { askForMicrophone } from "./microphone.js";
import { endPhrase, isLive } from "./phrases.js";
import { explain } from "./problems.js";
import { RealtimeCall } from "./realtime_call.js";
import { clockTime } from "./time.js";
import { FINAL, LISTENING, Transcript, WORDLESS } from "./transcript.js";

const TIMER_EVERY_MS = 250;
// How long the observer may need to write down why the other side closed the line.
const END_KNOWN_WITHIN_MS = 5_000;
const END_ASKED_EVERY_MS = 500;

const STATES = {
  ready: "Ready",
  asking: "Asking for the microphone…",
  connecting: "Connecting…",
  on_the_line: "On the line",
  weak: "The line is weak…",
  ended: "Ended",
  failed: "Not connected",
};

const HINTS = {
  ready: "Press Start and talk. The browser asks for your microphone first.",
  asking: "Your browser asks whether this page may use the microphone.",
  connecting: "The call is being set up.",
  on_the_line: "Just talk. You may interrupt at any time.",
  weak: "The network is interrupted; waiting for it to come back.",
  ended: "You hung up.",
  failed: "",
};

const profile = new URLSearchParams(location.search).get("profile");
const ear = new Ear();
const microphoneMeter = new Meter(byId("microphone-level"));
const modelMeter = new Meter(byId("model-level"));
const bubbles = new Bubbles(byId("transcript"), { user: "You" });

let call = null;
let microphone = null;
let transcript = new Transcript();
let startedAt = null;
let clock = null;

// ---- what the person does

byId("start").addEventListener("click", () => {
  // The second click of a double click finds a call that has begun, or the button gone.
  if (call && !call.ended) return;
  begin();
});

byId("hang-up").addEventListener("click", () => call?.hangUp());

byId("mute").addEventListener("click", () => {
  if (!microphone) return;
  microphone.mute(!microphone.muted);
  showMute(microphone.muted);
});

byId("say-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("say").value.trim();
  if (!text || !isOnTheLine()) return;
  call.say(text);
  byId("say").value = "";
});

// Leaving the page is a way of hanging up. `pagehide` comes also where `beforeunload` does not: on phones.
window.addEventListener("pagehide", () => call?.hangUp());

// ---- the call and what it tells

function begin() {
  ear.wake();
  clear();
  call = new RealtimeCall({ askForMicrophone, profile });
  const told = (type, act) => call.addEventListener(type, ({ detail }) => act(detail));
  told("state", ({ state }) => showState(state));
  told("microphone", (detail) => hearMicrophone(detail.microphone));
  told("identified", ({ id }) => showLogLink(id));
  told("sound", ({ stream }) => hearModel(stream));
  told("heard", ({ event }) => transcript.hear(event) && showTranscript());
  told("ended", finish);
  call.start();
  // The button that had the focus is gone now; from here the next stop of Tab is what can be done.
  byId("state").focus();
}

function clear() {
  transcript = new Transcript();
  startedAt = null;
  byId("timer").hidden = true;
  showTranscript();
  showProblem(null);
  showMute(false);
  byId("log-link").hidden = true;
  microphoneMeter.reset();
  modelMeter.reset();
}

function hearMicrophone(held) {
  microphone = held;
  microphone.addEventListener("lost", () => showProblem({ code: "microphone_lost" }));
  microphoneMeter.follow(ear.listen(microphone.stream));
}

function hearModel(stream) {
  const voice = byId("model-voice");
  voice.srcObject = stream;
  voice.play().catch((error) => {
    // A hang-up takes the stream away under a play() that has not begun: no problem of anybody's.
    if (error.name === "NotAllowedError") showProblem({ code: "sound_blocked" });
  });
  modelMeter.follow(ear.listen(stream));
}

function finish({ by, problem }) {
  microphoneMeter.rest();
  modelMeter.rest();
  byId("model-voice").srcObject = null;
  microphone = null;
  transcript.close();
  showTranscript();
  if (problem) showFailure(problem);
  if (by === "other_side") explainEnd(call);
  byId("start").focus();
}

/** The other side closed the line: ask the call log why, and see to it that the call is really over. */
async function explainEnd(ended) {
  write(byId("hint"), "The other side closed the line.");
  const record = ended.id && (await endOf(ended.id));
  if (record && isLive(record)) hangUp(ended.id, "caller").catch(() => {});
  // A new call may have begun meanwhile; its hint is not ours to write.
  if (call === ended && record && endPhrase(record)) write(byId("hint"), `${endPhrase(record)}.`);
}

async function endOf(id) {
  const deadline = Date.now() + END_KNOWN_WITHIN_MS;
  let record = null;
  while (Date.now() < deadline && (!record || isLive(record))) {
    record = await readCall(id).catch(() => record);
    if (!record || isLive(record)) await new Promise((resolve) => setTimeout(resolve, END_ASKED_EVERY_MS));
  }
  return record;
}

// ---- what is shown

function isOnTheLine() {
  return call?.state === "on_the_line" || call?.state === "weak";
}

function showState(state) {
  const idle = ["ready", "ended", "failed"].includes(state);
  if (state === "on_the_line" && startedAt === null) startTimer();
  if (idle) clearInterval(clock);
  write(byId("state"), STATES[state]);
  byId("state").dataset.state = state;
  byId("line-dot").dataset.state = state;
  write(byId("hint"), HINTS[state]);
  byId("start").hidden = !idle;
  write(byId("start"), state === "ready" ? "Start" : "Start again");
  byId("hang-up").hidden = idle;
  write(byId("hang-up"), isOnTheLine() ? "Hang up" : "Cancel");
  byId("mute").hidden = !isOnTheLine();
  byId("say").disabled = byId("say-send").disabled = !isOnTheLine();
}

function startTimer() {
  startedAt = Date.now();
  byId("timer").hidden = false;
  write(byId("timer"), clockTime(0));
  clock = setInterval(() => write(byId("timer"), clockTime(Date.now() - startedAt)), TIMER_EVERY_MS);
}

function showFailure(problem) {
  if (startedAt === null) showState("failed");
  else write(byId("hint"), "");
  showProblem(problem);
}

function showProblem(problem) {
  const box = byId("problem");
  box.hidden = problem === null;
  mark(box, "data-code", problem?.code);
  if (problem === null) return box.replaceChildren();
  const { cause, next, detail } = explain(problem);
  box.replaceChildren(
    element("strong", {}, cause),
    element("p", {}, ...prose(next)),
    detail ? element("p.quiet", {}, ...prose(detail)) : "",
  );
}

function showMute(muted) {
  mark(byId("mute"), "aria-pressed", muted ? "true" : "false");
  write(byId("mute"), muted ? "Unmute" : "Mute");
  write(byId("microphone-name"), muted ? "You, muted" : "You");
  mark(byId("microphone-level"), "data-muted", muted);
}

function showLogLink(id) {
  byId("log-link").href = `/call.html?id=${encodeURIComponent(id)}`;
  byId("log-link").hidden = false;
}

function showTranscript() {
  const lines = transcript.lines;
  byId("blank").hidden = lines.length > 0;
  bubbles.show(lines.map(lineShown));
}

function lineShown({ id, role, text, stage }) {
  return {
    id,
    role,
    text: text || (stage === WORDLESS ? "No words were transcribed." : "…"),
    pending: stage !== FINAL && stage,
    note: stage === LISTENING ? "speaking" : "",
  };
}

write(byId("profile"), profile ? `Profile: ${profile}` : "");
watchReadiness();
