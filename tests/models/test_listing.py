"""A listing of models asks about single versions only where the newest is not the one that is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlxkit.integrations.mlflow.registry.client import ClientRegistry
from mlxkit.integrations.mlflow.rest import Rest
from mlxkit.models.service import ModelService
from tests.fixtures.shelf import BETTER, GOOD, Shelf


def test_only_models_whose_newest_version_is_not_in_production_cost_a_request(
    server_shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, behind = server_shelf.name, f"{server_shelf.name}-behind"
    server_shelf.stock(GOOD, BETTER)
    server_shelf.stock(GOOD, BETTER, name=behind)
    server_shelf.service.promote(f"{newest}:2", "production")
    server_shelf.service.promote(f"{behind}:1", "production")
    asked: list[str] = []
    real = Rest.call

    def call(self: Rest, method: str, path: str, body: Any = None, **options: Any) -> Any:
        if path == "/model-versions/get":
            asked.append(body["name"])
        return real(self, method, path, body, **options)

    monkeypatch.setattr(Rest, "call", call)
    listed = {model.name: model for model in ModelService().list()}
    assert (listed[newest].version, listed[newest].metrics["val_rmse"]) == (2, 0.70)
    assert (listed[behind].version, listed[behind].metrics["val_rmse"]) == (1, 0.75)
    assert newest not in asked
    assert asked.count(behind) == 1


def test_a_model_comes_with_its_newest_version_however_it_is_asked_for(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, labels=("1.0.0", "1.1.0"))
    shelf.service.promote(f"{shelf.name}:2", "staging")
    registries = [shelf.service.registry]
    if shelf.scenario == "local":
        other: Any = ModelService().registry
        other._made = ClientRegistry(other.connection, lambda _: None)
        registries.append(other)
    for registry in registries:
        newest = registry.version(shelf.name, 2)
        assert newest.aliases == ("staging",)
        found = [registry.model(shelf.name), *(m for m in registry.models() if m.name == shelf.name)]
        assert [model.newest for model in found] == [newest, newest]
    assert shelf.service.registry.version(shelf.name, 2).tags


def test_a_listing_is_as_long_as_it_was_asked_to_be(mlx: Any, local_shelf: Shelf) -> None:
    for number in range(3):
        local_shelf.stock(GOOD, name=f"m{number}")
    assert [model.name for model in local_shelf.service.list(limit=2)] == ["m0", "m1"]
    assert mlx("model", "list", "--limit", "1", "-o", "name").stdout == "m0\n"
    assert len(json.loads(mlx("model", "list", "-o", "json").stdout)) == 3
    assert mlx("model", "list", "--limit", "0").code == 2
