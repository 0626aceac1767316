"""The journal: rows that could not be committed, kept on this machine's disk until the store is back.

It knows one file per node, and rows. What is in it is acknowledged to nobody: it only lets a process that dies while
the store is away leave behind what it had heard. Its owner has the node's lock; where that lock is free, the journal
is abandoned and whoever finds it first may bury its owner.
"""

import base64
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from call_log.events import EventRow

_FRAME = struct.Struct("<II")  # length of the text, and its CRC-32


@dataclass(frozen=True, slots=True)
class Kept:
    """One row that waits, with the epoch of the holding under which it was heard, and the inbox message that it
    came of."""

    row: EventRow
    epoch: int
    message_id: int | None = None


class Journal:
    """A node's journal. One thread writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def append(self, rows: Iterable[Kept]) -> None:
        """Write rows behind what is there, flushed to disk. Raises OSError when the disk does not take them."""
        if self._file is None:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        before = os.fstat(self._file).st_size
        framed = b"".join(map(_framed, rows))
        try:
            while framed:
                framed = framed[os.write(self._file, framed) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, before)  # half a row would hide every later one
            raise

    def clear(self) -> None:
        """All of it is in the store now."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self.path.unlink(missing_ok=True)


def read(path: Path) -> Iterator[Kept]:
    """The rows of a journal in order, up to the first that was not wholly written; none for a missing file."""
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return
    at = 0
    while at + _FRAME.size <= len(whole):
        length, check = _FRAME.unpack_from(whole, at)
        text = whole[at + _FRAME.size : at + _FRAME.size + length]
        if len(text) < length or zlib.crc32(text) != check:
            return
        yield loads(text)
        at += _FRAME.size + length


def dumps(kept: Kept) -> bytes:
    """One row as JSON text."""
    fields = [_told(field) for field in kept.row]
    return json.dumps({"row": fields, "epoch": kept.epoch, "message": kept.message_id}).encode()


def loads(text: bytes) -> Kept:
    """The row of `dumps`."""
    said = json.loads(text)
    return Kept(EventRow(*map(_read, said["row"])), said["epoch"], said["message"])


def _framed(kept: Kept) -> bytes:
    text = dumps(kept)
    return _FRAME.pack(len(text), zlib.crc32(text)) + text


def _told(field: Any) -> Any:
    # A type is somebody else's text and may hold half a surrogate pair; JSON's escapes carry it, UTF-8 would not.
    return {"bytes": base64.b64encode(field).decode()} if isinstance(field, bytes) else field


def _read(field: Any) -> Any:
    return base64.b64decode(field["bytes"]) if isinstance(field, dict) else field
