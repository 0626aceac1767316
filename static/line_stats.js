/**
 * How the line does, from a peer connection's `getStats`: one flat object of numbers (and the codec's name). Times in
 * milliseconds, counts since the line opened. What a browser does not tell is left out.
 */

const MS = 1_000;

/** Facts from an RTCStatsReport. */
export function lineStats(report) {
  const all = [...report.values()];
  const audio = (type) => all.find((one) => one.type === type && (one.kind ?? one.mediaType) === "audio") ?? {};
  const incoming = audio("inbound-rtp");
  const outgoing = audio("outbound-rtp");
  const echoed = audio("remote-inbound-rtp");
  const pair = pairInUse(report, all);
  const codec = report.get(incoming.codecId ?? outgoing.codecId);
  return known({
    rtt_ms: inMs(pair?.currentRoundTripTime ?? echoed.roundTripTime),
    jitter_ms: inMs(incoming.jitter),
    packets_received: incoming.packetsReceived,
    packets_lost: incoming.packetsLost,
    bytes_received: incoming.bytesReceived,
    samples_received: incoming.totalSamplesReceived,
    concealed_samples: incoming.concealedSamples,
    packets_sent: outgoing.packetsSent,
    bytes_sent: outgoing.bytesSent,
    far_packets_lost: echoed.packetsLost,
    far_jitter_ms: inMs(echoed.jitter),
    codec: codec?.mimeType?.replace("audio/", ""),
    codec_rate: codec?.clockRate,
  });
}

function pairInUse(report, all) {
  const transport = all.find((one) => one.type === "transport");
  // Firefox has no transport statistics; there the pair itself says that it is the one.
  return report.get(transport?.selectedCandidatePairId) ?? all.find((one) => one.type === "candidate-pair" && one.nominated);
}

function inMs(seconds) {
  return seconds === undefined ? undefined : Math.round(seconds * MS * 10) / 10;
}

function known(facts) {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}
