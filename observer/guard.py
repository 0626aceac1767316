"""The guard of one call: it holds what is said against the rules of the call's profile, and acts on those that act.

Knows what to do once a text breaks a rule. What a rule is stands in realtime/guardrails.py, where it runs in
guardrails.py. A rule that fails is noted; nothing waits for it, the record least of all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Final

from call_log.call import Call
from observer.commands import Commands
from observer.ending import Wish
from observer.guardrails import Guardrails
from observer.operator_processes import Outcome
from observer.record import Record
from realtime.fields import Event
from realtime.guardrails import Guardrail, Words, words_of
from realtime.turn_account import Ids

OBSERVER: Final = "observer"
BROKEN: Final = "observer.guardrail"
FAILED: Final = "observer.guardrail_failed"


class Guard:
    """Of one held call."""

    def __init__(
        self,
        call: Call,
        guardrails: Guardrails,
        record: Record,
        commands: Commands,
        wish: Callable[[Wish], None],
        is_ours: Callable[[str], bool],
    ) -> None:
        """`is_ours` tells the items that this house created from the caller's."""
        self._call, self._record, self._commands = call, record, commands
        self._wish_for, self._is_ours = wish, is_ours
        self._rules, self._processes = guardrails.of(call.profile)
        self._asked: set[asyncio.Future[Outcome]] = set()
        self._typed, self._failing = Ids(), dict[str, str | None]()
        self._is_closed = False

    def hear(self, event: Event) -> None:
        """One event of the upstream that is on disk."""
        words = words_of(event) if self._rules else None
        if words is None or self._is_ours(words.item_id) or self._is_told_again(event, words):
            return
        for rule in self._rules:
            if rule.concerns(words.side):
                self._ask(rule, words)

    async def settled(self) -> None:
        """Wait until everything that was said so far is judged; within the limits it always is."""
        await asyncio.gather(*self._asked)
        self._is_closed = True

    def close(self) -> None:
        """Somebody else holds the call: what is not judged yet stays so."""
        self._is_closed = True

    def _is_told_again(self, event: Event, words: Words) -> bool:
        """A typed item may be announced by two names."""
        if "item" not in event:
            return False
        if words.item_id in self._typed:
            return True
        self._typed.add(words.item_id)
        return False

    def _ask(self, rule: Guardrail, words: Words) -> None:
        assert self._processes is not None  # noqa: S101  # who has rules has processes
        context = {"side": words.side, "item_id": words.item_id, "rule": rule.name} | {
            "call_id": self._call.call_id,
            "profile": self._call.profile,
        }
        frame = json.dumps({"rule": rule.name, "text": words.text, "context": context}).encode()
        outcome = self._processes.submit(frame)
        self._asked.add(outcome)
        outcome.add_done_callback(partial(self._judged, rule, words))

    def _judged(self, rule: Guardrail, words: Words, answer: asyncio.Future[Outcome]) -> None:
        self._asked.discard(answer)
        if self._is_closed:
            return
        outcome = answer.result()
        if outcome.body is None:
            self._failed(rule, outcome)
            return
        self._failing.pop(rule.name, None)
        if outcome.body:
            self._broken(rule, words, outcome.body.decode())

    def _failed(self, rule: Guardrail, outcome: Outcome) -> None:
        """Noted once for each run of equal causes."""
        if self._failing.get(rule.name) != outcome.cause:
            self._failing[rule.name] = outcome.cause
            self._record.note(FAILED, rule=rule.name, cause=outcome.cause, error=outcome.error)

    def _broken(self, rule: Guardrail, words: Words, reason: str) -> None:
        self._record.note(
            BROKEN,
            rule=rule.name,
            side=words.side,
            item_id=words.item_id,
            reason=reason,
            action=rule.action,
            shadow=rule.shadow,
        )
        if rule.enforces and rule.action == "interrupt":
            self._commands.ask({"type": "interrupt"}, by=f"guardrail:{rule.name}")
        elif rule.enforces:
            self._wish_for(Wish("policy_guardrail", OBSERVER))
