"""profiles.toml becomes sessions, or one sentence that says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime.errors import Misconfigured
from realtime.profiles import Profiles

GOOD = '[default]\nmodel = "gpt-realtime"\ntranscription = "gpt-4o-transcribe"\n'


def load(folder: Path, text: str) -> Profiles:
    file = folder / "profiles.toml"
    file.write_text(text, "utf-8")
    return Profiles.load(file)


def test_the_projects_own_file_is_right() -> None:
    profiles = Profiles.load(Path(__file__).parents[2] / "profiles.toml")
    default = profiles.get("default")
    assert default is not None
    assert (default.model, default.transcription, default.voice) == (
        "gpt-realtime",
        "gpt-4o-transcribe",
        "marin",
    )
    assert (default.recording, default.underlying) == ("preferred", None)
    assert profiles.names == ["default"]
    assert profiles.get("other") is None


def test_a_session_is_the_ga_shape(tmp_path: Path) -> None:
    profile = load(tmp_path, GOOD + 'instructions = "Be kind."\nvoice = "marin"\n').get("default")
    assert profile is not None
    assert profile.session_object() == {
        "type": "realtime",
        "model": "gpt-realtime",
        "instructions": "Be kind.",
        "audio": {
            "input": {"transcription": {"model": "gpt-4o-transcribe"}},
            "output": {"voice": "marin"},
        },
    }


def test_without_transcription_the_session_names_none(tmp_path: Path) -> None:
    profile = load(tmp_path, '[default]\nmodel = "m"\ntranscription = false\n').get("default")
    assert profile is not None
    assert profile.transcription is None
    assert profile.session_object() == {"type": "realtime", "model": "m"}


def test_the_session_table_is_laid_deep_over_the_rest(tmp_path: Path) -> None:
    text = GOOD + (
        "[default.session]\noutput_modalities = ['text']\n"
        "[default.session.audio.input.transcription]\nlanguage = 'de'\n"
        "[default.session.audio.input.turn_detection]\ntype = 'semantic_vad'\n"
    )
    profile = load(tmp_path, text).get("default")
    assert profile is not None
    session = profile.session_object()
    assert session["output_modalities"] == ["text"]
    assert session["audio"]["input"]["transcription"] == {"model": "gpt-4o-transcribe", "language": "de"}
    session["audio"]["input"]["turn_detection"]["type"] = "changed"
    session["output_modalities"].append("changed")
    assert "changed" not in json.dumps(profile.session_object())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["[default]"]),
        ("not toml", ["TOML"]),
        ("[" * 5000, ["TOML"]),
        (GOOD.replace("default", "other"), ["[default]"]),
        ('model = "m"\n' + GOOD, ["model", "outside"]),
        (GOOD + "colour = 1\nshape = 2\n", ["[default]", "colour, shape"]),
        ('[default]\ntranscription = "t"\n', ["[default]", "model"]),
        ('[default]\nmodel = "m"\n', ["[default]", "transcription", "false"]),
        ('[default]\nmodel = "m"\ntranscription = true\n', ["transcription"]),
        ('[default]\nmodel = " "\ntranscription = "t"\n', ["model"]),
        ('[default]\nmodel = 7\ntranscription = "t"\n', ["model"]),
        (GOOD + "voice = 1\n", ["voice"]),
        (GOOD + "instructions = ''\n", ["instructions"]),
        (GOOD + "recording = 'always'\n", ["recording", "'preferred'", "'required'", "'metadata'", "'off'"]),
        (GOOD + "recording = ['preferred']\n", ["recording", "'preferred'"]),
        (GOOD + "consent = true\n", ["[default]", "consent", "version"]),
        (GOOD + "consent = 'two words'\n", ["[default]", "consent", "version"]),
        (GOOD + "redact = 1\n", ["[default.redact]", "patterns", "function"]),
        (GOOD + "[default.redact]\n", ["[default.redact]", "patterns", "function"]),
        (GOOD + "[default.redact]\nwords = ['a']\n", ["[default.redact]", "patterns", "function"]),
        (GOOD + "[default.redact]\npatterns = 'a'\n", ["[default.redact]", "patterns", "list"]),
        (GOOD + "[default.redact]\npatterns = ['']\n", ["[default.redact]", "patterns", "empty"]),
        (GOOD + "[default.redact]\npatterns = []\n", ["[default.redact]", "patterns", "empty"]),
        (GOOD + "[default.redact]\npatterns = ['a', '(b']\n", ["[default.redact]", "patterns", "'(b'"]),
        (
            GOOD + "[default.redact]\nfunction = 'str.upper'\n",
            ["[default.redact]", "package.module:function"],
        ),
        (GOOD + "[default.redact]\nfunction = 'no.such:f'\n", ["[default.redact]", "no.such:f", "imported"]),
        (
            GOOD + "[default.redact]\nfunction = 'json:no_such'\n",
            ["[default.redact]", "json:no_such", "imported"],
        ),
        (GOOD + "[default.redact]\nfunction = 'math:pi'\n", ["[default.redact]", "math:pi", "called"]),
        (GOOD + "underlying = false\n", ["underlying"]),
        (GOOD + "session = 1\n", ["[default.session]"]),
        (GOOD + "[default.session]\ntype = 'transcription'\n", ["[default.session]", "type"]),
        (GOOD + "[default.session]\nmodel = 'm'\n", ["[default.session]", "model"]),
        (GOOD + "[default.session]\nx = nan\n", ["[default.session]", "JSON"]),
        (GOOD + "[default.session]\nx = 2026-01-01\n", ["[default.session]", "JSON"]),
        (GOOD + '["a b"]\nmodel = "m"\ntranscription = false\n', ["[a b]", "name"]),
        (GOOD + f'[{"a" * 65}]\nmodel = "m"\ntranscription = false\n', ["name"]),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(tmp_path, text)
    sentence = str(refused.value)
    assert [word for word in ["profiles.toml", *words] if word not in sentence] == []
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("more", "needs_connect", "keeps_words"),
    [
        ("", False, True),
        ("recording = 'required'\n", True, True),
        ("recording = 'metadata'\n", False, False),
        ("recording = 'off'\n", False, False),
        ("consent = '2026-11-v1'\n", True, True),
        ("[default.redact]\npatterns = ['a']\n", False, False),
    ],
)
def test_a_profile_says_what_may_be_kept_and_whether_a_call_may_pass_us_by(
    tmp_path: Path, more: str, needs_connect: bool, keeps_words: bool
) -> None:
    profile = load(tmp_path, GOOD + more).get("default")
    assert profile is not None
    assert (profile.needs_connect, profile.keeps_words) == (needs_connect, keeps_words)


def test_patterns_and_a_function_are_one_function(tmp_path: Path) -> None:
    text = GOOD + "[default.redact]\npatterns = ['[0-9]{4,}']\nfunction = 'textwrap:dedent'\n"
    profile = load(tmp_path, text).get("default")
    assert profile is not None and profile.redact is not None
    assert profile.redact.compiled()("  my pin is 12345") == "my pin is [redacted]"


def test_a_missing_or_binary_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="SWITCHBOARD_PROFILES"):
        Profiles.load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match=r"binary\.toml"):
        Profiles.load(tmp_path / "binary.toml")


def test_a_profile_says_for_how_many_days_its_calls_are_kept(tmp_path: Path) -> None:
    kept = load(tmp_path, GOOD + "retention_days = 30\n").get("default")
    assert kept is not None
    assert kept.retention_days == 30
    for_ever = load(tmp_path, GOOD).get("default")
    assert for_ever is not None
    assert for_ever.retention_days is None


@pytest.mark.parametrize("days", ["0", "-1", "36501", "1.5", "true", '"30"'])
def test_days_that_are_none_are_refused(tmp_path: Path, days: str) -> None:
    with pytest.raises(
        Misconfigured, match=r"\[default\]: retention_days must be a whole number from 1 to 36500"
    ):
        load(tmp_path, GOOD + f"retention_days = {days}\n")
