"""Stages as other tools write them: in other letters, or as MLflow 2 kept them."""

from __future__ import annotations

import pytest

from mlxkit.errors import InUseError, NotFoundError
from tests.fixtures.shelf import BETTER, GOOD, ODD, Shelf

_ALIAS = """
import json, sys, mlflow
for alias, version in json.loads(sys.argv[2]).items():
    mlflow.MlflowClient().set_registered_model_alias(sys.argv[1], alias, str(version))
print("null")
"""
_STAGE = """
import json, sys, warnings, mlflow
warnings.simplefilter("ignore")
client = mlflow.MlflowClient()
for version, stage in json.loads(sys.argv[2]).items():
    client.transition_model_version_stage(sys.argv[1], version, stage)
print("null")
"""
_STAGES_NOW = """
import json, sys, mlflow
found = mlflow.MlflowClient().search_model_versions(f"name = '{sys.argv[1]}'")
print(json.dumps({item.version: item.current_stage for item in found}))
"""


def test_a_stage_in_two_spellings_is_one_stage_and_goes_as_one(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, ODD)
    shelf.in_mlflow(_ALIAS, shelf.name, '{"Production": 3, "production": 2}')
    service = shelf.service
    assert (
        service.get(f"{shelf.name}@Production").version
        == service.get(f"{shelf.name}@production").version
        == 2
    )
    assert service.unset(shelf.name, "Production").previous == 2
    assert shelf.aliases() == {}
    with pytest.raises(NotFoundError):
        service.get(f"{shelf.name}@Production")


def test_a_stage_in_capitals_is_found_shown_moved_and_unset(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, ODD)
    shelf.in_mlflow(_ALIAS, shelf.name, '{"Staging": 2, "PRODUCTION": 1, "Champion": 1}')
    service = shelf.service
    assert service.get(f"{shelf.name}@staging").version == 2
    assert service.get(f"{shelf.name}:2").stage == "staging"
    assert [move.alias for move in service.history(shelf.name)] == ["Champion", "production", "staging"]
    assert {item.name: item.version for item in service.list(limit=1000)}[shelf.name] == 1
    done = service.promote(f"{shelf.name}:3", "Staging")
    assert (done.previous, done.alias) == (2, "staging")
    assert shelf.aliases() == {"staging": 3, "PRODUCTION": 1, "Champion": 1}
    assert service.promote(f"{shelf.name}:1", "archived").left == ("production",)
    assert shelf.aliases() == {"staging": 3, "archived": 1, "Champion": 1}
    with pytest.raises(NotFoundError, match="did you mean 'Champion'"):
        service.unset(shelf.name, "champion")


def test_a_stage_of_mlflow_2_guards_its_version_as_an_alias_does(shelf: Shelf) -> None:
    shelf.stock(GOOD)
    shelf.in_mlflow(_STAGE, shelf.name, '{"1": "Production"}')
    for reference in (f"{shelf.name}:1", shelf.name):
        with pytest.raises(InUseError, match="is production") as told:
            shelf.service.delete(reference)
        assert f"mlx model unset {shelf.name} --stage production" in (told.value.hint or "")
    assert shelf.service.delete(f"{shelf.name}:1", force=True).aliases == ("production",)


def test_a_stage_of_mlflow_2_is_unset_and_gone(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER)
    shelf.in_mlflow(_STAGE, shelf.name, '{"1": "Production"}')
    assert shelf.service.unset(shelf.name, "production").previous == 1
    assert shelf.in_mlflow(_STAGES_NOW, shelf.name) == {"1": "None", "2": "None"}
    with pytest.raises(NotFoundError):
        shelf.service.get(f"{shelf.name}@production")


def test_a_promotion_takes_a_stage_of_mlflow_2_over(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, ODD)
    shelf.in_mlflow(_STAGE, shelf.name, '{"1": "Production", "2": "Staging", "3": "Archived"}')
    service = shelf.service
    done = service.promote(f"{shelf.name}:2", "production")
    assert (done.previous, done.left) == (1, ("staging",))
    assert shelf.in_mlflow(_STAGES_NOW, shelf.name) == {"1": "None", "2": "None", "3": "Archived"}
    assert shelf.aliases() == {"production": 2}
    assert [service.get(f"{shelf.name}:{number}").stage for number in (1, 2, 3)] == [
        None,
        "production",
        "archived",
    ]
    assert service.rollback(shelf.name, "production").version == 1
