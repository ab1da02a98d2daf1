"""Names of models: which are made, and which that others made can still be used."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from mlxkit.errors import NotFoundError, UsageError
from mlxkit.models.references import meant, parse
from mlxkit.stacks.registries import LoggedModel
from tests.fixtures.shelf import BETTER, GOOD, Shelf


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "a\u202eb", "m" * 251])
def test_names_that_no_store_or_no_terminal_takes_are_refused(shelf: Shelf, name: str) -> None:
    item = shelf.logged[GOOD]
    with pytest.raises(UsageError):
        shelf.service.registry.register(
            name, LoggedModel("model", item.uri, item.run_id, item.model_id), tags={}
        )
    with pytest.raises(NotFoundError):
        shelf.service.registry.model(name)


def test_a_name_of_the_longest_kind_is_taken(shelf: Shelf) -> None:
    name = f"{shelf.name} ü".ljust(250, "m")
    shelf.stock(GOOD, name=name)
    assert shelf.service.get(name).name == name


def test_a_model_that_others_gave_an_odd_name_can_be_deleted(local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD)
    with closing(sqlite3.connect(".mlx/mlflow/mlflow.db")) as db:
        db.execute("INSERT INTO registered_models (name, workspace) VALUES (?, 'default')", ("a\nb",))
        db.commit()
    local_shelf.service.registry.delete("a\nb")
    assert [model.name for model in local_shelf.service.list()] == ["iris"]


def test_a_model_whose_name_holds_an_at_is_used_by_its_bare_name(mlx: Any, shelf: Shelf) -> None:
    name = f"{shelf.name}-x@b"
    shelf.stock(GOOD, BETTER, name=name)
    assert shelf.service.get(name).version == 2
    assert shelf.service.describe(name).to_dict()["latest"] == 2
    assert len(shelf.service.versions(name)) == 2
    assert mlx("model", "promote", name, "--to", "production").code == 0
    assert shelf.aliases(name) == {"production": 2}
    assert shelf.service.get(f"{name}@production").version == 2
    assert len(shelf.service.history(name)) == 1
    shelf.service.tag(name, {"team": "a"})
    assert dict(shelf.service.registry.model(name).tags)["team"] == "a"
    shelf.service.unset(name, "production")
    shelf.service.delete(name)
    with pytest.raises(NotFoundError):
        shelf.service.registry.model(name)


def test_an_alias_of_a_model_that_is_there_is_never_another_model(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    shelf.stock(GOOD, name=f"{shelf.name}@production")
    reference = f"{shelf.name}@production"
    assert meant(shelf.service.registry, reference) == parse(reference)
    with pytest.raises(NotFoundError):
        shelf.service.get(reference)
    shelf.service.promote(f"{shelf.name}:2", "production")
    assert shelf.service.get(reference).reference == f"{shelf.name}:2"
