"""Responses of every kind: with functions, out of band, with input of their own, too long."""

import asyncio
from typing import Any

import pytest

TEXT_ONLY = {"output_modalities": ["text"]}
WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
TIME = {"type": "function", "name": "get_time", "parameters": {"type": "object"}}
LONDON = {"name": "get_weather", "arguments": {"city": "London"}}


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def create(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item}


def output_of(call: dict[str, Any], output: str) -> dict[str, Any]:
    return create({"type": "function_call_output", "call_id": call["call_id"], "output": output})


async def script(emulator: Any, call: Any, **said: Any) -> None:
    await emulator.control("POST", "/emulator/script", {"call_id": call.call_id, **said}, 204)


def text_of(event: dict[str, Any]) -> str:
    return str(event["response"]["output"][0]["content"][0]["text"])


@pytest.mark.parametrize(
    ("session", "asked"),
    [
        ({}, {}),
        ({"tools": [TIME]}, {}),
        ({"tools": [WEATHER], "tool_choice": "none"}, {}),
        ({"tools": [WEATHER]}, {"tools": []}),
        ({"tools": [WEATHER]}, {"tool_choice": "none"}),
    ],
)
def test_a_function_that_may_not_be_called_is_not(
    emulator: Any, caller: Any, session: dict[str, Any], asked: dict[str, Any]
) -> None:
    async def talk() -> list[str]:
        async with caller(emulator, connects=False, session=TEXT_ONLY | session) as call:
            await script(emulator, call, tools={"Weather?": LONDON}, replies={"Weather?": "I cannot know."})
            await call.tell(create(user("Weather?")), {"type": "response.create", "response": asked})
            done = await call.wait_for("response.done")
            return [item["type"] for item in done["response"]["output"]] + [text_of(done)]

    assert asyncio.run(talk()) == ["message", "I cannot know."]


def test_several_functions_are_called_in_one_response_and_their_outputs_used_in_one_answer(
    emulator: Any, caller: Any
) -> None:
    calls = [LONDON | {"reply": "I looked: {output}"}, {"name": "get_time", "arguments": "{}"}]

    async def talk() -> tuple[list[dict[str, Any]], str]:
        async with caller(emulator, connects=False, session=TEXT_ONLY | {"tools": [WEATHER, TIME]}) as call:
            await script(emulator, call, tools={"Weather and time?": calls})
            await call.tell(create(user("weather and time")), {"type": "response.create"})
            called = (await call.wait_for("response.done"))["response"]["output"]
            await call.tell(output_of(called[0], '{"sky": "grey", "degrees": 12}'))
            await call.tell(output_of(called[1], "Noon."), {"type": "response.create"})
            return called, text_of(await call.wait_for("response.done", 2))

    called, answer = asyncio.run(talk())
    assert [(one["name"], one["arguments"]) for one in called] == [
        ("get_weather", '{"city": "London"}'),
        ("get_time", "{}"),
    ]
    assert answer == "I looked: sky: grey, degrees: 12 Noon."


def test_the_same_question_calls_the_function_again_and_a_repeated_response_does_not(
    emulator: Any, caller: Any
) -> None:
    async def talk() -> list[str]:
        async with caller(emulator, connects=False, session=TEXT_ONLY | {"tools": [WEATHER]}) as call:
            await script(emulator, call, tools={"Weather?": LONDON})
            await call.tell(create(user("Weather?")), {"type": "response.create"})
            done = await call.wait_for("response.done")
            await call.tell(output_of(done["response"]["output"][0], "Fog."), {"type": "response.create"})
            await call.wait_for("response.done", 2)
            await call.tell({"type": "response.create"})
            await call.wait_for("response.done", 3)
            await call.tell(create(user("Weather?")), {"type": "response.create"})
            await call.wait_for("response.done", 4)
            return [event["response"]["output"][0]["type"] for event in call.named("response.done")]

    assert asyncio.run(talk()) == ["function_call", "message", "message", "function_call"]


def test_a_function_call_that_is_cancelled_says_so(emulator: Any, caller: Any) -> None:
    long = {"name": "get_weather", "arguments": {"cities": "London, " * 300}}

    async def talk() -> dict[str, Any]:
        async with caller(emulator, connects=False, session=TEXT_ONLY | {"tools": [WEATHER]}) as call:
            await script(emulator, call, tools={"Weather?": long})
            await call.tell(create(user("Weather?")), {"type": "response.create"})
            await call.wait_for("response.function_call_arguments.delta")
            await call.tell({"type": "response.cancel"})
            done = await call.wait_for("response.done")
            assert call.types()[-4:-1] == [
                "response.function_call_arguments.done",
                "conversation.item.done",
                "response.output_item.done",
            ]
            return dict(done["response"])

    response = asyncio.run(talk())
    assert (response["status"], response["output"][0]["status"]) == ("cancelled", "incomplete")


def test_a_response_out_of_band_runs_beside_and_leaves_no_trace_in_the_conversation(
    emulator: Any, caller: Any
) -> None:
    aside = {"conversation": "none", "metadata": {"topic": "sorting"}, "input": [user("Which kind?")]}

    async def talk() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        async with caller(emulator, connects=False, session=TEXT_ONLY) as call:
            await script(emulator, call, replies={"Tell me.": "word " * 100, "Which kind?": "A question."})
            await call.tell(
                create(user("Tell me.")),
                {"type": "response.create"},
                {"type": "response.create", "response": aside},
            )
            await call.wait_for("response.done", 2)
            await call.tell({"type": "response.create", "response": {"input": []}})
            await call.wait_for("response.done", 3)
            return call.named("response.done"), call.named("conversation.item.added")

    (beside, main, empty), added = asyncio.run(talk())
    assert (beside["response"]["conversation_id"], beside["response"]["metadata"]) == (
        None,
        {"topic": "sorting"},
    )
    assert text_of(beside) == "A question."
    assert main["response"]["conversation_id"]
    assert "This is the emulator" in text_of(empty), "it reads nothing of the conversation"
    asides = {item["id"] for item in beside["response"]["output"]}
    assert len(added) == 3
    assert asides.isdisjoint(event["item"]["id"] for event in added)


def test_a_response_out_of_band_is_cancelled_by_its_id_alone(emulator: Any, caller: Any) -> None:
    aside = {"conversation": "none", "input": [user("Tell me.")]}

    async def talk() -> tuple[str, dict[str, Any]]:
        async with caller(emulator, connects=False, session=TEXT_ONLY) as call:
            await script(emulator, call, replies={"Tell me.": "word " * 500})
            await call.tell({"type": "response.create", "response": aside}, {"type": "response.cancel"})
            error = await call.wait_for("error")
            response_id = call.named("response.created")[0]["response"]["id"]
            await call.tell({"type": "response.cancel", "response_id": response_id})
            return error["error"]["code"], (await call.wait_for("response.done"))["response"]

    code, response = asyncio.run(talk())
    assert code == "response_cancel_not_active"
    assert response["status"] == "cancelled"


def test_items_are_given_to_a_response_by_reference(emulator: Any, caller: Any) -> None:
    async def talk() -> tuple[str, str]:
        async with caller(emulator, connects=False, session=TEXT_ONLY) as call:
            await script(emulator, call, replies={"One?": "First.", "Two?": "Second."})
            await call.tell(create(user("One?") | {"id": "item_one"}), create(user("Two?")))
            given = {"conversation": "none", "input": [{"type": "item_reference", "id": "item_one"}]}
            await call.tell({"type": "response.create", "response": given})
            done = await call.wait_for("response.done")
            unknown = {"input": [{"type": "item_reference", "id": "nobody"}]}
            await call.tell({"type": "response.create", "response": unknown})
            return text_of(done), (await call.wait_for("error"))["error"]["code"]

    assert asyncio.run(talk()) == ("First.", "item_not_found")


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_a_response_that_would_be_too_long_is_incomplete(emulator: Any, caller: Any, modality: str) -> None:
    async def talk() -> dict[str, Any]:
        async with caller(emulator, connects=False) as call:
            asked = {"output_modalities": [modality], "max_output_tokens": 40}
            await script(emulator, call, replies={"Tell me.": "word " * 100})
            await call.tell(create(user("Tell me.")), {"type": "response.create", "response": asked})
            return dict((await call.wait_for("response.done"))["response"])

    response = asyncio.run(talk())
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"
    assert 20 <= response["usage"]["output_tokens"] <= 40


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"conversation": "none", "input": "x"}, "response.input"),
        ({"input": [3]}, "item"),
        ({"metadata": {"a": 1}}, "response.metadata"),
        ({"metadata": {"a" * 65: "x"}}, "response.metadata"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "response.metadata"),
    ],
)
def test_what_no_response_can_be_made_of_is_refused(
    emulator: Any, caller: Any, asked: dict[str, Any], param: str
) -> None:
    async def talk() -> tuple[Any, list[str]]:
        async with caller(emulator, connects=False) as call:
            await call.tell({"type": "response.create", "response": asked})
            return (await call.wait_for("error"))["error"]["param"], call.types()

    assert asyncio.run(talk()) == (param, ["error"])
