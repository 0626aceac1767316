/** What a call cost, in words: always an estimate from a dated table of list prices, never a bill. No page. */

// Parts are called "audio_in", "transcription_out": what comes before the first _ is what was paid for.
const KINDS = { audio: "audio", text: "text", image: "image", transcription: "transcription", unsorted: "other" };
const CENTS_FROM = 1;
const LEAST_SHOWN = 0.0001;

/** "$1.24", "$0.0123"; a dash while nothing is known, "unknown" when the price is. */
export function costPhrase(cost) {
  if (!cost) return "–";
  return cost.usd === null || cost.usd === undefined ? "unknown" : dollars(cost.usd);
}

/** What stands behind the number: {basis, date (of its price table), parts}. */
export function costBasis(cost) {
  if (!cost) return { basis: "", date: "", parts: "" };
  const parts = partsOf(cost.parts ?? {});
  const unknown = cost.unknown?.length ? cost.unknown : [cost.model];
  if (cost.usd === null) return { basis: unknown.map((model) => `unknown price for ${model}`).join(", "), date: "", parts };
  return { basis: "estimate, prices of", date: cost.priced_at ?? "an unknown date", parts };
}

function partsOf(parts) {
  const sum = (kind) =>
    Object.entries(parts)
      .filter(([name]) => name.split("_")[0] === kind)
      .reduce((total, [, usd]) => total + Number(usd), 0);
  const paid = Object.entries(KINDS).map(([kind, word]) => [word, sum(kind)]);
  return paid.filter(([, usd]) => usd > 0).map(([word, usd]) => `${word} ${dollars(usd)}`).join(" · ");
}

function dollars(usd) {
  const amount = Number(usd);
  if (amount > 0 && amount < LEAST_SHOWN) return `< $${LEAST_SHOWN}`;
  return `$${amount.toFixed(amount >= CENTS_FROM || amount === 0 ? 2 : 4)}`;
}
