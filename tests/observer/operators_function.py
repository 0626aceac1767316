"""Functions as an operator would name them in a profile."""

from __future__ import annotations

import os
import signal
import sys


def shout(text: str) -> str:
    return text.upper()


def talkative(text: str) -> str:
    sys.stdout.write(text)
    sys.stderr.write(text)
    return "quiet"


def long_winded(text: str) -> str:
    return text * 1_000


def picky(text: str) -> str:
    if "bad" in text:
        raise LookupError(text)
    return text


def forgetful(text: str) -> None:
    return None


def deadly(text: str) -> str:
    if "die" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    return text


def endless(text: str) -> str:
    while "stay" in text:
        pass
    return text
