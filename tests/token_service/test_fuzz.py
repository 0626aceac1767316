"""Whatever the contract allows, and much that it does not: never a 5xx that is not documented, never another shape."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import responses
import schemathesis
import yaml
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

CONTRACT = yaml.safe_load((Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml").read_text())
# Pages are files; there is nothing in them to vary.
CONTRACT["paths"] = {
    path: spec
    for path, spec in CONTRACT["paths"].items()
    if "pages" not in spec.get("get", {}).get("tags", ())
}


@schemathesis.serializer("application/sdp")
def as_it_is(context: Any, value: Any) -> Any:
    """An offer is text or bytes and goes out as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_dict(CONTRACT)
schema.config.generation.update(modes=list(GenerationMode), deterministic=True)


def keeps_its_contract(operation: str) -> Any:
    method, path = operation.split(" ", 1)

    @schema.include(path=path, method=method).parametrize()
    @settings(
        max_examples=25,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    def test(case: Any, app: Flask) -> None:
        with responses.RequestsMock(assert_all_requests_are_fired=False):
            answer = case.call(app=app)
        case.validate_response(answer)

    return test


# One function for each: Schemathesis gives all tests that it makes of one function the same id.
for found in schema.get_all_operations():
    assert isinstance(found, Ok)
    name = re.sub(r"\W+", "_", found.ok().label)
    globals()[f"test_it_keeps_its_contract_{name}"] = keeps_its_contract(found.ok().label)
