"""What the rest of the emulator asks of sound, whether or not there is any. Knows names, plays nothing."""

from dataclasses import dataclass
from typing import Protocol


class Spoken(Protocol):
    """Words as sound; `ms` is how long they last."""

    @property
    def ms(self) -> int: ...

    @property
    def pcm(self) -> bytes: ...


class Reader(Protocol):
    """Whatever speaks words."""

    async def say(self, text: str) -> Spoken: ...


@dataclass(frozen=True)
class Cut:
    """A response's sound that was cut off: how much of it had left, in ms; 0 when it had not begun."""

    response_id: str
    heard_ms: int


class Loudspeaker(Protocol):
    """The protocol's output buffer."""

    @property
    def flowing(self) -> bool: ...

    @property
    def speaking(self) -> bool: ...

    def play(self, response_id: str, speech: Spoken, /) -> None: ...

    def shorten(self, response_id: str, ms: int) -> None: ...

    def clear(self) -> list[Cut]: ...


class Silence:
    """Nobody hears anything: an output buffer that stays empty, and words that last as long as they would."""

    MS_PER_CHARACTER = 60
    flowing = speaking = False

    async def say(self, text: str) -> Spoken:
        return _Length(len(text) * self.MS_PER_CHARACTER)

    def play(self, response_id: str, speech: Spoken, /) -> None:
        pass

    def shorten(self, response_id: str, ms: int) -> None:
        pass

    def clear(self) -> list[Cut]:
        return []


@dataclass(frozen=True)
class _Length:
    ms: int
    pcm: bytes = b""
