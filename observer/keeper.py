"""`python -m observer.keeper`: keeps one observer running for as long as its parent lives.

For hosts that run one command: gunicorn's master starts the keeper, and the keeper starts the observer anew when it
dies. gunicorn itself could not: it has no ear for the death of a child that is no worker. Knows processes only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

LOOK_EVERY_SECONDS = 0.5
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STOP_SECONDS = 40.0


def main() -> int:
    """Run until SIGTERM, SIGINT, or until the parent is gone; returns the observer's last status."""
    stop, parent = threading.Event(), os.getppid()

    def hear(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, hear)
    signal.signal(signal.SIGINT, hear)
    pause = PAUSE_SECONDS
    while True:
        observer = subprocess.Popen([sys.executable, "-m", "observer"], start_new_session=True)
        if _over(observer, stop, parent):
            return _stop(observer)
        sys.stderr.write(f"switchboard: the observer ended with {observer.returncode}; starting it again\n")
        if stop.wait(pause):
            return observer.returncode
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _over(observer: subprocess.Popen[bytes], stop: threading.Event, parent: int) -> bool:
    """Wait; True when it is time to stop, False when the observer died by itself."""
    while observer.poll() is None:
        # The parent's death changes ours: a killed master must not leave an observer behind.
        if stop.wait(LOOK_EVERY_SECONDS) or os.getppid() != parent:
            return True
    return False


def _stop(observer: subprocess.Popen[bytes]) -> int:
    observer.terminate()
    try:
        return observer.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        observer.kill()
        return observer.wait()


if __name__ == "__main__":
    sys.exit(main())
