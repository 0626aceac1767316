/** The line on top of a page that says what stands behind it: the emulator, or a service that is not ready. */

import { readReadiness } from "./api.js";
import { byId, element, prose } from "./element.js";
import { Poll } from "./poll.js";

const READY_AGAIN_MS = 5_000;

/** Keep `#banner` true, and tell `changed(readiness)` what is so. */
export function watchReadiness(changed = () => {}) {
  const look = async () => {
    const readiness = await readReadiness();
    show(readiness);
    changed(readiness);
    return readiness.status === "ready" ? null : READY_AGAIN_MS;
  };
  new Poll(look, () => {
    fill("bad", "The server does not answer.", "Check that it runs and that you are online. This page tries again by itself.");
  }).start();
}

function show({ status, reasons = [], emulator }) {
  if (status !== "ready") {
    fill("warn", "Not ready for calls.", reasons.map(sentence).join(" ") || "The server's log says why.");
  } else if (emulator) {
    fill("note", "You talk to the emulator here.", "It answers from a script: no account, no cost.");
  } else {
    byId("banner").hidden = true;
  }
}

function fill(tone, title, text) {
  const banner = byId("banner");
  banner.dataset.tone = tone;
  banner.replaceChildren(element("strong", {}, title), " ", element("span", {}, ...prose(text)));
  banner.hidden = false;
}

/** The server's reasons are clauses: "no observer is alive: start one with …". */
function sentence(reason) {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1).replace(/\.$/, "")}.`;
}
