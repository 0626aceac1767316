/**
 * The page one talks on: it turns clicks into what a call is asked to do, and what a call tells into words, levels
 * and bubbles. What a call is stands in realtime_call.js; what is shown of its state in desk.js.
 */

import { hangUp, readCall } from "./api.js";
import { watchReadiness } from "./banner.js";
import { Bubbles } from "./bubbles.js";
import { Desk } from "./desk.js";
import { DeviceChoice } from "./device_choice.js";
import { canChooseLoudspeaker, Devices, LOUDSPEAKERS, MICROPHONES } from "./devices.js";
import { byId, write } from "./element.js";
import { FirstSound } from "./first_sound.js";
import { Ear } from "./level.js";
import { recall, remember } from "./memory.js";
import { Meter } from "./meter.js";
import { askForMicrophone, askForMicrophoneOrDefault } from "./microphone.js";
import { straightToUpstream, throughSwitchboard } from "./negotiation.js";
import { endPhrase, isLive } from "./phrases.js";
import { PushButton } from "./push_button.js";
import { RealtimeCall } from "./realtime_call.js";
import { Reports } from "./reports.js";
import { FINAL, LISTENING, Transcript, WORDLESS } from "./transcript.js";

// How long the observer may need to write down why the other side closed the line.
const END_KNOWN_WITHIN_MS = 5_000;
const END_ASKED_EVERY_MS = 500;

const asked = new URLSearchParams(location.search);
const profile = asked.get("profile");
const straight = asked.get("via") === "token";
const ear = new Ear();
const desk = new Desk();
const devices = new Devices();
const microphoneMeter = new Meter(byId("microphone-level"));
const modelMeter = new Meter(byId("model-level"));
const bubbles = new Bubbles(byId("transcript"), { user: "You" });
const push = new PushButton(byId("push"), { pressed: press, released: letGo });

let call = null;
let microphone = null;
let transcript = new Transcript();
let eventTypes = new Set();
let firstSound = null;
// What the caller agreed to on this page: {version, at}, once a profile has asked for it.
let consent = null;
let lastManner = null;

// ---- what the person does

byId("start").addEventListener("click", () => begin(byId("mode").value));

byId("start-text").addEventListener("click", () => begin("text-only"));

byId("agree").addEventListener("click", () => {
  consent = { version: byId("consent-version").textContent, at: new Date().toISOString() };
  begin(lastManner);
});

byId("hang-up").addEventListener("click", () => call?.hangUp());

byId("mute").addEventListener("click", () => microphone && call.mute(!microphone.muted));

byId("mode").addEventListener("change", ({ target }) => remember("mode", target.value));

byId("say-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("say").value.trim();
  if (!text || !call?.isOnTheLine) return;
  call.say(text);
  byId("say").value = "";
});

// Leaving the page is a way of hanging up. `pagehide` comes also where `beforeunload` does not: on phones.
window.addEventListener("pagehide", () => call?.hangUp("pagehide"));

function press() {
  call?.press();
  desk.remind();
}

function letGo() {
  if (call?.release() === false) desk.hint("That was too short. Hold the button or the space bar for as long as you speak.");
}

async function changeMicrophone(id) {
  // Also while the call is being set up: nobody presses twice.
  if (!microphone) return;
  try {
    await call.changeMicrophone(() => askForMicrophone(id));
    desk.showProblem(null);
  } catch (problem) {
    desk.showProblem(problem);
  }
}

function changeLoudspeaker(id) {
  byId("model-voice")
    .setSinkId(id ?? "")
    .catch(() => desk.showProblem({ code: "loudspeaker_failed" }));
}

// ---- the call and what it tells

function begin(manner) {
  // The second click of a double click finds a call that has begun, or the button gone.
  if (call && !call.ended) return;
  lastManner = manner;
  ear.wake();
  clear(manner);
  call = placeCall(manner);
  call.start();
  // The button that had the focus is gone now; from here the next stop of Tab is what can be done.
  byId("state").focus();
}

function placeCall(manner) {
  const placed = new RealtimeCall({
    negotiate: straight ? straightToUpstream(profile) : throughSwitchboard(profile, consent),
    askForMicrophone: manner === "text-only" ? null : () => askForMicrophoneOrDefault(devices.chosen(MICROPHONES)?.id),
    pushToTalk: manner === "push-to-talk",
  });
  const reports = new Reports(placed);
  const told = (type, act) => placed.addEventListener(type, ({ detail }) => act(detail));
  told("state", ({ state }) => desk.show(state));
  told("microphone", (detail) => hearMicrophone(detail.microphone));
  told("identified", ({ id }) => desk.showLogLink(id));
  told("sound", ({ stream }) => hearModel(stream, reports));
  told("heard", ({ event }) => hear(event, placed.reply));
  told("muted", ({ muted }) => desk.showMute(muted));
  told("cut", () => showInterruption());
  told("open", () => manner === "text-only" && byId("say").focus());
  told("ended", finish);
  // A new call may have begun meanwhile; what its box says is not ours to change.
  told("settled", ({ reason }) => call === placed && reason === "connection_lost" && desk.showProblem({ code: "lost_call_over" }));
  return placed;
}

function clear(manner) {
  transcript = new Transcript();
  eventTypes = new Set();
  byId("transcript").dataset.eventTypes = "";
  showTranscript();
  desk.clear(manner);
  microphoneMeter.reset();
  modelMeter.reset();
}

function hearMicrophone(held) {
  microphone = held;
  held.addEventListener("lost", () => desk.showProblem({ code: "microphone_lost" }));
  microphoneMeter.follow(ear.listen(held.stream));
  // Only now do browsers tell the names of what is plugged in.
  devices.look();
}

function hearModel(stream, reports) {
  const voice = byId("model-voice");
  voice.srcObject = stream;
  // One that is not there leaves the sound with the system's own; the list of devices says so.
  if (devices.chosen(LOUDSPEAKERS)) voice.setSinkId?.(devices.chosen(LOUDSPEAKERS).id).catch(() => {});
  voice.play().catch((error) => {
    // A hang-up takes the stream away under a play() that has not begun: no problem of anybody's.
    if (error.name === "NotAllowedError") desk.showProblem({ code: "sound_blocked" });
  });
  modelMeter.follow(ear.listen(stream));
  firstSound = new FirstSound(ear.listen(stream), (at) => reports.noteFirstAudio(at));
}

function hear(event, reply) {
  eventTypes.add(event.type);
  byId("transcript").dataset.eventTypes = [...eventTypes].sort().join(" ");
  if (event.type === "input_audio_buffer.speech_started" && reply.audible) transcript.interrupt();
  if (transcript.hear(event)) showTranscript();
}

function showInterruption() {
  transcript.interrupt();
  showTranscript();
}

function finish({ by, problem }) {
  push.release();
  firstSound?.stop();
  microphoneMeter.rest();
  modelMeter.rest();
  byId("model-voice").srcObject = null;
  microphone = null;
  transcript.close();
  showTranscript();
  if (problem?.consentVersion) return askForConsent(problem.consentVersion);
  if (problem) desk.showFailure(problem);
  if (by === "other_side") explainEnd(call);
  byId("start").focus();
}

/** The server names the statement that it wants agreed to; nothing was dialled yet. */
function askForConsent(version) {
  desk.askForConsent(version);
  byId("agree").focus();
}

/** The other side closed the line: ask the call log why, and see to it that the call is really over. */
async function explainEnd(ended) {
  desk.hint("The other side closed the line.");
  const record = ended.id && (await endOf(ended.id));
  if (record && isLive(record)) hangUp(ended.id, "caller").catch(() => {});
  // A new call may have begun meanwhile; its hint is not ours to write.
  if (call === ended && record && endPhrase(record)) desk.hint(`${endPhrase(record)}.`);
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

// ---- the words

function showTranscript() {
  const lines = transcript.lines;
  byId("blank").hidden = lines.length > 0;
  bubbles.show(lines.map(lineShown));
}

function lineShown({ id, role, text, stage, interrupted }) {
  return {
    id,
    role,
    text: text || (stage === WORDLESS ? "No words were transcribed." : "…"),
    pending: stage !== FINAL && stage,
    note: interrupted ? "interrupted" : stage === LISTENING ? "speaking" : "",
  };
}

// ---- the page as it opens

function showAddress() {
  write(byId("profile"), profile ? `Profile: ${profile}` : "");
  byId("not-recorded").hidden = !straight;
  const through = new URLSearchParams(asked);
  through.delete("via");
  byId("recorded-way").href = through.size ? `/?${through}` : "/";
}

byId("mode").value = recall("mode") === "push-to-talk" ? "push-to-talk" : "hands-free";
new DeviceChoice(devices, MICROPHONES, "microphone", changeMicrophone);
byId("loudspeaker-row").hidden = !canChooseLoudspeaker;
if (canChooseLoudspeaker) new DeviceChoice(devices, LOUDSPEAKERS, "loudspeaker", changeLoudspeaker);
devices.look();
showAddress();
watchReadiness();
