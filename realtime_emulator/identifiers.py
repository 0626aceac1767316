"""Names for things, in the vendors' forms, drawn from a seeded chance so that a run can be repeated."""

import random
import string

LETTERS = string.ascii_letters + string.digits


class Identifiers:
    """Recorded forms, July 2026: `item_` + 21 letters; `event_` + 16 hex for `output_audio_buffer.*`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def letters(self, count: int) -> str:
        return "".join(self._chance.choices(LETTERS, k=count))

    def hexadecimal(self, count: int) -> str:
        return f"{self._chance.getrandbits(4 * count):0{count}x}"

    def new(self, prefix: str) -> str:
        return f"{prefix}_{self.letters(21)}"

    def event(self, type: str) -> str:
        if type.startswith("output_audio_buffer."):
            return f"event_{self.hexadecimal(16)}"
        return self.new("event")

    def request(self) -> str:
        digits = self.hexadecimal(32)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def obfuscation(self, delta: str) -> str:
        """Recorded: pads delta and itself together to a multiple of 16 characters."""
        return self.letters(16 - len(delta) % 16)
