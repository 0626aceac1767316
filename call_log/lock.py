"""A lock on a file, which the operating system frees the instant its process dies. It knows flock and one
path.

It is advisory, belongs to the open file, and is therefore shared with children that were forked without exec.
"""

import fcntl
import os
from pathlib import Path

from call_log.errors import StoreUnavailable


class FileLock:
    """One lock. Not reentrant; use it from one thread."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._file: int | None = None

    def acquire(self, *, wait: bool = False) -> bool:
        """Take the lock and keep it; False when another process has it and `wait` is false. Raises
        StoreUnavailable when the file cannot be made."""
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    @property
    def taken(self) -> bool:
        """Whether this object has the lock."""
        return self._file is not None

    @property
    def file(self) -> int:
        """The descriptor of the locked file; only while the lock is taken."""
        if self._file is None:
            raise LookupError(f"the lock {self.path} is not taken")
        return self._file

    def release(self) -> None:
        """Free the lock; the file stays, for removing it would race with whoever is opening it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def is_free(path: Path | str) -> bool:
        """Whether nobody has the lock at `path`; a missing file is free, one that we may not open is not.

        The look itself takes the lock shared for an instant, so that two who look at once do not see each
        other.
        """
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as fault:
            raise StoreUnavailable(
                f"The lock file {self.path} cannot be made ({fault.strerror}); "
                "give this user the right to write its folder."
            ) from fault
