"""What is documented of JSON is what is printed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mlxkit.records import Record
from mlxkit.reference.jsonpage import PRINTED, json_page, keys_of, paths_of
from mlxkit.reference.pages import Term
from mlxkit.stacks.flavors import imported

FILE = """\
from typing import Annotated
from mlxkit import pipeline, step

@step
def load() -> Annotated[list, "rows"]:
    return [1, 2, 3]

@step
def count(rows: list) -> Annotated[int, "total"]:
    return len(rows)

@pipeline
def counting(start: int = 0) -> None:
    count(load())
"""
# command of the page -> what is typed after it
MORE = {
    "run --dry-run": "train.py",
    "run": "train.py", "runs compare": "first second", "runs rerun": "first", "artifact describe": "total",
    "pipeline describe": "counting", "secret get": "s",
}  # fmt: skip
# What prints nothing without a server, a cluster, or a store that others share.
NEEDS_OTHERS = (
    "model", "deployment", "tracker status", "run --detach", "runs list --team", "runs describe --team", "cache verify", "cache clear",
    "orchestrator test",
)  # fmt: skip


def cases() -> list[tuple[str, str]]:
    return [
        (target, command)
        for target, commands in PRINTED.items()
        for command in commands
        if not command.startswith(NEEDS_OTHERS)
    ]


@pytest.mark.parametrize(("target", "command"), cases())
def test_a_command_prints_the_keys_that_are_documented(
    mlx, target: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("train.py").write_text(FILE)
    monkeypatch.setenv("MLX_SECRET_S__KEY", "value")
    for name in ("first", "second"):
        assert (
            mlx("run", "train.py", "--name", name, *(["--start", "3"] if name == "second" else [])).code == 0
        )
    name = command.removesuffix("[]")
    done = mlx(*name.split(), *MORE.get(name, "").split(), "-o", "json")
    assert done.stdout, done.stderr
    printed = json.loads(done.stdout)
    assert isinstance(printed, list) == command.endswith("[]")
    first = printed[0] if isinstance(printed, list) else printed
    assert first["schema_version"] == 1
    assert set(first) - {"schema_version"} == set(keys_of(target))
    paths = paths_of(target)
    for container in {path.rpartition(".")[0] for path in paths} - {""}:
        documented = {path.rpartition(".")[2] for path in paths if path.rpartition(".")[0] == container}
        if "NAME" not in documented:
            assert [set(found) for found in found_at(first, container) if set(found) != documented] == []
    filled = {path for path in FILLED.get(name, ()) if list(found_at(first, path))}
    assert filled == set(FILLED.get(name, ()))


@pytest.mark.parametrize(
    "target",
    [target for target, commands in PRINTED.items() if all(c.startswith(NEEDS_OTHERS) for c in commands)],
)
def test_a_record_of_a_server_becomes_the_keys_that_are_documented(target: str) -> None:
    assert set(empty(imported(target)).to_dict()) - {"schema_version"} == set(keys_of(target))


def empty(record: type[Record]) -> Record:
    """Return a record with nothing in it."""
    holding = {"Mapping": {}, "tuple": ()}
    values: dict[str, Any] = {}
    for item in fields(record):
        outer = str(item.type).partition("[")[0]
        inner = vars(inspect.getmodule(record)).get(outer)
        is_record = isinstance(inner, type) and issubclass(inner, Record)
        values[item.name] = empty(inner) if is_record else holding.get(outer)
    return record(**values)


# What has something in it in this project, so that its keys are really compared.
FILLED = {
    "status": ("components.NAME", "last_run"),
    "doctor": ("findings[]",),
    "runs describe": ("steps[]", "steps[].outputs.NAME"),
    "runs graph": ("steps[]", "steps[].artifacts[]", "edges[]"),
    "runs compare": ("runs[]", "rows[]"),
    "runs rerun": ("steps[]",),
    "pipeline describe": ("recent[]",),
    "stack describe": ("components.NAME",),
    "flavor list": ("attributes[]",),
}


def found_at(value: Any, path: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that a documented path leads to."""
    found = [value]
    for part in path.replace("[]", ".[]").split("."):
        if part == "[]":
            found = [item for each in found for item in each]
        elif part == "NAME":
            found = [item for each in found for item in each.values()]
        else:
            found = [each[part] for each in found]
        found = [each for each in found if each is not None]
    yield from found


def test_every_record_is_explained() -> None:
    page = json_page()
    terms = [block.term for section in page.sections for block in section.blocks if isinstance(block, Term)]
    assert {"is_healthy", "metrics", "version_tag", "alias_now"} <= set(terms)
    assert {"findings[].state", "steps[].outputs.NAME.digest", "rows[].values", "edges[].source"} <= set(
        terms
    )


def test_what_is_inside_a_list_is_said() -> None:
    assert paths_of("mlxkit.checkup.findings:Checkup")["findings[].state"] == "text: ok, warn or fail"
    compared = paths_of("mlxkit.runs.compare:Comparison")
    assert compared["curves"] == "an object of objects of lists of pairs of numbers by name"
    assert compared["runs"].startswith("a list of objects. ")
    assert "got `source`'s artifacts" in paths_of("mlxkit.runs.graph:RunGraph")["edges"]
    assert {"from", "to"} <= set(keys_of("mlxkit.models.moves:Move"))
    assert not [text for target in PRINTED for text in paths_of(target).values() if text == "a list"]
