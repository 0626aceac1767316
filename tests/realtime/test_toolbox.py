"""What an operator may write of tools, and what a model may write of arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.errors import Misconfigured
from realtime.profiles import Profiles
from realtime.toolbox import ARGUMENTS_MAX_BYTES, BadArguments, Tool

HEAD = '[default]\nmodel = "m"\ntranscription = false\n'
MODULE = "tests.observer.operators_tools"
ASK = '[default.tools.ask]\nkind = "operator"\ndescription = "d"\n'


def load(folder: Path, text: str, head: str = HEAD) -> Profiles:
    file = folder / "profiles.toml"
    file.write_text(head + text)
    return Profiles.load(file)


def python(name: str, more: str = "") -> str:
    return f'[default.tools.t]\nkind = "python"\nfunction = "{MODULE}:{name}"\n{more}'


def tool(folder: Path, text: str, name: str = "t") -> Tool:
    profile = load(folder, text).get("default")
    assert profile is not None
    return profile.tools[name]


def test_a_function_says_what_it_takes(tmp_path: Path) -> None:
    made = tool(tmp_path, python("weather"))
    assert made.as_json() == {
        "type": "function",
        "name": "t",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 40},
                "unit": {"enum": ["c", "f"], "default": "c"},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    }


def test_the_session_has_the_tools_behind_those_of_mcp_servers(tmp_path: Path) -> None:
    mcp = '[[default.session.tools]]\ntype = "mcp"\nserver_label = "s"\nserver_url = "https://mcp.example.com"\n'
    profile = load(tmp_path, python("weather") + mcp).get("default")
    assert profile is not None and profile.needs_connect
    assert [one["type"] for one in profile.session_object()["tools"]] == ["mcp", "function"]
    assert [one["type"] for one in profile.session_object()["tools"]] == ["mcp", "function"]


def test_the_context_is_not_the_models_to_give(tmp_path: Path) -> None:
    made = tool(tmp_path, python("order"))
    assert list(made.parameters["properties"]) == ["order_id"]
    with pytest.raises(BadArguments):
        made.read('{"order_id": 1, "context": {}}')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('tools = "x"', "must hold a table for each tool"),
        ("[default.tools]", "must hold a table for each tool"),
        ('[default.tools."a b"]\nkind = "python"', "name may have letters"),
        ('[default.tools.t]\nkind = "shell"', "kind must be"),
        (python("nothing"), "can't be imported"),
        ('[default.tools.t]\nkind = "python"\nfunction = "os.path.join"', "must be named as"),
        ('[default.tools.t]\nkind = "python"\nfunction = "pathlib:Path"', "plain function"),
        (
            '[default.tools.t]\nkind = "python"\nfunction = "json:dumps"\n',
            "must be a parameter with a name and a type",
        ),
        (python("weather", "timeout = 0"), "timeout must be seconds"),
        (python("weather", "timeout = 601"), "timeout must be seconds"),
        (python("weather", 'confirm = "yes"'), "confirm must be true or false"),
        (python("weather", 'url = "https://x.example"'), "unknown keys: url"),
        (ASK, "parameters must be set"),
        (ASK + "parameters = {}", 'type = "object"'),
        (ASK + 'parameters = {type = "object", properties = 7}', "is no JSON schema"),
        (ASK + 'parameters = {type = "object", not = {"$ref" = "https://x.example/s"}}', "under $defs"),
        (ASK + "confirm = true\nparameters = {}", "unknown keys: confirm"),
        (
            python("weather") + '[[default.session.tools]]\ntype = "function"\nname = "x"',
            "exactly one side",
        ),
        (python("weather") + '[default.session]\ntools = "x"', "tools must be a list"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(tmp_path, text)
    assert says in str(refused.value) and "[default" in str(refused.value)


def test_tools_need_an_observer(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no observer"):
        load(tmp_path, python("weather"), HEAD + 'recording = "off"\n')


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "null",
        "[]",
        '"x"',
        "{",
        '{"city": 1}',
        '{"city": NaN}',
        '{"city": "\\ud800"}',
        '{"city": "Rome", "x": 1}',
        '{"city": "Rome", "unit": "k"}',
        '{"city": ' + "[" * 10_000,
        '{"city": "' + "x" * ARGUMENTS_MAX_BYTES + '"}',
        '{"city": ' + "1" * 5_000 + "}",
    ],
)
def test_arguments_that_are_wrong(tmp_path: Path, arguments: str) -> None:
    with pytest.raises(BadArguments) as refused:
        tool(tmp_path, python("weather")).read(arguments)
    assert len(str(refused.value)) <= 300


def test_references_within_a_schema_are_followed(tmp_path: Path) -> None:
    schema = (
        '{type = "object", "$defs" = {n = {type = "integer"}}, properties = {a = {"$ref" = "#/$defs/n"}}}'
    )
    made = tool(tmp_path, ASK + f"parameters = {schema}", "ask")
    assert made.read('{"a": 1}') == {"a": 1}
    with pytest.raises(BadArguments):
        made.read('{"a": "1"}')
