"""Python values as they are sent: rows, records, columns, and MLflow's own form untouched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlxkit.deployments.values import body_of


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"x": [1, 2], "y": (3, 4)}, {"inputs": {"x": [1, 2], "y": [3, 4]}}),
        ({"x": [1, 2], "y": 3}, {"x": [1, 2], "y": 3}),
        ({"x": [1, 2], "y": [3]}, {"x": [1, 2], "y": [3]}),
        ({"x": 1}, {"x": 1}),
        ({}, {}),
        ({"inputs": [[1]]}, {"inputs": [[1]]}),
        ({"messages": [{"role": "user"}]}, {"messages": [{"role": "user"}]}),
        ([[1, 2]], [[1, 2]]),
        (b"[[1]]", [[1]]),
        (bytearray(b'{"inputs": [1]}'), {"inputs": [1]}),
    ],
)
def test_the_form_says_what_it_is(data: Any, body: Any) -> None:
    assert json.loads(body_of(data)) == body
