/** The numbers of the call page. Each is the observer's; its definition stands in its tile's title in call.html. */

import { costBasis, costPhrase } from "./cost.js";
import { byId, mark, write } from "./element.js";
import { count, gapPhrase } from "./phrases.js";

/** The observer's summary of a call in its tiles; while there is none, only what can be counted here. */
export function showNumbers({ summary, last_seq: lastSeq }, turnsSeen) {
  write(byId("turns"), count(summary?.turns ?? turnsSeen));
  write(byId("event-count"), count(lastSeq));
  if (!summary) return;
  write(byId("turns-split"), `caller ${count(summary.user_turns)} · model ${count(summary.assistant_turns)}${toolsOf(summary)}`);
  showGap(summary.response_gap_ms, summary.perceived_gap_ms);
  showInterruptions(summary);
  showTokens(summary.usage);
  showCost(summary.cost);
  write(byId("error-count"), summary.errors === 1 ? "1 error" : `${count(summary.errors)} errors`);
}

function toolsOf({ tool_calls: calls }) {
  if (!calls) return "";
  // Where there is no room for it, the dot stays behind and the words go to the next line.
  return `\u00a0· ${calls === 1 ? "1 tool call" : `${count(calls)} tool calls`}`;
}

function showGap(gap, perceived) {
  if (!gap) return;
  const { grade, text } = gapPhrase(gap.p50);
  write(byId("response-gap"), text);
  byId("response-gap").dataset.grade = grade;
  write(byId("response-gap-worst"), `${grade} · worst ${gapPhrase(gap.worst).text}`);
  write(byId("perceived-gap"), perceived ? `perceived ${gapPhrase(perceived.p50).text}` : "");
}

function showInterruptions({ interruptions, responses }) {
  if (interruptions === undefined) return;
  write(byId("interruptions"), count(interruptions));
  const unfinished = ["failed", "incomplete"].filter((status) => responses?.[status]);
  write(byId("responses-split"), unfinished.map((status) => `${count(responses[status])} ${status}`).join(" · "));
}

function showTokens(usage) {
  if (!usage) return;
  write(byId("tokens"), `${count(usage.input_tokens)} in · ${count(usage.output_tokens)} out`);
  const part = (word, number) => (number ? `${word} ${count(number)}` : null);
  const into = [part("audio", usage.input?.audio), part("text", usage.input?.text), part("cached", usage.input?.cached)];
  const out = [part("audio", usage.output?.audio), part("text", usage.output?.text)];
  const list = (word, parts) => (parts.some(Boolean) ? `${word}: ${parts.filter(Boolean).join(", ")}` : null);
  write(byId("tokens-split"), [list("in", into), list("out", out)].filter(Boolean).join(" · "));
}

function showCost(cost) {
  const { basis, date, parts } = costBasis(cost);
  write(byId("cost"), costPhrase(cost));
  mark(byId("cost"), "data-unknown", cost && cost.usd === null);
  write(byId("cost-basis"), basis);
  write(byId("cost-date"), date);
  write(byId("cost-parts"), parts);
}
