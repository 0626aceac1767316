"""Named session configurations, read from a TOML file that an operator writes. It checks what the operator wrote and
says what is wrong in one sentence; it does not know what the upstream will accept beyond the shape of a session."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.caps import Caps
from realtime.errors import Misconfigured
from realtime.guardrails import Guardrail
from realtime.prices import Prices
from realtime.redaction import Redaction
from realtime.tamper_rules import TamperRules
from realtime.toolbox import Tool, read_tools

DEFAULT = "default"
RECORDING_MODES = ("preferred", "required", "metadata", "off")
CONSENT_VERSION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEYS = (
    "model",
    "transcription",
    "instructions",
    "voice",
    "recording",
    "consent",
    "underlying",
    "retention_days",
    "redact",
    "limits",
    "tools",
    "watch",
    "guardrails",
    "session",
)
RETENTION_LONGEST_DAYS = 36_500
_REQUIRED = ("model", "transcription")


@dataclass(frozen=True)
class Profile:
    """One table of the file. `model`: the model, on Azure the deployment; `underlying` names the model for prices when
    the two differ. `transcription`: the model or deployment that writes down the caller's words, None for none.
    `recording`: one of RECORDING_MODES. `consent`: the version of the statement without which no call is opened, None
    where none is asked for. `retention_days`: for so long after its end a call is kept, None for ever. `redact`: what
    is taken out of every text before it is stored. `limits`: what a call may use. `tools`: what the observer runs for
    the model. `watch`: what a page may do on its data channel, None where nobody looks. `guardrails`: what is looked
    for in what is said. `session`: whatever else of the GA session object, as it stands."""

    name: str
    model: str
    transcription: str | None
    instructions: str | None = None
    voice: str | None = None
    recording: str = "preferred"
    consent: str | None = None
    underlying: str | None = None
    retention_days: int | None = None
    redact: Redaction | None = None
    limits: Caps | None = None
    tools: Mapping[str, Tool] = field(default_factory=dict)
    watch: TamperRules | None = None
    guardrails: tuple[Guardrail, ...] = ()
    session: Mapping[str, Any] = field(default_factory=dict)

    @property
    def priced_as(self) -> str:
        """The name by which `prices.py` knows its model."""
        return self.underlying or self.model

    @property
    def needs_connect(self) -> bool:
        """Whether its calls must go through us: a direct one would be neither recorded, watched, agreed to nor bounded,
        and its tools would not run."""
        wanted = self.recording == "required" or self.consent is not None
        bounded = self.limits is not None or bool(self.tools)
        watched = self.watch is not None and self.watch.enforces
        return wanted or bounded or watched or any(rule.enforces for rule in self.guardrails)

    @property
    def keeps_words(self) -> bool:
        """Whether texts may be stored as they come."""
        return self.recording in ("preferred", "required") and self.redact is None

    def session_object(self) -> dict[str, Any]:
        """The GA session (OpenAI's API schema), a new one each time, with `[name.session]` laid deep over it."""
        session: dict[str, Any] = {"type": "realtime", "model": self.model}
        if self.instructions is not None:
            session["instructions"] = self.instructions
        if self.transcription is not None:
            session["audio"] = {"input": {"transcription": {"model": self.transcription}}}
        if self.voice is not None:
            session.setdefault("audio", {})["output"] = {"voice": self.voice}
        _lay_over(session, self.session)
        if self.tools:
            session["tools"] = session.get("tools", []) + [tool.as_json() for tool in self.tools.values()]
        return session


class Profiles:
    """All profiles by name; there is always a `default`."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles = dict(profiles)

    @classmethod
    def load(cls, path: Path | str) -> Profiles:
        """Reads the file. Raises Misconfigured with one sentence that names file, profile and key."""
        tables = _tables(Path(path))
        if DEFAULT not in tables:
            raise Misconfigured(f"{path}: a profile [{DEFAULT}] must be there; add it.")
        return cls({name: _profile(f"{path}", name, table) for name, table in tables.items()})

    def get(self, name: str) -> Profile | None:
        return self._profiles.get(name)

    def keep_words(self, name: str, recording: str) -> bool:
        """Whether texts of a call under this profile may be stored as they come. Not where the profile is gone: nobody
        knows what it wanted. `recording`: the call's own, as it was dialled."""
        profile = self.get(name)
        return profile is not None and profile.keeps_words and recording != "metadata"

    def require_prices(self, prices: Prices) -> None:
        """Raises Misconfigured where a limit of spend can't be kept, because there is no price to count by."""
        for name, profile in self._profiles.items():
            models = [profile.priced_as] + ([profile.transcription] if profile.transcription else [])
            unpriced = [model for model in models if not prices.knows(model)]
            if unpriced and profile.limits is not None and profile.limits.is_about_money:
                raise Misconfigured(
                    f"profile {name}: its limits of spend can't be kept, because {unpriced[0]} has no price; add one "
                    "to the file of SWITCHBOARD_PRICES (or name its model there, in [deployments])."
                )

    @property
    def names(self) -> list[str]:
        return list(self._profiles)


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as cause:
        raise Misconfigured(
            f"{path}: cannot be read; set SWITCHBOARD_PROFILES to the file of profiles."
        ) from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise Misconfigured(f"{path}: is no TOML ({cause}); correct it.") from cause


def _profile(file: str, name: str, table: object) -> Profile:
    where = f"{file}: [{name}]"
    if not _NAME.fullmatch(name):
        raise Misconfigured(
            f"{where}: a profile's name may have letters, digits, _ and -, at most 64; rename it."
        )
    if not isinstance(table, dict):
        raise Misconfigured(
            f"{file}: {name} stands outside of any profile; move it under a heading such as [{DEFAULT}]."
        )
    _check_keys(where, table)
    return Profile(
        name=name,
        model=_text(where, table, "model"),
        transcription=None
        if table["transcription"] is False
        else _text(where, table, "transcription", " or false"),
        instructions=_text(where, table, "instructions") if "instructions" in table else None,
        voice=_text(where, table, "voice") if "voice" in table else None,
        recording=_recording(where, table),
        consent=_consent(where, table),
        underlying=_text(where, table, "underlying") if "underlying" in table else None,
        retention_days=_days(where, table["retention_days"]) if "retention_days" in table else None,
        redact=_redact(where, table),
        limits=_limits(where, table),
        tools=_tools(where, table),
        watch=_watch(where, table),
        guardrails=_guardrails(where, table),
        session=_session(where, table.get("session", {})),
    )


def _check_keys(where: str, table: Mapping[str, Any]) -> None:
    unknown = sorted(table.keys() - set(_KEYS))
    if unknown:
        raise Misconfigured(f"{where}: unknown keys: {', '.join(unknown)}; known are {', '.join(_KEYS)}.")
    blind = [key for key in ("watch", "guardrails") if key in table and table.get("recording") == "off"]
    if blind:
        raise Misconfigured(f"{where}: {blind[0]} needs an observer, and recording = 'off' has none.")
    missing = [key for key in _REQUIRED if key not in table]
    if missing:
        hint = "; write false for none" if missing == ["transcription"] else ""
        raise Misconfigured(f"{where}: {' and '.join(missing)} must be set{hint}.")


def _text(where: str, table: Mapping[str, Any], key: str, alternative: str = "") -> str:
    value = table[key]
    if not isinstance(value, str) or not value.strip():
        raise Misconfigured(f"{where}: {key} must be a text that is not empty{alternative}.")
    return value


def _recording(where: str, table: Mapping[str, Any]) -> str:
    mode = table.get("recording", RECORDING_MODES[0])
    if mode not in RECORDING_MODES:
        raise Misconfigured(
            f"{where}: recording must be {' or '.join(map(repr, RECORDING_MODES))}; no other is supported."
        )
    return str(mode)


def _days(where: str, days: object) -> int:
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= RETENTION_LONGEST_DAYS:
        raise Misconfigured(
            f"{where}: retention_days must be a whole number from 1 to {RETENTION_LONGEST_DAYS}; "
            "leave it out to keep calls for ever."
        )
    return days


def _consent(where: str, table: Mapping[str, Any]) -> str | None:
    version = table.get("consent")
    if version is not None and not (isinstance(version, str) and CONSENT_VERSION.fullmatch(version)):
        raise Misconfigured(
            f"{where}: consent must be the version of your statement: letters, digits, _ . and -, at most 64."
        )
    return version


def _redact(where: str, table: Mapping[str, Any]) -> Redaction | None:
    if "redact" not in table:
        return None
    return Redaction.read(where.removesuffix("]") + ".redact]", table["redact"])


def _limits(where: str, table: Mapping[str, Any]) -> Caps | None:
    if "limits" not in table:
        return None
    if table.get("recording") == "off":
        raise Misconfigured(f"{where}: limits can't be kept where recording is 'off': no observer is there.")
    return Caps.read(where.removesuffix("]") + ".limits]", table["limits"])


def _tools(where: str, table: Mapping[str, Any]) -> Mapping[str, Tool]:
    if "tools" not in table:
        return {}
    if table.get("recording") == "off":
        raise Misconfigured(f"{where}: recording is 'off', so that no observer is there to run its tools.")
    return read_tools(where, table["tools"], _session(where, table.get("session", {})))


def _watch(where: str, table: Mapping[str, Any]) -> TamperRules | None:
    if "watch" not in table:
        return None
    return TamperRules.read(where.removesuffix("]") + ".watch]", table["watch"])


def _guardrails(where: str, table: Mapping[str, Any]) -> tuple[Guardrail, ...]:
    where, rules = where.removesuffix("]") + ".guardrails", table.get("guardrails", {})
    if not isinstance(rules, dict):
        raise Misconfigured(f"{where}]: must hold a table for each rule, such as {where}.cards].")
    return tuple(Guardrail.read(f"{where}.{name}]", name, rule) for name, rule in rules.items())


def _session(where: str, session: object) -> Mapping[str, Any]:
    where = where.removesuffix("]") + ".session]"
    if not isinstance(session, dict):
        raise Misconfigured(f"{where}: must be a table.")
    if session.get("type", "realtime") != "realtime":
        raise Misconfigured(f"{where}: type must be 'realtime', or be left out.")
    if "model" in session:
        raise Misconfigured(f"{where}: model belongs one level up, beside transcription; move it there.")
    try:
        json.dumps(session, allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise Misconfigured(
            f"{where}: may hold only what JSON can say (no dates, no nan, no inf)."
        ) from cause
    return session


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _lay_over(below[key], value)
        else:
            below[key] = copy.deepcopy(value)
    return below
