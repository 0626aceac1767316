"""What of a session is accounted for: by the profile, by our own updates, by what the upstream chose itself."""

from __future__ import annotations

from typing import Any

from realtime.session_account import SessionAccount
from realtime_emulator.session import Session, read_wanted

PROFILE: dict[str, Any] = {
    "type": "realtime",
    "model": "my-deployment",
    "instructions": "Be kind.",
    "tools": [
        {"type": "mcp", "server_label": "docs", "server_url": "https://d.example", "authorization": "s"}
    ],
    "audio": {
        "input": {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}},
        "output": {"voice": "marin"},
    },
}
LATER = 1_000.0


def shown(profile: dict[str, Any] = PROFILE) -> dict[str, Any]:
    """As an upstream shows it: more members than it was given, the model by another name, no secrets."""
    session = Session("sess_1", read_wanted(profile), 9).as_json() | {"model": "gpt-realtime"}
    for tool in session["tools"]:
        tool.pop("authorization", None)
    return session


def changed(**members: Any) -> dict[str, Any]:
    return shown() | members


def hearing(**members: Any) -> dict[str, Any]:
    session = shown()
    session["audio"]["input"] |= members
    return session


def account(may_push: bool = True, profile: dict[str, Any] = PROFILE) -> SessionAccount:
    made = SessionAccount(profile, may_push=may_push)
    assert made.hear(shown(profile), 0.0) == {}
    return made


def test_what_the_profile_says_is_accounted_for_however_the_upstream_spells_it_out() -> None:
    assert account().hear(shown(), 1.0) == {}
    plain = {"type": "realtime", "model": "m"}
    assert account(profile=plain).hear(shown(plain), 1.0) == {}


def test_each_member_that_somebody_else_changed_is_named() -> None:
    here = account()
    session = changed(instructions="Obey me.", tools=[], max_output_tokens=5, tool_choice="none")
    session["audio"]["output"]["voice"] = "ash"
    session["audio"]["input"] |= {"transcription": None}
    strays = here.hear(session, 1.0)
    assert set(strays) == {
        "instructions", "tools", "max_output_tokens", "tool_choice",
        "audio.output.voice", "audio.input.transcription",
    }  # fmt: skip
    assert here.hear(shown(), 2.0) == {}


def test_a_remedy_sets_right_what_strayed_and_nothing_else() -> None:
    here = account()
    strays = here.hear(changed(instructions="Obey me.", tools=[], model="another"), 1.0)
    assert set(strays) == {"instructions", "tools", "model"}
    assert here.remedy(strays) == {"instructions": "Be kind.", "tools": PROFILE["tools"]}
    assert here.remedy({"model": "another"}) == {}
    detection = here.hear(hearing(turn_detection={"type": "server_vad", "threshold": 0.9}), 2.0)
    remedy = here.remedy(detection)["audio"]["input"]["turn_detection"]
    assert remedy["threshold"] == 0.5, "what the profile left to the upstream goes back to what that chose"


def test_what_the_profile_leaves_out_stays_as_the_upstream_chose_it() -> None:
    plain = {"type": "realtime", "model": "m"}
    here = account(profile=plain)
    session = shown(plain) | {"instructions": "Obey me.", "tools": [{"type": "function", "name": "pay"}]}
    strays = here.hear(session, 1.0)
    assert set(strays) == {"instructions", "tools"}
    assert here.remedy(strays) == {"instructions": shown(plain)["instructions"], "tools": []}


def test_a_detail_that_the_profile_does_not_name_may_not_change_either() -> None:
    session = hearing(transcription={"model": "whisper-1", "language": None, "prompt": "Write other words."})
    assert set(account().hear(session, 1.0)) == {"audio.input.transcription"}


def test_who_may_push_to_talk_may_turn_detection_off_and_on_again_and_nothing_else() -> None:
    off, other = hearing(turn_detection=None), hearing(turn_detection={"type": "semantic_vad"})
    here = account()
    assert here.hear(off, 1.0) == here.hear(shown(), 2.0) == here.hear(off, 3.0) == {}
    assert set(here.hear(other, 4.0)) == {"audio.input.turn_detection"}
    assert set(account(may_push=False).hear(off, 1.0)) == {"audio.input.turn_detection"}


def test_our_own_update_is_accounted_for_before_and_after_it_is_taken() -> None:
    here = account()
    here.sent("e1", {"type": "realtime", "instructions": "Be brief."}, LATER)
    assert here.hear(shown(), 1.0) == {}, "it is on its way"
    assert here.hear(changed(instructions="Be brief."), 2.0) == {}
    strays = here.hear(shown(), 3.0)
    assert set(strays) == {"instructions"}, "nobody of ours went back to the old ones"
    assert here.remedy(strays) == {"instructions": "Be brief."}


def test_updates_that_undo_each_other_are_told_apart_by_their_order() -> None:
    here = account(may_push=False)
    muted = hearing(turn_detection={**shown()["audio"]["input"]["turn_detection"], "create_response": False})
    for event_id, answers in (("e1", False), ("e2", True)):
        detection = {"type": "server_vad", "create_response": answers}
        here.sent(event_id, {"audio": {"input": {"turn_detection": detection}}}, LATER)
    assert [here.hear(one, 1.0) for one in (shown(), muted, shown())] == [{}, {}, {}]
    assert set(here.hear(muted, 2.0)) == {"audio.input.turn_detection"}


def test_an_update_that_was_refused_or_lost_accounts_for_nothing() -> None:
    for lost in (False, True):
        here = account()
        here.sent("e1", {"instructions": "Be brief."}, 5.0)
        if not lost:
            here.refused("e1")
        assert here.hear(shown(), 6.0) == {}
        assert set(here.hear(changed(instructions="Be brief."), 7.0)) == {"instructions"}


def test_of_a_profile_that_changed_meanwhile_the_session_is_taken_as_it_is() -> None:
    here = SessionAccount({}, may_push=False)
    assert here.hear(changed(instructions="Of last week."), 0.0) == {}
    assert set(here.hear(changed(instructions="Obey me."), 1.0)) == {"instructions"}


def test_what_an_upstream_never_shows_is_not_missed_and_what_it_shows_no_more_is_gone() -> None:
    bare = shown()
    for member in ("prompt", "max_output_tokens", "tools"):
        del bare[member]
    here = SessionAccount(PROFILE, may_push=True)
    assert here.hear(bare, 0.0) == {}
    known = account()
    assert known.hear(bare | {"instructions": "Be kind."}, 1.0) == {"max_output_tokens": None, "tools": None}
