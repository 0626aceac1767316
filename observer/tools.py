"""The tools of one call: what the model asked for is run once, and answered in any case.

Knows the order: nothing happens before the event that asks is on disk and the run is written down; the outputs go out
first, then one request for the next response. Which calls count and what the model is told are realtime's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from call_log import tool_runs
from call_log.call import Call
from call_log.store import StoreUnavailable
from call_log.tool_runs import Outcome, Run, State
from observer.commands import TOOL, Commands
from observer.flag import Flag
from observer.line import Line
from observer.record import Record
from observer.tool_pool import OF_ONE_CALL, Result, told
from observer.tools_left import Left, Memory, recall
from realtime import tool_calls
from realtime.fields import Event
from realtime.tool_calls import ROUNDS_MOST, Announced, FunctionCall, refusal
from realtime.tool_context import Context
from realtime.toolbox import FAULT_LONGEST, Tool

STORE_RETRY_SECONDS = 0.2
NOTED = "observer.tool"


@dataclass(frozen=True)
class Decision:
    """What an operator said of a run that waited."""

    approved: bool
    text: str | None
    by: str


@dataclass(frozen=True)
class Answer:
    """What the model is told, and the run's last state."""

    output: str
    state: State
    code: str | None = None
    by: str | None = None


@dataclass(eq=False)
class Job:
    """One function call on its way. Either `refused`, or `work`; `decision` comes first where an operator is asked."""

    call: FunctionCall
    tool: Tool | None = None
    work: Callable[[], Result] | None = None
    decision: asyncio.Future[Decision] | None = None
    refused: Answer | None = None

    @property
    def state(self) -> State:
        """In which it is taken up."""
        if self.refused is not None:
            return self.refused.state
        return "waiting" if self.decision is not None else "started"


@dataclass(eq=False)
class Batch:
    """The calls of one response; once none is open, the next response is asked for."""

    announced: Announced
    rounds: int
    jobs: list[Job] = field(default_factory=list)
    open: int = 0


class Tools:
    """Of one held call. Everything happens in the event loop; `serve` runs as long as the call is followed."""

    def __init__(self, call: Call, line: Line, record: Record, commands: Commands) -> None:
        self._call, self._line, self._record, self._commands = call, line, record, commands
        profile = line.profiles.get(call.profile)
        self._tools = profile.tools if profile is not None else {}
        self._keeps_words = line.profiles.keep_words(call.profile, call.recording)
        self._announced: list[Announced] = []
        self._waiting: dict[str, Job] = {}
        self._open = self._rounds = 0
        self._metadata: dict[str, Any] = {}
        self._woken = Flag()
        commands.decide = self.decide

    def hear(self, event: Event) -> None:
        """One event of the upstream that is on disk."""
        if not self._tools:
            return
        if tool_calls.is_callers_turn(event):
            self._rounds = 0
        if (announced := tool_calls.announced(event)) is not None:
            self._announced.append(announced)
            self._woken.set()

    def decide(self, asked: Event, by: str) -> str | None:
        """An operator's approval or denial; says why it has no effect, where it has none."""
        job = self._waiting.get(asked["function_call_id"])
        if job is None or job.decision is None or job.decision.done():
            return "not_waiting"
        text = asked.get("text")
        if text is not None and (job.tool is None or job.tool.kind != "operator"):
            return "takes_no_answer"
        job.decision.set_result(Decision(asked["type"] == "approve", text, by))
        return None

    async def serve(self) -> None:
        """Answer what the model asks for, until cancelled."""
        if not self._tools:
            return
        self._waiting.clear()
        self._open = 0
        async with asyncio.TaskGroup() as together:
            memory = await self._recall()
            self._metadata = memory.metadata
            for left in memory.left:
                together.create_task(self._resume(left))
            while True:
                while self._announced:
                    together.create_task(self._take_up(self._announced.pop(0)))
                self._woken.clear()
                await self._woken.wait()

    # -- taking up -------------------------------------------------------------------------------------------------

    async def _take_up(self, announced: Announced) -> None:
        rounds = self._rounds + 1
        batch = Batch(announced, rounds, [self._judged(call, rounds) for call in announced.calls])
        new = await self._line.writer.insist(
            partial(
                tool_runs.take_up,
                node_id=self._line.node_id,
                epoch=self._call.epoch,
                number=self._call.number,
                runs=[self._row(job, announced) for job in batch.jobs],
            )
        )
        for job in batch.jobs:
            if job.call.id not in (new or ()):
                self._let_go(job)
        batch.jobs = [job for job in batch.jobs if job.call.id in (new or ())]
        if batch.jobs:
            self._rounds = rounds
            await self._work_off(batch)

    def _row(self, job: Job, announced: Announced) -> Run:
        now = self._record.clock()
        return Run(
            number=self._call.number,
            function_call_id=job.call.id,
            response_id=announced.response_id,
            name=tool_calls.noted_name(job.call.name),
            state=job.state,
            code=job.refused.code if job.refused else None,
            by=None,
            at=now,
            started_at=now if job.state == "started" else None,
            settled_at=now if job.refused else None,
            epoch=self._call.epoch,
        )

    def _judged(self, call: FunctionCall, rounds: int) -> Job:
        """What is to be done about a call; whatever it needs is taken at once."""
        tool = self._tools.get(call.name)
        if tool is None:
            return _refused(call, "unknown_tool")
        if rounds > ROUNDS_MOST:
            return _refused(call, "too_many_rounds")
        if call.arguments is None:
            return _refused(call, "interrupted")
        try:
            work = self._work(tool, call, tool.read(call.arguments))
        except ValueError as wrong:
            return _refused(call, "bad_arguments", f"{wrong}."[:FAULT_LONGEST])
        return self._placed(Job(call, tool, work))

    def _placed(self, job: Job) -> Job:
        assert job.tool is not None  # noqa: S101  # it was judged
        if self._open >= OF_ONE_CALL:
            return _refused(job.call, "no_slot")
        if job.tool.asks:
            job.decision = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(job.call.id, job)
        self._open += 1
        return job

    def _let_go(self, job: Job) -> None:
        """It was taken up before, by whomever."""
        if job.refused is not None:
            return
        self._open -= 1
        if self._waiting.get(job.call.id) is job:
            del self._waiting[job.call.id]

    def _work(self, tool: Tool, call: FunctionCall, arguments: dict[str, Any]) -> Callable[[], Result] | None:
        """Raises ValueError for arguments that the tool does not take."""
        if tool.signature is not None:
            context = Context(self._call.call_id, self._call.caller, self._call.profile, self._metadata)
            function = tool.signature.bound(arguments, context)
            return lambda: told(function())
        if tool.kind == "operator":
            return None
        asked = {
            "call_id": self._call.call_id,
            "caller": self._call.caller,
            "profile": self._call.profile,
            "function_call_id": call.id,
            "name": tool.name,
            "arguments": arguments,
        }
        return self._line.http_tools.work(tool, tool_calls.command_id(call.id), self._record.clock(), asked)

    # -- doing -----------------------------------------------------------------------------------------------------

    async def _work_off(self, batch: Batch) -> None:
        batch.open = len(batch.jobs)
        async with asyncio.TaskGroup() as together:
            for job in batch.jobs:
                together.create_task(self._do(job, batch))

    async def _do(self, job: Job, batch: Batch) -> None:
        if job.refused is None:
            answer = await self._answer(job)
            self._open -= 1
        else:
            answer = job.refused
        self._give(job, answer)
        batch.open -= 1
        if not batch.open:
            self._go_on(batch.announced, batch.rounds)
        await self._settle(Outcome(job.call.id, answer.state, answer.code, answer.by))

    async def _answer(self, job: Job) -> Answer:
        if job.decision is not None and (said := await self._decided(job, job.decision)) is not None:
            return said
        assert job.tool is not None and job.work is not None  # noqa: S101  # so it was judged
        slot = self._line.tool_pool.take(self._call.number)
        if slot is None:
            return _no("no_slot")
        result = slot.run(job.tool.name, job.work)
        done, _ = await asyncio.wait([result], timeout=job.tool.timeout)
        if not done:
            return _no("timeout")
        code = result.result().code
        return _no(code) if code else Answer(result.result().output, "answered")

    async def _decided(self, job: Job, decision: asyncio.Future[Decision]) -> Answer | None:
        """What the model is told where an operator's word ends it; None where the tool may run."""
        assert job.tool is not None  # noqa: S101  # it was judged
        self._note(job.call, "waiting")
        done, _ = await asyncio.wait([decision], timeout=job.tool.patience)
        self._waiting.pop(job.call.id, None)
        if not done:
            return _no("no_operator")
        said = decision.result()
        if not said.approved:
            return _no("denied", by=said.by)
        if job.tool.kind == "operator":
            return Answer(said.text or "approved", "answered", by=said.by)
        return None if await self._begin(job, said.by) else _no("interrupted", by=said.by)

    async def _begin(self, job: Job, by: str) -> bool:
        self._note(job.call, "started", by=by)
        return await self._line.writer.insist(
            partial(
                tool_runs.start,
                node_id=self._line.node_id,
                epoch=self._call.epoch,
                number=self._call.number,
                function_call_id=job.call.id,
                by=by,
                at=self._record.clock(),
            )
        )

    def _give(self, job: Job, answer: Answer) -> None:
        """The output goes to the model."""
        self._commands.ask(
            tool_calls.answer(job.call.id, answer.output),
            by=f"tool:{tool_calls.noted_name(job.call.name)}",
            source=TOOL,
            command_id=tool_calls.command_id(job.call.id),
        )
        self._note(job.call, answer.state, code=answer.code, by=answer.by)

    def _go_on(self, announced: Announced, rounds: int) -> None:
        self._commands.ask(
            tool_calls.next_response(rounds), by="tools", source=TOOL, command_id=announced.command_id
        )

    def _note(self, call: FunctionCall, state: State, **facts: str | None) -> None:
        name = tool_calls.noted_name(call.name)
        self._record.note(NOTED, function_call_id=call.id, name=name, state=state, **facts)

    async def _settle(self, outcome: Outcome) -> None:
        await self._line.writer.insist(
            partial(
                tool_runs.settle,
                node_id=self._line.node_id,
                epoch=self._call.epoch,
                number=self._call.number,
                outcomes=[outcome],
                at=self._record.clock(),
            )
        )

    # -- what an earlier holder left ---------------------------------------------------------------------------------

    async def _recall(self) -> Memory:
        while True:
            try:
                return await asyncio.to_thread(
                    recall, self._line.store, self._call.call_id, self._record.clock(), self._keeps_words
                )
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY_SECONDS)

    async def _resume(self, left: Left) -> None:
        """What was not begun may begin; what was begun is not run again."""
        if left.is_new:
            await self._take_up(left.announced)
            return
        for given in left.given:
            await self._settle(Outcome(given, "answered"))
        batch = Batch(left.announced, self._rounds + 1)
        batch.jobs = [self._judged(call, batch.rounds) for call in left.waiting]
        batch.jobs += [Job(call, refused=_no(code, state=state)) for call, code, state in left.lost]
        if batch.jobs:
            await self._work_off(batch)
        else:
            self._go_on(left.announced, batch.rounds)


def _no(code: str, more: str = "", state: State = "refused", by: str | None = None) -> Answer:
    return Answer(refusal(code, more), state, code, by)


def _refused(call: FunctionCall, code: str, more: str = "") -> Job:
    return Job(call, refused=_no(code, more))
