/**
 * The server's HTTP surface, as plain functions. It knows addresses, bodies and the shape of a problem;
 * it touches no page and keeps nothing between two requests.
 */

const ANSWER_WITHIN_MS = 10_000;
// The server gives up on /connect after 10 s; a little longer lets its own sentence arrive.
const CONNECT_WITHIN_MS = 15_000;

/** The server said no, or did not say anything (then `status` is 0). `retryAfter` is in seconds, or null. */
export class ServerProblem extends Error {
  constructor({ code, status = 0, detail = "", retryAfter = null, requestId = null, consentVersion = null }) {
    super(detail || code);
    this.name = "ServerProblem";
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
    this.consentVersion = consentVersion;
  }
}

/** What the service says of itself: {status, reasons, upstream, emulator}, also when it is not ready (503). */
export async function readReadiness() {
  const response = await send("/readyz");
  const readiness = await readJson(response);
  if (typeof readiness?.status !== "string") throw problemOf(response, readiness);
  return readiness;
}

/**
 * Hand in an offer; back comes {id, answer}: our call's id and the answer's SDP. `consent` is {version, at}: what the
 * caller agreed to, and when.
 */
export async function connect(offer, profile = null, consent = null) {
  const form = new FormData();
  form.append("sdp", offer);
  if (profile) form.append("profile", profile);
  if (consent) form.append("consent", JSON.stringify(consent));
  const response = await ask("/connect", { method: "POST", body: form, within: CONNECT_WITHIN_MS });
  return { id: response.headers.get("X-Call-Id") ?? idIn(response.headers.get("Location")), answer: await response.text() };
}

/** A token for a call straight to the upstream: {token, expires_at, endpoint, calls_url, deployment, profile}. */
export function mintToken(profile = null) {
  return askForJson(`/token${query({ profile })}`);
}

/** Tell of a call what only its browser knows: flat facts of a kind. `keepalive` outlives the page. */
export function report(id, kind, facts, { keepalive = false } = {}) {
  return ask(`/calls/${encodeURIComponent(id)}/reports`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/problem+json" },
    body: JSON.stringify({ kind, ...facts }),
    keepalive,
  });
}

/** One page of calls, newest first: {calls, next_cursor}. */
export function listCalls(filters) {
  return askForJson(callsAddress(filters));
}

/** One call's facts and the turns that changed after `after`. */
export function readCall(id, after = 0) {
  return askForJson(`/calls/${encodeURIComponent(id)}${query({ after })}`);
}

/** One call's events after `after`: {events, next_after, state}. */
export function readEvents(id, after = 0, limit = 500) {
  return askForJson(eventsAddress(id, { after, limit }));
}

/** Where a call's transcript stands as "text", "vtt" or "json". */
export function transcriptAddress(id, format) {
  return `/calls/${encodeURIComponent(id)}/transcript${query({ format })}`;
}

/** Where a call's events stand, all of them with the format "ndjson". */
export function eventsAddress(id, parameters) {
  return `/calls/${encodeURIComponent(id)}/events${query(parameters)}`;
}

/** Where a list of calls stands; with the format "csv" it is the whole list, as a file. */
export function callsAddress(filters) {
  return `/calls${query(filters)}`;
}

/**
 * Wish a call's end, as its "caller" or as "operator".
 * `keepalive` lets the request outlive the page that sends it.
 */
export function hangUp(id, role) {
  return ask(`/calls/${encodeURIComponent(id)}${query({ role })}`, { method: "DELETE", keepalive: true });
}

async function askForJson(address) {
  const response = await ask(address);
  const body = await readJson(response);
  if (body === null) throw new ServerProblem({ code: "garbled", status: response.status });
  return body;
}

async function ask(address, options = {}) {
  const response = await send(address, options);
  if (!response.ok) throw problemOf(response, await readJson(response));
  return response;
}

async function send(address, { within = ANSWER_WITHIN_MS, ...options } = {}) {
  try {
    return await fetch(address, {
      cache: "no-store",
      headers: { Accept: "application/json, application/sdp, application/problem+json" },
      ...options,
      signal: AbortSignal.timeout(within),
    });
  } catch (error) {
    throw new ServerProblem({ code: error.name === "TimeoutError" ? "server_slow" : "server_away" });
  }
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

function problemOf(response, body) {
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ServerProblem({
    code: body?.code ?? `http_${response.status}`,
    status: response.status,
    detail: body?.detail ?? "",
    retryAfter: Number.isNaN(seconds) ? null : seconds,
    requestId: body?.request_id ?? null,
    consentVersion: body?.consent_version ?? null,
  });
}

function idIn(location) {
  return location?.split("/").pop() || null;
}

function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
