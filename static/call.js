/**
 * One call, live and afterwards: facts, numbers, what was said, and every event. It follows the call log with two
 * cursors, one for the turns and one for the events, and folds nothing itself.
 */

import { eventsAddress, hangUp, readCall, readEvents, transcriptAddress } from "./api.js";
import { watchReadiness } from "./banner.js";
import { Bubbles } from "./bubbles.js";
import { Turns } from "./conversation.js";
import { byId, write } from "./element.js";
import { EventList } from "./event_list.js";
import { showFacts } from "./facts.js";
import { NetworkLane } from "./network_lane.js";
import { showNumbers } from "./numbers.js";
import { CERTAINTIES, count, endPhrase, erasurePhrase, isLive, stateWord } from "./phrases.js";
import { LIVE_MS, Poll } from "./poll.js";
import { explain } from "./problems.js";
import { clockTime, instant, moment } from "./time.js";

const EVENTS_AT_ONCE = 500;
const TICK_MS = 1_000;
// After the end the observer still writes its last lines and the summary; then the log stands for ever.
const SETTLING_MS = 1_500;

const id = new URLSearchParams(location.search).get("id") ?? "";
const bubbles = new Bubbles(byId("conversation"));
const events = new EventList(byId("events"));
const network = new NetworkLane(byId("network"));
const poll = new Poll(look, stumble);

let call = null;
const turns = new Turns();
let turnsUntil = 0;
let eventsUntil = 0;
let gaps = 0;
let endSeenAt = null;
let settled = false;
let following = false;

// ---- following the log

async function look() {
  call = await readCall(id, turnsUntil);
  turns.take(call.turns, settled || call.erased);
  turnsUntil = call.last_seq;
  show();
  if (call.erased) return bury();
  const more = await followEvents();
  if (more) return 0;
  if (isLive(call)) return LIVE_MS;
  return settle();
}

/** A little longer after the end, then never again; the last look reads all turns anew, from the finished log. */
function settle() {
  endSeenAt ??= Date.now();
  if (settled) return null;
  settled = Date.now() - endSeenAt >= SETTLING_MS;
  if (settled) turnsUntil = 0;
  return LIVE_MS;
}

/** Nothing that was recorded stays on the page of an erased call; the facts and the numbers do. */
function bury() {
  events.clear();
  write(byId("conversation-blank"), "What was said in this call was erased.");
  write(byId("events-blank"), "The events were erased.");
  for (const part of ["twins", "network"]) byId(part).hidden = true;
  write(byId("events-shown"), "");
  byId("events-blank").hidden = false;
  write(byId("erased"), `${erasurePhrase(call)} (${moment(instant(call.erased.at))}).`);
  byId("erased").hidden = false;
  return call.erased.complete ? null : LIVE_MS;
}

/** One page of events; true when there are more to fetch. */
async function followEvents() {
  events.countFrom(startOf(call));
  const page = await readEvents(id, eventsUntil, EVENTS_AT_ONCE);
  // `next_after` may be null on an empty page: the cursor then stays where it is.
  eventsUntil = page.next_after ?? eventsUntil;
  gaps += page.events.filter((event) => event.type === "observer.gap").length;
  events.add(page.events, following);
  network.take(page.events, startOf(call));
  showEventsShown();
  return page.events.length === EVENTS_AT_ONCE;
}

function stumble(problem, wait) {
  if (problem.status === 404 || problem.status === 400) return miss();
  showTrouble(problem, ` Trying again in ${Math.round(wait / 1_000)} s.`);
  return "go on";
}

function showTrouble(problem, next = "") {
  const { cause, detail } = explain(problem);
  write(byId("trouble"), `${detail || cause}${next}`);
  byId("trouble").hidden = false;
}

function miss() {
  byId("call").hidden = true;
  byId("missing").hidden = false;
  document.title = "No such call · Switchboard";
  write(
    byId("missing-text"),
    id ? `There is no call ${id}, or it is not yours to see.` : "The address names no call. Pick one from the list.",
  );
  return "stop";
}

// ---- showing

function show() {
  byId("trouble").hidden = true;
  byId("call").setAttribute("aria-busy", "false");
  showHeadline();
  showFacts(call, gaps);
  byId("numbers").hidden = call.recording === "off";
  showNumbers(call, turns.size);
  showConversation();
}

function showHeadline() {
  const live = isLive(call);
  const started = moment(instant(call.created_at));
  write(byId("state"), stateWord(call.state));
  byId("badge").dataset.state = call.state;
  for (const part of [byId("badge"), byId("badge").firstChild]) part.toggleAttribute("data-live", live);
  write(byId("started"), started);
  document.title = `${live ? "● " : ""}Call ${started} · Switchboard`;
  byId("hang-up").hidden = !live;
  showDuration();
  showEnding();
}

function showDuration() {
  const from = call && instant(call.answered_at);
  if (from) write(byId("duration"), clockTime((instant(call.ended_at) ?? Date.now()) - from));
}

function showEnding() {
  const ending = endPhrase(call);
  byId("ending").hidden = ending === null;
  write(byId("end-reason"), ending ?? "");
  byId("end-reason").dataset.reason = call.end?.reason ?? call.failure?.code ?? "";
  const [word, meaning] = CERTAINTIES[call.end?.certainty] ?? ["", ""];
  write(byId("end-certainty"), word);
  byId("end-certainty").title = meaning;
  const wish = isLive(call) ? call.hang_up : null;
  byId("wish").hidden = !wish;
  if (wish) write(byId("wish"), `Hanging up, as ${wish.by} wished at ${moment(instant(wish.wished_at))}.`);
}

function showConversation() {
  byId("wordless").hidden = call.recording !== "metadata";
  byId("conversation-blank").hidden = turns.size > 0;
  if (call.recording === "off") write(byId("conversation-blank"), "This call is not recorded.");
  else if (!isLive(call)) write(byId("conversation-blank"), "Nothing was said in this call.");
  // A live call is followed; one that is over is read from its beginning.
  following ||= isLive(call);
  bubbles.show(turns.lines(call, startOf(call)), following);
}

function showEventsShown() {
  const { matching, left } = events;
  byId("events-blank").hidden = matching > 0;
  write(byId("events-blank"), events.filtered ? "No event matches." : "No event yet.");
  const shown = [events.filtered ? `${count(matching)} match` : null, left ? `the newest ${count(events.length)}` : null];
  write(byId("events-shown"), shown.filter(Boolean).join(" of "));
}

function startOf({ answered_at: answered, created_at: created }) {
  return instant(answered) ?? instant(created);
}

// ---- what the person does

byId("hang-up").addEventListener("click", async () => {
  byId("hang-up").disabled = true;
  write(byId("hang-up"), "Hanging up…");
  try {
    await hangUp(id, "operator");
  } catch (problem) {
    showTrouble(problem);
    byId("hang-up").disabled = false;
    write(byId("hang-up"), "Hang up");
  }
  poll.hurry();
});

byId("announce").addEventListener("change", ({ target }) => {
  byId("conversation").setAttribute("aria-live", target.checked ? "polite" : "off");
});
byId("deltas").addEventListener("change", ({ target }) => events.showDeltas(target.checked));
byId("event-filter").addEventListener("input", ({ target }) => {
  events.filter(target.value);
  showEventsShown();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select")) return;
  event.preventDefault();
  byId("event-filter").focus();
});

for (const format of ["text", "vtt", "json"]) byId(`transcript-${format}`).href = transcriptAddress(id, format);
byId("ndjson").href = eventsAddress(id, { format: "ndjson" });
setInterval(() => call && isLive(call) && showDuration(), TICK_MS);
watchReadiness(({ emulator }) => (byId("emulator").hidden = !emulator));
poll.start();
