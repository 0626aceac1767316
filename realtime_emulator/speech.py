"""Makes a text audible: with flite when it is installed, else with tones. Knows no call."""

from __future__ import annotations

import array
import asyncio
import math
import shutil
import subprocess
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

RATE = 48_000
"""array.array[int] per second of all outgoing sound: mono, 16 bit, as Opus in WebRTC wants it."""
LOUDNESS_DBFS = -16.0
SHORTEST_MS = 300
QUIET = 200
"""Of 32768: what lies below is no speech."""
LONGEST_TEXT = 2000
"""Characters; a longer text is spoken up to here."""
KEPT_SPEECHES = 32
FLITE_SECONDS = 10
FLITE_VOICE = "slt"

_TONE_RATE = 16_000
_TONE_MS, _TONE_PAUSE_MS = 160, 60
_TONE_HERTZ = (330, 392, 440, 523, 587)


@dataclass(frozen=True)
class Speech:
    """Mono 16-bit samples at `RATE`."""

    pcm: bytes

    @property
    def ms(self) -> int:
        return len(self.pcm) // 2 * 1000 // RATE


class Synthesizer:
    """Says texts, each only once: the sound of a text is kept."""

    def __init__(self, flite: str | None = None) -> None:
        """`flite`: the program's path; None means tones."""
        self._flite = flite
        self._kept: OrderedDict[str, Speech] = OrderedDict()

    async def say(self, text: str) -> Speech:
        kept = self._kept.get(text)
        if kept is None:
            kept = await asyncio.to_thread(self._make, text[:LONGEST_TEXT])
            self._kept[text] = kept
            if len(self._kept) > KEPT_SPEECHES:
                self._kept.popitem(last=False)
        return kept

    def _make(self, text: str) -> Speech:
        spoken = _run_flite(self._flite, text) if self._flite else None
        samples, rate = spoken or (_make_tones(text), _TONE_RATE)
        return Speech(_resample(_level(_trim(samples)), rate))


def find_flite() -> str | None:
    return shutil.which("flite")


def _run_flite(flite: str, text: str) -> tuple[array.array[int], int] | None:
    """The samples and their rate; None when flite fails, so that a call is never silent for its sake."""
    with tempfile.TemporaryDirectory(prefix="realtime-emulator-") as folder:
        words, wav = Path(folder, "words.txt"), Path(folder, "speech.wav")
        words.write_text(text, encoding="utf-8")
        command = [flite, "-voice", FLITE_VOICE, "-f", str(words), "-o", str(wav)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=FLITE_SECONDS)  # noqa: S603
            return read_wav(wav)
        except (OSError, subprocess.SubprocessError, av.FFmpegError):
            return None


def read_wav(path: Path) -> tuple[array.array[int], int] | None:
    """A mono 16-bit file's samples and their rate; None when there is no sound in it."""
    samples, rate = array.array("h"), 0
    with av.open(str(path)) as sound:
        for frame in sound.decode(audio=0):
            samples.frombytes(bytes(frame.planes[0])[: frame.samples * 2])
            rate = frame.sample_rate
    return (samples, rate) if samples else None


def _make_tones(text: str) -> array.array[int]:
    """A tone for each word, so that a listener hears that somebody speaks, and for how long."""
    samples = array.array("h")
    pause = array.array("h", bytes(_TONE_RATE * _TONE_PAUSE_MS // 1000 * 2))
    for place, word in enumerate(text.split() or [text]):
        samples.extend(_tone(_TONE_HERTZ[(place + len(word)) % len(_TONE_HERTZ)]))
        samples.extend(pause)
    return samples


def _tone(hertz: int) -> array.array[int]:
    count = _TONE_RATE * _TONE_MS // 1000
    edge = _TONE_RATE // 100
    return array.array(
        "h",
        (
            int(8000 * min(1, i / edge, (count - i) / edge) * math.sin(math.tau * hertz * i / _TONE_RATE))
            for i in range(count)
        ),
    )


def _trim(samples: array.array[int]) -> array.array[int]:
    """The same without the quiet before it: who is said to speak must be heard at once."""
    first = next((place for place, one in enumerate(samples) if abs(one) > QUIET), 0)
    return samples[first:]


def _level(samples: array.array[int]) -> array.array[int]:
    """The same sound at `LOUDNESS_DBFS`, measured over the whole."""
    power = math.sqrt(sum(one * one for one in samples) / max(1, len(samples)))
    gain = 32768 * 10 ** (LOUDNESS_DBFS / 20) / max(1.0, power)
    return array.array("h", (max(-32768, min(32767, int(one * gain))) for one in samples))


def _resample(samples: array.array[int], rate: int) -> bytes:
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    frame = AudioFrame(format="s16", layout="mono", samples=len(samples))
    frame.sample_rate = rate
    frame.planes[0].update(samples.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
    made = [*resampler.resample(frame), *resampler.resample(None)]
    pcm = b"".join(bytes(one.planes[0])[: one.samples * 2] for one in made)
    return pcm.ljust(SHORTEST_MS * RATE // 1000 * 2, b"\0")
