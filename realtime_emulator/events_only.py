"""Calls without media, thousands in one process: any offer is answered, no peer comes, the events come by themselves.

What clients ask on such a call is done as on any other; only nobody hears or speaks.
"""

import asyncio
import time
from collections.abc import Sequence

from realtime_emulator.call import Call, Listener
from realtime_emulator.chatter import Chatter, Wheel
from realtime_emulator.dialects import DIALECTS
from realtime_emulator.line import Line
from realtime_emulator.refusals import OfferRefused
from realtime_emulator.rehearsal import Said, rehearse
from realtime_emulator.responses import Responses
from realtime_emulator.sound import Silence
from realtime_emulator.tasks import Tasks

MOST_CALLS = 5_000
CONNECTS_SECONDS = 1.5
"""So long after the answer the caller is said to have connected, and the conversation begins."""

_ANSWER = """v=0
o=- {number} 1 IN IP4 0.0.0.0
s=-
t=0 0
a=msid-semantic:WMS *
a=fingerprint:sha-256 {fingerprint}
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=setup:active
a=mid:0
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 opus/48000/2
a=fmtp:96 minptime=10;useinbandfec=1
a=sendrecv
a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host ufrag {ufrag}
a=end-of-candidates
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=setup:active
a=mid:1
a=sendrecv
a=sctp-port:5000
a=max-message-size:1073741823
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
"""
"""As recorded on Azure (azure_mint_and_call.json), less the addresses of its relays."""


class _NoEar:
    """The turns of a call on which nobody is heard: there is never anything to commit."""

    buffered_ms = 0

    @property
    def microphone(self) -> "_NoEar":
        return self

    def empty(self) -> None:
        pass

    def commit_by_hand(self) -> None:
        pass


class QuietCall(Call):
    def __init__(self, line: Line, chatter: Chatter, wheel: Wheel) -> None:
        silence = Silence()
        tasks = Tasks()
        super().__init__(line, Responses(line, silence, silence), _NoEar(), tasks)
        self._chatter, self._wheel = chatter, wheel

    def connect(self, listener: Listener) -> "NoPeer":
        return NoPeer(self, listener)

    def begin(self) -> None:
        """The caller is there: the conversation begins."""
        self._wheel.add(self._chatter)

    @property
    def rate(self) -> float:
        return self._chatter.rate

    def pace(self, rate: float) -> None:
        self._chatter.rate = rate
        if self.line.record.peer_connected_at is not None:
            self.begin()

    def fall_silent(self) -> None:
        self._chatter.over = True

    async def close(self) -> None:
        self.fall_silent()
        await super().close()


class NoPeer:
    """Answers an offer and is never heard of again, but that it connects."""

    def __init__(self, call: QuietCall, listener: Listener) -> None:
        self._call, self._listener = call, listener
        self._timer: asyncio.TimerHandle | None = None

    async def answer(self, offer: str) -> str:
        self._timer = asyncio.get_running_loop().call_later(CONNECTS_SECONDS, self._connect)
        ids = self._call.line.ids
        digest = ids.hexadecimal(64).upper()
        fingerprint = ":".join(digest[place : place + 2] for place in range(0, 64, 2))
        made = _ANSWER.format(
            number=int(ids.hexadecimal(15), 16),
            fingerprint=fingerprint,
            ufrag=ids.letters(16),
            password=ids.letters(32),
        )
        return made.replace("\n", "\r\n")

    def cut(self) -> None:
        """The caller's network is gone: nothing more is said by itself, and nobody says goodbye."""
        self._call.fall_silent()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _connect(self) -> None:
        self._listener.peer_connected()
        self._call.begin()


class EventsStudio:
    """Makes quiet calls; `rate` is how many events per second a new one says by itself."""

    most_calls = MOST_CALLS

    def __init__(self, seed: int, rate: float) -> None:
        self._rate = rate
        self._seed = seed
        self._wheel = Wheel(time.monotonic)
        self._exchanges: dict[str, Sequence[Sequence[Said]]] = {}
        self._tasks = Tasks()

    def pace(self, rate: float) -> None:
        self._rate = rate

    async def open(self) -> None:
        """Rehearse, and let the wheel turn. Takes a moment."""
        for dialect in DIALECTS:
            self._exchanges[dialect.name] = await rehearse(dialect, self._seed)
        self._tasks.run(self._wheel.run())

    async def close(self) -> None:
        await self._tasks.end()

    def read_offer(self, raw: bytes) -> str:
        """Anything that looks like an offer."""
        offer = raw.decode("utf-8", errors="replace").lstrip()
        if not offer.startswith("v=0") or "m=" not in offer:
            raise OfferRefused("failed to unmarshal SDP: it does not begin with v=0, or has no media section")
        return offer

    def make(self, line: Line) -> QuietCall:
        return QuietCall(line, Chatter(line, self._exchanges[line.dialect.name], self._rate), self._wheel)
