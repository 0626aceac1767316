"""What a profile lets a page do on its data channel, and what is done about the rest. It checks what the operator
wrote.

It knows no call: what was done on one is session_account.py's and turn_account.py's to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from realtime.errors import Misconfigured

Policy = Literal["note", "restore", "hang_up"]
Deed = Literal["type", "push_to_talk", "answer_tools", "ask"]

TYPE: Final = "type"
PUSH_TO_TALK: Final = "push_to_talk"
ANSWER_TOOLS: Final = "answer_tools"
ASK: Final = "ask"
DEEDS: Final = get_args(Deed)
_KEYS = ("policy", "page_may")


@dataclass(frozen=True)
class TamperRules:
    """`policy`: what is done about a trespass, beside noting it. `page_may`: `type` (items of the caller, and a
    response to each), `push_to_talk` (voice detection off and on, turns ended by hand), `answer_tools` (results of
    tools, and a response to each), `ask` (responses that nothing called for). The default is what the talk page does.
    """

    policy: Policy = "note"
    page_may: frozenset[str] = frozenset({TYPE, PUSH_TO_TALK})

    @classmethod
    def read(cls, where: str, table: object) -> TamperRules:
        """The table `[name.watch]`. Raises Misconfigured with one sentence that begins with `where`."""
        if not isinstance(table, dict) or not table.keys() <= set(_KEYS):
            raise Misconfigured(f"{where}: must be a table with {' and '.join(_KEYS)}, and nothing else.")
        return cls(_policy(where, table.get("policy", "note")), _page_may(where, table))

    @property
    def enforces(self) -> bool:
        """Whether anything is done beside noting."""
        return self.policy != "note"


def _policy(where: str, policy: Any) -> Policy:
    if policy not in get_args(Policy):
        raise Misconfigured(f"{where}: policy must be {' or '.join(map(repr, get_args(Policy)))}.")
    chosen: Policy = policy
    return chosen


def _page_may(where: str, table: dict[str, Any]) -> frozenset[str]:
    if "page_may" not in table:
        return TamperRules.page_may
    deeds = table["page_may"]
    if not isinstance(deeds, list) or not all(isinstance(deed, str) and deed in DEEDS for deed in deeds):
        raise Misconfigured(f"{where}: page_may must be a list of {', '.join(map(repr, DEEDS))}, or empty.")
    return frozenset(deeds)
