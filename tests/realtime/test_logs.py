"""Every line is one JSON object, and nothing that must stay unsaid is in it, whoever wrote it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from realtime import logs
from realtime.errors import Misconfigured, UpstreamRefused
from realtime.secret import Secret

SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na=fingerprint:canary"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Lines:
    buffer = io.StringIO()

    def read() -> list[dict[str, Any]]:
        logging.getLogger().handlers[0].flush()
        out = buffer.getvalue()
        assert "canary" not in out
        return [json.loads(line) for line in out.splitlines()]

    configure("debug", buffer)
    return read


def configure(level: str, buffer: io.StringIO) -> None:
    logs.configure(level)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    assert handler.setStream(buffer) is sys.stdout


def test_our_lines_and_the_libraries_are_alike(lines: Lines) -> None:
    structlog.get_logger("ours").info("call_answered", call_id="call_1", number=7)
    logging.getLogger("gunicorn.error").warning("Booting %s", "worker", extra={"pid": 9})
    ours, theirs = lines()
    assert list(ours)[:3] == list(theirs)[:3] == ["ts", "level", "event"]
    assert (ours["level"], ours["event"], ours["call_id"], ours["number"]) == (
        "info",
        "call_answered",
        "call_1",
        7,
    )
    assert (theirs["level"], theirs["event"], theirs["pid"]) == ("warning", "Booting worker", 9)
    assert ours["ts"].endswith("Z")


def test_the_level_is_kept(lines: Lines) -> None:
    buffer = io.StringIO()
    configure("warning", buffer)
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    structlog.get_logger().warning("loud")
    logging.getLogger().handlers[0].flush()
    assert [json.loads(line)["event"] for line in buffer.getvalue().splitlines()] == ["loud"]


@pytest.mark.parametrize("level", ["", "loud", "7"])
def test_an_unknown_level_is_told_in_a_sentence(level: str) -> None:
    with pytest.raises(Misconfigured, match="LOG_LEVEL"):
        logs.configure(level)


@pytest.mark.parametrize(
    "key",
    ["sdp", "offer", "answer", "authorization", "Authorization", "api_key", "api-key", "token", "secret", "transcript",
     "text", "body", "upstream_body", "access_token", "client_secret"],
)  # fmt: skip
def test_a_value_is_masked_by_its_key_at_any_depth(lines: Lines, key: str) -> None:
    structlog.get_logger().info("x", **{key: "canary"}, nested={"list": [{key: ["canary"]}]})
    logging.getLogger("theirs").info("x", extra={key: "canary"})
    ours, theirs = lines()
    assert ours[key] == ours["nested"]["list"][0][key] == theirs[key] == "(masked)"


def test_tokens_may_be_counted(lines: Lines) -> None:
    structlog.get_logger().info("x", input_tokens=12, context="fine")
    (line,) = lines()
    assert (line["input_tokens"], line["context"]) == (12, "fine")


@pytest.mark.parametrize(
    "value",
    [
        Secret("canary"),
        [Secret("canary")],
        {"x": {"y": (Secret("canary"),)}},
        b"canary",
        SDP,
        repr(SDP),
        {"deep": [SDP]},
        "Bearer canary.token",
        "authorization: bearer canary",
        "the key ek_canary12345 was used",
        "sk-proj-canary-123456",
        "{'api-key': 'canary'}",
        "api_key=canary",
        ValueError(SDP),
        object(),
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": "canary"}}}}}}},
    ],
)
def test_a_value_is_masked_by_its_kind_and_by_its_look(lines: Lines, value: object) -> None:
    structlog.get_logger().info("x", value=value)
    logging.getLogger("theirs").info("value %s and %r", value, value) if isinstance(
        value, (Secret, str)
    ) else None
    assert lines()


def test_a_traceback_shows_no_values_of_variables(lines: Lines) -> None:
    def fail(hidden: str, sealed: Secret) -> None:
        local = hidden * 2
        assert local
        raise UpstreamRefused("It refused.", upstream_body=hidden, request_id="r")

    hidden = "can" + "ary"  # a traceback quotes the line that failed, and this one must not hold the word
    for log in (structlog.get_logger().exception, logging.getLogger("theirs").exception):
        try:
            fail(hidden, Secret(hidden))
        except UpstreamRefused:
            log("failed")
    for line in lines():
        assert "UpstreamRefused: It refused." in line["exception"]


def test_a_chained_failure_is_scrubbed(lines: Lines) -> None:
    bearer = "Bearer can" + "ary"
    try:
        try:
            raise ValueError(f"cannot send {SDP!r}")
        except ValueError as cause:
            raise RuntimeError(f"header {bearer!r} is wrong") from cause
    except RuntimeError:
        structlog.get_logger().exception("failed")
    (line,) = lines()
    assert "RuntimeError" in line["exception"]


@pytest.mark.parametrize(
    "name", ["websockets.client", "urllib3.connectionpool", "azure.core", "msal", "sqlalchemy.engine"]
)
def test_libraries_that_would_write_frames_and_headers_may_not_at_any_level(lines: Lines, name: str) -> None:
    logging.getLogger(name).debug("< TEXT 'canary'")
    logging.getLogger(name).error("broken")
    assert [line["event"] for line in lines()] == ["broken"]


def test_gunicorn_takes_the_configuration() -> None:
    from gunicorn.config import Config  # type: ignore[import-untyped]
    from gunicorn.glogging import Logger  # type: ignore[import-untyped]

    config = Config()
    config.set("logconfig_dict", logs.gunicorn_logconfig("info"))
    logger = Logger(config)
    assert logger.error_log.propagate
    logger.error_log.handlers.clear()
