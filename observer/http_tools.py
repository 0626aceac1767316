"""Tools behind HTTP: what is sent to the operator's address, and what of its answer the model may have.

Knows the body and the headers; how a request is made and bounded is outbound.py's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from observer.outbound import Answer, Outbound, check_url, signed
from observer.tool_pool import Result, told
from realtime.errors import Misconfigured
from realtime.profiles import Profiles
from realtime.secret import Secret
from realtime.tool_calls import RESULT_MAX_BYTES
from realtime.toolbox import Tool

GRACE_SECONDS = 1.0
"""The run's own deadline comes first, so that its end has one name."""


class HttpTools:
    """Of one process."""

    def __init__(self, profiles: Profiles, secret: Secret | None) -> None:
        """Raises Misconfigured for an address that nobody should be sent to, and without anything to sign with."""
        for where, tool in _http(profiles):
            check_url(f"{where} url", tool.url, private=tool.private)
            if secret is None:
                raise Misconfigured(
                    f"{where}: set SWITCHBOARD_WEBHOOK_SECRET, by which the tool knows who asks it."
                )
        if secret is not None:
            signed(secret, "msg_of_the_start", 0, b"")
        self._secret = secret
        self._outbound = {private: Outbound(private=private) for private in (False, True)}

    def work(self, tool: Tool, message_id: str, at: int, asked: dict[str, Any]) -> Callable[[], Result]:
        """One request, ready to be sent from a thread. `message_id` is the same for the same function call; `at`: UTC
        milliseconds."""
        assert self._secret is not None  # noqa: S101  # no tool without it, see above
        body = json.dumps(asked).encode()
        headers = signed(self._secret, message_id, at // 1000, body)
        outbound, seconds = self._outbound[tool.private], tool.timeout + GRACE_SECONDS

        def send() -> Result:
            most = RESULT_MAX_BYTES
            return _judged(outbound.post(tool.url, body, headers, seconds=seconds, most_bytes=most))

        return send


def _judged(answer: Answer) -> Result:
    if not 200 <= answer.status < 300:
        return Result(code="failed")
    if not answer.is_whole:
        return Result(code="too_large")
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        return Result(code="bad_result")
    return Result(code="bad_result") if "\0" in text else told(text)


def _http(profiles: Profiles) -> list[tuple[str, Tool]]:
    found = [(name, profile) for name in profiles.names if (profile := profiles.get(name))]
    tools = [(name, tool) for name, profile in found for tool in profile.tools.values()]
    return [(f"[{name}.tools.{tool.name}]", tool) for name, tool in tools if tool.kind == "http"]
