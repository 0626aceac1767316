"""docs/openapi.yaml is the contract: it is valid, and it names exactly the routes that there are."""

import re
from pathlib import Path

import pytest
import yaml
from flask import Flask
from openapi_spec_validator import validate

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())


def test_it_is_valid() -> None:
    validate(CONTRACT)


def test_it_names_exactly_the_routes_that_there_are(app: Flask) -> None:
    written = {
        (path, method.upper())
        for path, operations in CONTRACT["paths"].items()
        for method in operations
        if method != "parameters"
    }
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert written == served


@pytest.mark.parametrize("page", ["README.md"])
def test_every_route_stands_in_the_readme(page: str) -> None:
    text = (ROOT / page).read_text()
    missing = [path for path in CONTRACT["paths"] if not path.startswith("/static") and f"`{path}" not in text
               and f" {path}`" not in text and f" {path}?" not in text]  # fmt: skip
    assert missing == []
