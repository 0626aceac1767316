/** The facts strip of the call page: what was agreed when the call was dialled, and its ids to copy. */

import { byId, copyButton, element } from "./element.js";
import { instant, moment } from "./time.js";

const RECORDING = { metadata: "metadata: numbers, no words", off: "off: nothing is recorded" };

let shownBefore = "";

/** A call's facts in `#facts` and its ids in `#ids`; `gaps` is the number of recorded gaps. */
export function showFacts(call, gaps) {
  const facts = factsOf(call, gaps);
  // Drawn again only when one of them differs: a person may be copying an id just now.
  const now = JSON.stringify(facts);
  if (now === shownBefore) return;
  shownBefore = now;
  const known = facts.filter(({ value }) => value);
  byId("facts").replaceChildren(...known.filter(({ copied }) => !copied).map(drawFact));
  byId("ids").replaceChildren(...known.filter(({ copied }) => copied).map(drawFact));
}

function factsOf({ profile, model, upstream, recording, caller, failure, end, ...rest }, gaps) {
  return [
    { name: "Model", value: model },
    { name: "Profile", value: profile },
    { name: "Upstream", value: upstream },
    { name: "Recording", value: RECORDING[recording] ?? recording },
    { name: "Caller", value: caller },
    { name: "Consent", value: consentOf(rest.consent) },
    { name: "Failure", value: failure && !end ? [failure.code, failure.detail].filter(Boolean).join(": ") : null },
    { name: "Gaps", value: gaps ? `${gaps} in this record; events may be missing there` : null },
    { name: "Call id", value: rest.id, copied: true },
    { name: "Upstream’s id", value: rest.upstream_call_id, copied: true },
  ];
}

/** A statement {version, at} in words; what a page sent unasked, as it is. */
function consentOf(text) {
  try {
    const { version, at } = JSON.parse(text);
    return version && at ? `${version}, given ${moment(instant(at))}` : text;
  } catch {
    return text;
  }
}

function drawFact({ name, value, copied }) {
  const shown = element(copied ? "dd.mono" : "dd", {}, element("span.value-text", {}, value));
  if (copied) shown.append(copyButton(() => value, `Copy ${name}`));
  return element("div", {}, element("dt", {}, name), shown);
}
