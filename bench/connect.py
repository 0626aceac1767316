"""`python -m bench.connect`: what POST /connect adds to what the upstream itself takes.

Each round opens one call straight at the emulator (the two steps of Azure, over a kept connection) and one through
/connect, in turn, so that whatever else the machine does falls on both alike. Both calls are hung up outside the time.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path

import requests

from realtime.profiles import RECORDING_MODES
from tests.aiortc_peer import a_real_offer
from tests.processes import UNWATCHED, Emulator, House


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--recording", choices=RECORDING_MODES, default="preferred")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator.start(Path(folder), **UNWATCHED)
        profiles = Path(folder) / "profiles.toml"
        profiles.write_text(
            f'[default]\nmodel = "gpt-realtime"\ntranscription = false\nrecording = "{asked.recording}"\n'
        )
        told = {"LOG_LEVEL": "warning", "SWITCHBOARD_PROFILES": str(profiles)} | UNWATCHED
        house = House.build(Path(folder) / "house", emulator.url, **told).start()
        try:
            straight, through = measure(emulator, house, asked.rounds)
        finally:
            house.stop()
            emulator.process.stop()
    tell(straight, through)


def measure(emulator: Emulator, house: House, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each call, straight and through."""
    offer = a_real_offer()
    session = requests.Session()
    straight, through = [], []
    for number in range(rounds + 10):
        first, second = call_straight(session, emulator.url, offer), call_through(session, house.url, offer)
        if number >= 10:  # the first ones warm both ways up
            straight.append(first)
            through.append(second)
    return straight, through


def call_straight(session: requests.Session, url: str, offer: str) -> float:
    realtime = f"{url}/openai/v1/realtime"
    began = time.perf_counter()
    body = {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": {"type": "realtime", "model": "m"},
    }
    secret = session.post(f"{realtime}/client_secrets", json=body, headers={"api-key": "k"}).json()["value"]
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/sdp"}
    answer = session.post(f"{realtime}/calls?webrtcfilter=on", data=offer, headers=headers)
    took = time.perf_counter() - began
    assert answer.status_code == 201, answer.text
    call_id = answer.headers["Location"].rpartition("/")[2]
    session.post(f"{realtime}/calls/{call_id}/hangup", headers={"api-key": "k"})
    return took


def call_through(session: requests.Session, url: str, offer: str) -> float:
    began = time.perf_counter()
    answer = session.post(f"{url}/connect", data=offer, headers={"Content-Type": "application/sdp"})
    took = time.perf_counter() - began
    assert answer.status_code == 201, answer.text
    call = f"{url}/calls/{answer.headers['X-Call-Id']}"
    while session.delete(call).status_code != 200:
        time.sleep(0.005)
    return took


def tell(straight: list[float], through: list[float]) -> None:
    added = [second - first for first, second in zip(straight, through, strict=True)]
    print(f"{platform.machine()}, Python {platform.python_version()}, {len(straight)} rounds, one at a time")
    print("milliseconds          median     p95")
    for name, figures in (("emulator itself", straight), ("through /connect", through), ("added", added)):
        ordered = sorted(figures)
        p95 = ordered[int(len(ordered) * 0.95)]
        print(f"{name:18} {statistics.median(figures) * 1000:9.1f} {p95 * 1000:7.1f}")
    print(f"ratio of medians   {statistics.median(through) / statistics.median(straight):9.2f}")


if __name__ == "__main__":
    main()
