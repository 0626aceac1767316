/**
 * The list of calls: live ones on top, then newest first. It asks for the first page again and again, keeps the older
 * pages that were asked for, and has its filters in the address, so that what is seen can be sent to somebody.
 */

import { callsAddress, listCalls } from "./api.js";
import { watchReadiness } from "./banner.js";
import { costBasis, costPhrase } from "./cost.js";
import { byId, element, write } from "./element.js";
import { count, endPhrase, ENDS, isLive, STATES, stateWord } from "./phrases.js";
import { Poll } from "./poll.js";
import { explain } from "./problems.js";
import { ago, clockTime, instant, moment } from "./time.js";

const PAGE = 50;
const LIVE_LIST_MS = 1_000;
const QUIET_LIST_MS = 3_000;
const TICK_MS = 1_000;

const filters = new URLSearchParams(location.search);
const rows = new Map();
let calls = new Map();
let cursor = null;
let pagedBack = false;
let updatedAt = null;
// Grows with every change of the filters: an answer to an older question is not shown.
let question = 0;

const poll = new Poll(look, away);

// ---- asking

async function look() {
  const asked = question;
  const page = await listCalls({ ...wanted(), limit: PAGE });
  const pinned = page.next_cursor && !filters.get("state") ? await listCalls({ ...wanted(), state: "observed", limit: PAGE }) : null;
  if (asked !== question) return 0;
  const found = [...page.calls, ...(pinned?.calls ?? [])];
  forget(new Set(found.map((call) => call.id)));
  take(found);
  if (!pagedBack) cursor = page.next_cursor;
  updatedAt = Date.now();
  show();
  return [...calls.values()].some(isLive) ? LIVE_LIST_MS : QUIET_LIST_MS;
}

async function lookBack() {
  byId("older").disabled = true;
  const asked = question;
  try {
    const page = await listCalls({ ...wanted(), limit: PAGE, cursor });
    if (asked !== question) return;
    take(page.calls);
    pagedBack = true;
    cursor = page.next_cursor;
    show();
  } catch (problem) {
    showTrouble(problem);
  } finally {
    byId("older").disabled = false;
  }
}

function wanted() {
  return Object.fromEntries(["state", "end_reason", "profile", "caller"].map((name) => [name, filters.get(name)]));
}

function take(found) {
  for (const call of found) calls.set(call.id, call);
}

/** What a look does not bring any more: keep the older pages, but nothing that only looks live. */
function forget(seen) {
  for (const [id, call] of calls) if (!seen.has(id) && (!pagedBack || isLive(call))) calls.delete(id);
}

function away(problem, wait) {
  showTrouble(problem, wait);
}

function ask() {
  question += 1;
  byId("csv").href = callsAddress({ ...wanted(), format: "csv" });
  calls = new Map();
  cursor = null;
  pagedBack = false;
  poll.hurry();
}

// ---- showing

function show() {
  byId("trouble").hidden = true;
  const ordered = [...calls.values()].sort(liveFirst);
  drawRows(ordered);
  byId("list").hidden = ordered.length === 0;
  byId("older").hidden = cursor === null;
  showEmpty(ordered.length === 0);
  tick();
}

function liveFirst(one, other) {
  if (isLive(one) !== isLive(other)) return isLive(one) ? -1 : 1;
  return instant(other.created_at) - instant(one.created_at);
}

function drawRows(ordered) {
  const body = byId("rows");
  for (const skeleton of body.querySelectorAll(".skeleton")) skeleton.remove();
  for (const [id, row] of rows) {
    if (calls.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  ordered.forEach((call, place) => {
    const row = drawn(call);
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
  });
}

function drawn(call) {
  if (!rows.has(call.id)) rows.set(call.id, blank(call));
  const row = rows.get(call.id);
  row.dataset.state = call.state;
  row.toggleAttribute("data-live", isLive(call));
  const part = (name) => row.querySelector(`.${name}`);
  drawBadge(part("badge"), call);
  write(part("duration"), durationOf(call));
  write(part("reason"), [endPhrase(call), call.erased ? "erased" : null].filter(Boolean).join(" · "));
  write(part("certainty"), call.end?.certainty ?? "");
  const { summary } = call;
  write(part("turns"), summary ? count(summary.turns) : "–");
  write(part("response-gap"), summary?.response_gap_ms ? `${count(summary.response_gap_ms.p50)} ms` : "–");
  write(part("tokens"), summary?.usage ? count(summary.usage.total_tokens) : "–");
  write(part("cost"), costPhrase(summary?.cost));
  const { basis, date } = costBasis(summary?.cost);
  part("cost").title = [basis, date].filter(Boolean).join(" ");
  return row;
}

function blank(call) {
  const cell = (label, name, ...children) => element(`td.${name}`, { "data-label": label }, ...children);
  const link = element("a", { href: `/call.html?id=${encodeURIComponent(call.id)}` }, moment(instant(call.created_at)));
  return element(
    "tr",
    { "data-call": call.id },
    cell("Start", "start", link),
    cell("State", "state", element("span.badge", {}, element("span.dot", { "aria-hidden": "true" }), element("span.word"))),
    cell("Duration", "duration.number"),
    cell("Profile", "profile", element("span", {}, call.profile), element("span.quiet.model", {}, call.model)),
    cell("End", "end", element("span.reason"), " ", element("span.quiet.certainty")),
    cell("Turns", "turns.number"),
    cell("Gap p50", "response-gap.number"),
    cell("Tokens", "tokens.number"),
    cell("Cost", "cost.number"),
  );
}

function drawBadge(badge, call) {
  badge.dataset.state = call.state;
  for (const part of [badge, badge.firstChild]) part.toggleAttribute("data-live", isLive(call));
  write(badge.lastChild, stateWord(call.state));
}

function durationOf(call) {
  const from = instant(call.answered_at);
  if (from === null) return "–";
  return clockTime((instant(call.ended_at) ?? Date.now()) - from);
}

function showEmpty(empty) {
  byId("empty").hidden = !empty;
  if (!empty) return;
  const filtered = Object.values(wanted()).some(Boolean);
  write(byId("empty-title"), filtered ? "No call matches" : "No calls yet");
  write(
    byId("empty-text"),
    filtered ? "Nothing in the log fits these filters." : "Talk with the model for a moment; the call appears here while it lasts, with every word and event.",
  );
  write(byId("empty-step"), filtered ? "Show all calls" : "Make your first call");
  byId("empty-step").href = filtered ? "/calls.html" : "/";
}

function showTrouble(problem, wait = null) {
  const { cause, detail } = explain(problem);
  const soon = wait === null ? "" : ` Trying again in ${Math.round(wait / 1_000)} s.`;
  write(byId("trouble"), `${detail || cause}${soon}`);
  byId("trouble").hidden = false;
  tick();
}

function tick() {
  if (updatedAt !== null) write(byId("updated"), `updated ${ago(Date.now() - updatedAt)}`);
  for (const call of calls.values()) {
    if (isLive(call)) write(rows.get(call.id).querySelector(".duration"), durationOf(call));
  }
}

// ---- the filters and the address

function fillFilters() {
  const option = ([value, text]) => element("option", { value }, text);
  byId("state-filter").append(...Object.entries(STATES).map(option));
  byId("reasons").append(...Object.entries(ENDS).map(option));
  byId("state-filter").value = filters.get("state") ?? "";
  byId("reason-filter").value = filters.get("end_reason") ?? "";
}

function filter(event) {
  const { name, value } = event.target;
  if (value.trim()) filters.set(name, value.trim());
  else filters.delete(name);
  history.replaceState(null, "", filters.size ? `?${filters}` : location.pathname);
  ask();
}

fillFilters();
byId("csv").href = callsAddress({ ...wanted(), format: "csv" });
byId("filters").addEventListener("change", filter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("older").addEventListener("click", lookBack);
setInterval(tick, TICK_MS);
watchReadiness();
poll.start();
