"""The processes in which an operator's patterns and functions run, two for each profile that has some, and what becomes
of a question that they don't answer.

Knows a time limit and a bounded number of questions that wait; a process that takes too long is killed and started
again. What is asked, and what an answer means, is redaction.py's and guardrails.py's; what runs in it is redactor.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from observer.limits import Limits
from observer.redactor import DONE, LENGTH

log = structlog.get_logger()

PROCESSES = 2
RESTART_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """The answer, or why there is none: `failed` (with `error`, the name of it), `timeout`, `busy` (too many wait),
    `unreadable`, `unknown_profile`."""

    body: bytes | None = None
    cause: str | None = None
    error: str | None = None


_SAID = {
    "redact": ("redaction_timed_out", "redactor_failed"),
    "judge": ("guardrail_timed_out", "guardrails_failed"),
}


class _Job:
    """One question on its way; `given_up` ends the wait for it, whatever it waits for."""

    def __init__(self, frame: bytes, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self.frame = frame
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        self._patience = loop.call_later(seconds, self.finish, Outcome(cause="busy"))

    def finish(self, outcome: Outcome) -> None:
        self._patience.cancel()
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class OperatorProcesses:
    """Those of one profile for one purpose. They start at once, since a function's module may take long to import."""

    def __init__(self, profile: str, what: str, rules: object, limits: Limits) -> None:
        """`what`: "redact" or "judge", with the rules for it as redactor.py reads them."""
        self._profile, self._limits = profile, limits
        self._rules = json.dumps({what: rules}).encode()
        self._timed_out, self._failed = _SAID[what]
        self._waiting = self._waiting_bytes = 0
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._workers = [asyncio.create_task(self._work()) for _ in range(PROCESSES)]

    def submit(self, frame: bytes) -> asyncio.Future[Outcome]:
        """Ask. The outcome comes in any case, within the limits; it never raises."""
        job = _Job(frame, self._limits.redaction_waited)
        self._count(1, len(frame))
        job.outcome.add_done_callback(lambda _: self._count(-1, -len(frame)))
        if self._is_full():
            job.finish(Outcome(cause="busy"))
        else:
            self._jobs.put_nowait(job)
        return job.outcome

    def _count(self, jobs: int, size: int) -> None:
        self._waiting += jobs
        self._waiting_bytes += size

    def _is_full(self) -> bool:
        limits = self._limits
        return (
            self._waiting > limits.redactions_waiting or self._waiting_bytes > limits.redactions_waiting_bytes
        )

    async def close(self) -> None:
        """Kill the processes; what waits fails."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        while not self._jobs.empty():
            self._jobs.get_nowait().finish(Outcome(cause="busy"))

    async def _work(self) -> None:
        while True:
            try:
                await self._serve()
            except (OSError, asyncio.IncompleteReadError) as error:
                log.error(self._failed, profile=self._profile, reason=type(error).__name__)
                await asyncio.sleep(RESTART_SECONDS)

    async def _serve(self) -> None:
        """One process, until it takes too long or dies."""
        async with _process() as child:
            await _exchange(child, self._rules)
            while True:
                job = await self._jobs.get()
                if not job.outcome.done() and not await self._do(child, job):
                    return

    async def _do(self, child: Process, job: _Job) -> bool:
        """False when the process can't be used any more."""
        try:
            async with asyncio.timeout(self._limits.redaction):
                answer = await _exchange(child, job.frame)
        except TimeoutError:
            log.warning(self._timed_out, profile=self._profile)
            job.finish(Outcome(cause="timeout"))
            return False
        except (OSError, asyncio.IncompleteReadError):
            job.finish(Outcome(cause="failed", error="ProcessEnded"))
            return False
        job.finish(self._judged(answer[:1], answer[1:]))
        return True

    def _judged(self, verdict: bytes, said: bytes) -> Outcome:
        if verdict != DONE:
            return Outcome(cause="failed", error=said.decode())
        if len(said) > self._limits.event_max_bytes:
            return Outcome(cause="failed", error="TooLarge")
        return Outcome(said)


async def _exchange(child: Process, frame: bytes) -> bytes:
    assert child.stdin is not None and child.stdout is not None  # noqa: S101  # both are pipes
    child.stdin.write(LENGTH.pack(len(frame)) + frame)
    (size,) = LENGTH.unpack(await child.stdout.readexactly(LENGTH.size))
    return await child.stdout.readexactly(size)


@contextlib.asynccontextmanager
async def _process() -> AsyncIterator[Process]:
    command = (sys.executable, "-m", "observer.redactor")
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True
        )
    )
    try:
        yield await asyncio.shield(starting)
    finally:
        child = await starting  # whoever cancels us while it starts leaves no process behind
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        ending = asyncio.ensure_future(child.communicate())
        try:
            await asyncio.shield(ending)
        finally:
            await ending
