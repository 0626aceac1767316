/**
 * What to tell a person when something failed: the cause in a few words, and the next step. It knows codes,
 * not pages. For a code that it does not know it passes the server's own sentence on, which is written for people too.
 */

const MICROPHONE = {
  permission_denied: [
    "The microphone is blocked for this page.",
    "Allow it beside the address (the lock or microphone sign), then start again.",
  ],
  no_microphone: ["No microphone was found.", "Plug one in, or switch it on in the system's sound settings, then start again."],
  insecure_context: [
    "This address may not use the microphone.",
    "Browsers allow it only over https:// or on localhost. Open the page there.",
  ],
  microphone_busy: ["The microphone is in use by another program.", "Close the program that holds it, then start again."],
  microphone_failed: ["The microphone could not be opened.", "Unplug it and plug it in again, or choose another one in the browser, then start again."],
};

const LINE = {
  ice_failed: [
    "The call was accepted, but no sound could travel.",
    "A firewall may block UDP and TCP port 3478. Try another network, without a VPN, or ask who runs this one.",
  ],
  connection_lost: ["The connection was lost.", "Check the network, then start again."],
  lost_call_over: [
    "The connection was lost, and the call is over.",
    "What was said until then is in the call's log. Start again; if it breaks again, check the network.",
  ],
  answer_unusable: ["This browser could not use the answer it got.", "Try a current Chrome, Edge, Firefox or Safari."],
  browser_failed: ["The browser could not set up a call.", "WebRTC may be switched off. Try a current Chrome, Edge, Firefox or Safari."],
  sound_blocked: ["The browser keeps the model's voice silent.", "Allow this page to play sound, then start again."],
  microphone_lost: ["The microphone went away.", "The call goes on and you can type. To speak, choose another microphone below."],
  loudspeaker_failed: ["That loudspeaker could not be used.", "The sound stays where it was. Choose another one, or the system's default."],
};

const SERVER = {
  server_away: ["The server does not answer.", "Check that it runs and that you are online, then start again."],
  server_slow: ["The server took too long.", "Start again {soon}."],
  no_observer: ["Nobody is there to record the call.", "An observer has to run beside the web server: `python -m observer`."],
  not_observed: ["The call could not be recorded from its start, so it was not opened.", "Start again {soon}."],
  consent_required: ["This profile asks for your consent.", "Read the statement and agree to it, then start again."],
  bad_consent: ["The server could not accept your consent.", "Set this device's clock right, reload the page and start again."],
  no_offer: ["The server did not get an offer.", "Something between here and the server changed the request. Reload the page and start again."],
  offer_rejected: ["The offer was refused.", "Reload the page and start again, or try another browser."],
  not_an_offer: ["The server could not read the offer.", "Reload the page and start again, or try another browser."],
  unknown_profile: ["No profile has the name that stands in the address.", "Take ?profile= out of the address, or add the profile to profiles.toml."],
  upstream_auth: ["The upstream refuses the server's credential.", "Whoever runs this server has to check its API key or identity."],
  upstream_forbidden: ["The server may not use this upstream.", "Whoever runs this server has to give its identity the right role."],
  upstream_config: ["The upstream does not know this model or deployment.", "Whoever runs this server has to check the profile's model."],
  upstream_busy: ["The upstream is busy.", "Start again {soon}."],
  upstream_failed: ["The upstream failed.", "Start again {soon}."],
  upstream_unreachable: ["The upstream cannot be reached.", "Whoever runs this server has to check its address and network."],
  upstream_timeout: ["The upstream took too long.", "Start again {soon}."],
  upstream_garbled: ["The upstream's answer made no sense.", "Start again; if it stays so, look at the call's log."],
  upstream_credential: ["The server cannot get a credential just now.", "Start again {soon}; whoever runs this server has to check its identity."],
  needs_connect: [
    "This profile does not allow a direct call.",
    "It wants its calls recorded or limited, and a direct call can be neither. Take `?via=token` out of the address.",
  ],
  token_refused: ["The upstream refused the token.", "It may have been used or run out. Start again."],
  upstream_out_of_reach: [
    "This browser could not reach the upstream itself.",
    "A firewall, an extension or the network may keep it from doing so. Take `?via=token` out of the address: then the server places the call.",
  ],
  call_ended: ["The call was hung up while it was being set up.", "Somebody with the right to did that. Start again."],
  abandoned: ["The browser left before the answer.", "Start again."],
  outcome_unknown: ["Nobody knows how it came out.", "The server stopped in the middle. Start again."],
  store_unavailable: ["The server cannot write its call log.", "Whoever runs this server has to check the database."],
};

const BY_STATUS = {
  401: ["This server wants to know who you are.", "Open the page from the site that lets you in."],
  403: ["You may not do this here.", "Ask whoever runs this server for the right to."],
  404: ["There is no such thing here.", "Check the address."],
  413: ["The offer is too large.", "Browser extensions can bloat it. Try a private window."],
  415: ["The server does not take this kind of request.", "The page may be older than the server. Reload it and start again."],
  429: ["Too many calls at once.", "Hang up another call, or start again {soon}."],
};

const SENTENCES = { ...MICROPHONE, ...LINE, ...SERVER };

/** A problem with a `code`, as sentences: {cause, next, detail}. Where the server names a wait, `next` does too. */
export function explain(problem) {
  const known = SENTENCES[problem.code];
  const [cause, next] = known ?? BY_STATUS[problem.status] ?? unknown(problem);
  const soon = problem.retryAfter ? `in ${problem.retryAfter} s` : "in a moment";
  return { cause, next: next.replace("{soon}", soon), detail: known ? "" : (problem.detail ?? "") };
}

/** The cause alone, for a code that was written down earlier. */
export function causeOf(code) {
  return SENTENCES[code]?.[0] ?? code;
}

function unknown({ status }) {
  if (status >= 500) return ["The server failed.", "Start again {soon}; its log says more."];
  return ["It did not work.", "Reload the page and start again."];
}
