"""References to models: taken apart, and looked up in real registries."""

from __future__ import annotations

import pytest

from mlxkit.errors import NotFoundError, UsageError
from mlxkit.models.references import ModelReference, parse, resolve
from tests.fixtures.shelf import BETTER, GOOD, ODD, Shelf


@pytest.mark.parametrize(
    ("text", "name", "alias", "version"),
    [
        ("iris", "iris", None, None),
        ("iris:7", "iris", None, "7"),
        ("iris:v7", "iris", None, "v7"),
        ("iris:1.0.0", "iris", None, "1.0.0"),
        ("iris:latest", "iris", None, "latest"),
        ("iris@production", "iris", "production", None),
        ("my model-1.x@a_b-c", "my model-1.x", "a_b-c", None),
        ("a@b@c", "a@b", "c", None),
        ("a@b c", "a@b c", None, None),
        ("a@b:3", "a@b", None, "3"),
        ("models:/iris/7", "iris", None, "7"),
        ("models:/iris@production", "iris", "production", None),
        ("models:/iris/Production", "iris", "production", None),
        ("models:/iris/latest", "iris", None, "latest"),
        ("models:/a@b/3", "a@b", None, "3"),
        ("models:/iris", "iris", None, None),
    ],
)
def test_a_reference_is_taken_apart(text: str, name: str, alias: str | None, version: str | None) -> None:
    assert parse(text) == ModelReference(name, alias, version)


@pytest.mark.parametrize(
    "text",
    ["", " ", ":7", "iris:", "iris@", "@production", "models:/", "models://7", "models:/iris/", "models:/m-0a1b2c", "a/b:1", "runs:/x/model"],
)  # fmt: skip
def test_what_is_no_reference_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_only_plain_digits_are_a_number() -> None:
    assert (parse("iris:7").number, parse("iris:v7").number) == (7, 7)
    assert (parse("iris:٧").number, parse("iris:v７").number) == (None, None)


def test_every_way_to_name_a_version_finds_it(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, ODD, labels=("1.0.0", "1.1.0", "1.0.0"))
    registry = shelf.service.registry
    registry.set_alias(shelf.name, "production", 1)
    registry.set_alias(shelf.name, "champion", 2)
    for suffix, number in {
        ":1": 1, ":v2": 2, ":1.1.0": 2, ":1.0.0": 3, "": 3, ":latest": 3, "@latest": 3, "@production": 1,
        "@Production": 1, "@champion": 2,
    }.items():  # fmt: skip
        assert resolve(registry, shelf.name + suffix).version == number, suffix
    assert resolve(registry, f"models:/{shelf.name}/2").version == 2
    assert resolve(registry, f"models:/{shelf.name}@production").aliases == ("production",)
    assert resolve(registry, f"models:/{shelf.name}/Production").version == 1


def test_what_is_not_there_is_named_with_what_is(shelf: Shelf) -> None:
    shelf.stock(GOOD, BETTER, labels=("1.0.0", "1.1.0"))
    registry = shelf.service.registry
    registry.set_alias(shelf.name, "production", 1)
    for suffix, words in {
        ":9": "no version '9'",
        ":v9": "it has: 2 (1.1.0), 1 (1.0.0)",
        ":1.1.o": "(did you mean '1.1.0'?)",
        ":production": "that is an alias",
        "@prodution": "(did you mean 'production'?); it has: production",
        "@staging": f"no version of '{shelf.name}' is 'staging'",
        ":99999999999999999999": "no version",
    }.items():
        with pytest.raises(NotFoundError) as told:
            resolve(registry, shelf.name + suffix)
        assert words in told.value.message, suffix
        assert told.value.hint
    with pytest.raises(NotFoundError) as told:
        resolve(registry, f"{shelf.name}x:1")
    assert f"no model '{shelf.name}x' (did you mean '{shelf.name}'?)" == told.value.message


def test_a_stage_of_mlflow_2_is_found_as_the_alias_it_became(local_shelf: Shelf) -> None:
    local_shelf.stock(GOOD, BETTER)
    local_shelf.in_mlflow(
        "import mlflow, json; c = mlflow.MlflowClient();"
        "c.transition_model_version_stage('iris', '1', 'Production'); print(json.dumps(None))"
    )
    registry = local_shelf.service.registry
    assert resolve(registry, "iris@production").version == 1
    assert local_shelf.service.get("iris:1").stage == "production"
    registry.set_alias("iris", "production", 2)
    assert resolve(registry, "iris@production").version == 2
