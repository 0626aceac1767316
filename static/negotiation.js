/**
 * The two ways from an offer to an answer. Through Switchboard, which stays on the line; or with a token straight to
 * the upstream, where nobody of ours listens. Both give `negotiate(offer) → {id, answer}`; the second knows no id.
 */

import { connect, mintToken, ServerProblem } from "./api.js";

const ANSWER_WITHIN_MS = 15_000;

export function throughSwitchboard(profile, consent = null) {
  return (offer) => connect(offer, profile, consent);
}

export function straightToUpstream(profile) {
  return async (offer) => {
    const { token, calls_url: address } = await mintToken(profile);
    return { id: null, answer: await post(address, token, offer) };
  };
}

/** The one form that Azure takes: the raw offer, with the ephemeral token as the bearer. */
async function post(address, token, offer) {
  const response = await send(address, token, offer);
  if (!response.ok) throw new ServerProblem({ code: codeOf(response.status), status: response.status });
  return response.text();
}

async function send(address, token, offer) {
  try {
    return await fetch(address, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" },
      body: offer,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
  } catch (error) {
    throw new ServerProblem({ code: error.name === "TimeoutError" ? "upstream_timeout" : "upstream_out_of_reach" });
  }
}

function codeOf(status) {
  if (status === 401 || status === 403) return "token_refused";
  if (status === 429 || status === 503) return "upstream_busy";
  return status >= 500 ? "upstream_failed" : "offer_rejected";
}
