"""The registry does the same on a local store, on a server and through MLflow's client, and what that client would do."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import MlxError, NotFoundError, UsageError
from mlxkit.integrations.mlflow.registry.client import ClientRegistry
from mlxkit.integrations.mlflow.registry.registry import MlflowRegistry
from mlxkit.stacks.registries import LoggedModel, ModelVersion

from .contract import Place


@pytest.fixture(params=["local", "server"])
def place(request: pytest.FixtureRequest) -> Place:
    made: Place = request.getfixturevalue(f"{request.param}_models")
    return made


@pytest.fixture(params=["local", "server", "client"])
def both(request: pytest.FixtureRequest) -> tuple[Place, MlflowRegistry]:
    """A place and a registry on it; `client` is the local store through MLflow's own client."""
    scenario = "local" if request.param == "client" else request.param
    place: Place = request.getfixturevalue(f"{scenario}_models")
    registry = place.registry()
    if request.param == "client":
        registry._made = ClientRegistry(registry.connection, place.told.append)
    return place, registry


@pytest.fixture
def name(pipeline_name: str) -> str:
    return f"m-{pipeline_name}"


def logged(place: Place, registry: MlflowRegistry) -> LoggedModel:
    return next(m for m in registry.logged_models([place.made["run"]]) if m.model_id == place.made["model"])


def test_runs_are_read_with_their_last_metrics(both: tuple[Place, MlflowRegistry]) -> None:
    place, registry = both
    run = registry.run(place.made["run"])
    assert (run.name, run.status, run.experiment_id) == ("first", "FINISHED", place.made["experiment"])
    assert run.params == {"lr": "0.1", "depth": "3"}
    assert (run.metrics["loss"], run.metrics["acc"]) == (0.25, 0.9)
    assert math.isnan(run.metrics["broken"])
    assert run.ended is not None and 1.7e9 < run.started <= run.ended
    assert run.tags["mlx.run_id"] == "ours-1"
    assert run.url.endswith(f"/runs/{run.run_id}")


def test_many_runs_are_read_at_once_without_those_that_are_not_there(
    both: tuple[Place, MlflowRegistry],
) -> None:
    place, registry = both
    ids = [place.made[key] for key in ("run", "second", "old", "empty", "deleted")]
    found = registry.runs([*ids, ids[0], "0" * 32, "it's 'no' id", ""])
    assert set(found) == set(ids)
    assert found[place.made["deleted"]].params == {"a": "1"}
    assert registry.runs([]) == {}
    assert registry.runs(["0" * 32]) == {}


def test_runs_of_ours_are_found_oldest_first(both: tuple[Place, MlflowRegistry]) -> None:
    place, registry = both
    assert [run.run_id for run in registry.runs_of("ours-1")] == [place.made["run"], place.made["second"]]
    assert registry.runs_of("it's nobody's") == []
    assert registry.runs_of("ours'-1") == []  # a quote is not just left out


def test_a_run_that_is_not_there_is_named(both: tuple[Place, MlflowRegistry]) -> None:
    _, registry = both
    for run_id in ("0" * 32, "x", "../a b"):
        with pytest.raises(NotFoundError, match=f"no run '{re.escape(run_id)}'"):
            registry.run(run_id)


def test_logged_models_are_found_as_both_generations_keep_them(both: tuple[Place, MlflowRegistry]) -> None:
    place, registry = both
    made = place.made
    ids = [made["empty"], made["old"], made["second"], made["run"], "0" * 32]
    found = registry.logged_models(ids)
    assert [(m.name, m.uri, m.run_id, m.model_id) for m in found] == [
        ("model", f"models:/{made['model']}", made["run"], made["model"]),
        ("other", f"models:/{made['other']}", made["run"], made["other"]),
        ("nested/model", f"runs:/{made['old']}/nested/model", made["old"], ""),
    ]
    assert found[0].metrics["acc"] == 0.9
    assert found[1].tags["why"] == "it's new"
    assert registry.logged_models([]) == []


def test_a_version_is_registered_described_tagged_and_moved(
    both: tuple[Place, MlflowRegistry], name: str
) -> None:
    place, registry = both
    made = registry.register(name, logged(place, registry), description="why", tags={"a": "b", "e": ""})
    assert (made.version, made.source, made.run_id, made.model_id) == (
        1,
        f"models:/{place.made['model']}",
        place.made["run"],
        place.made["model"],
    )
    assert (made.description, made.status, dict(made.tags), made.aliases) == (
        "why",
        "READY",
        {"a": "b", "e": ""},
        (),
    )
    second = registry.register(name, logged(place, registry))
    registry.set_alias(name, "production", 1)
    registry.set_alias(name, "champion", 1)
    registry.set_alias(name, "production", 2)
    registry.set_alias(name, "nobody-s", None)
    registry.set_tags(name, {"a": None, "missing": None, "c": "x" * 5000}, version=1)
    registry.set_tags(name, {"team": "blue"})
    registry.set_description(name, "what it is for")
    registry.set_description(name, "", version=1)
    model = registry.model(name)
    assert (model.description, dict(model.tags), model.latest) == ("what it is for", {"team": "blue"}, 2)
    assert dict(model.aliases) == {"production": 2, "champion": 1}
    assert model in registry.models()
    assert model.updated >= second.created >= made.created >= model.created > 1.7e9
    newest, oldest = registry.versions(name)
    assert (newest.version, newest.aliases, oldest.aliases) == (2, ("production",), ("champion",))
    assert (oldest.description, dict(oldest.tags)) == ("", {"e": "", "c": "x" * 5000})
    assert registry.version(name, 1) == oldest
    assert registry.versions(name, limit=1) == [newest]
    registry.set_alias(name, "champion", None)
    assert dict(registry.model(name).aliases) == {"production": 2}


def test_a_deleted_version_s_number_is_not_given_again(both: tuple[Place, MlflowRegistry], name: str) -> None:
    place, registry = both
    for _ in range(2):
        registry.register(name, logged(place, registry))
    registry.set_alias(name, "production", 2)
    registry.delete(name, version=2)
    assert dict(registry.model(name).aliases) == {}
    assert registry.model(name).latest == 1
    for ask in (
        lambda: registry.version(name, 2),
        lambda: registry.delete(name, version=2),
        lambda: registry.set_alias(name, "production", 2),
        lambda: registry.set_tags(name, {"a": "b"}, version=2),
        lambda: registry.set_tags(name, {"a": None}, version=2),
        lambda: registry.set_description(name, "x", version=2),
    ):
        with pytest.raises(NotFoundError, match=f"model '{name}' has no version 2"):
            ask()
    assert registry.register(name, logged(place, registry)).version == 3
    registry.delete(name)
    with pytest.raises(NotFoundError):
        registry.model(name)
    assert registry.register(name, logged(place, registry)).version == 1
    assert registry.version(name, 1).aliases == ()


def test_what_is_not_there_is_named_with_what_is_like_it(
    both: tuple[Place, MlflowRegistry], name: str
) -> None:
    place, registry = both
    registry.register(name, logged(place, registry))
    wrong = name + "x"
    for ask in (
        lambda: registry.model(wrong),
        lambda: registry.versions(wrong),
        lambda: registry.version(wrong, 1),
        lambda: registry.delete(wrong),
        lambda: registry.delete(wrong, version=1),
        lambda: registry.set_tags(wrong, {"a": "b"}),
        lambda: registry.set_tags(wrong, {"a": None}),
        lambda: registry.set_alias(wrong, "a", 1),
        lambda: registry.set_alias(wrong, "a", None),
        lambda: registry.set_description(wrong, "x"),
    ):
        with pytest.raises(NotFoundError, match=f"no model named '{wrong}' .did you mean '"):
            ask()
    for number in (0, -1, 2, 2**63):
        with pytest.raises(NotFoundError, match=f"has no version {number}"):
            registry.version(name, number)
    gone = LoggedModel("model", "models:/m-" + "0" * 32, place.made["run"])
    with pytest.raises(NotFoundError):
        registry.register(name, gone)
    assert [version.version for version in registry.versions(name)] == [1]


@pytest.mark.parametrize("wrong", ["", "  ", "a/b", "a:b", ".", "..", "..a"])
def test_names_that_mlflow_does_not_take_are_refused(both: tuple[Place, MlflowRegistry], wrong: str) -> None:
    _, registry = both
    for ask in (
        lambda: registry.model(wrong),
        lambda: registry.register(wrong, LoggedModel("m", "models:/m-1", "r")),
        lambda: registry.delete(wrong),
    ):
        with pytest.raises(UsageError):
            ask()


def test_aliases_and_tags_that_mlflow_does_not_take_are_refused(
    both: tuple[Place, MlflowRegistry], name: str
) -> None:
    place, registry = both
    registry.register(name, logged(place, registry))
    for alias in ("", "a b", "a/b", "latest", "LATEST", "v1", "V12", "a" * 256, "a\n"):
        with pytest.raises(UsageError):
            registry.set_alias(name, alias, 1)
    for key in ("", "a\nb", "a" * 251, "/a", "../a", "a//b", "."):
        with pytest.raises(UsageError):
            registry.set_tags(name, {key: "x"}, version=1)
    with pytest.raises(UsageError, match="100000"):
        registry.set_tags(name, {"a": "x" * 100_001}, version=1)
    assert dict(registry.model(name).aliases) == {}
    assert dict(registry.version(name, 1).tags) == {}


@pytest.mark.parametrize("odd", ["it's", 'say "it"', 'it\'s "both"', "é_%", "a b"])
def test_a_name_with_quotes_has_its_own_versions(place: Place, odd: str, name: str) -> None:
    registry = place.registry()
    odd = f"{name[:40]} {odd}"
    registry.register(odd, logged(place, registry))
    like = odd.replace("'", "x").replace('"', "y").replace("_", "z")
    if like != odd:
        registry.register(like, logged(place, registry))
    [version] = registry.versions(odd)
    assert (version.name, version.version) == (odd, 1)


def test_several_that_register_at_once_each_get_a_version(place: Place, name: str) -> None:
    model = logged(place, place.registry())
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: place.registry().register(name, model), range(4)))
    assert sorted(version.version for version in made) == [1, 2, 3, 4]


def test_more_models_and_versions_than_a_page_holds_are_all_found(
    server_models: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = server_models.registry()
    model = logged(server_models, registry)
    for ending in "abc":
        registry.register(f"{name}-{ending}", model)
        registry.register(f"{name}-a", model)
    monkeypatch.setattr("mlxkit.integrations.mlflow.registry.rest._PAGE", 1)
    monkeypatch.setattr("mlxkit.integrations.mlflow.registry.rest_runs._PAGE", 1)
    monkeypatch.setattr("mlxkit.integrations.mlflow.registry.rest_runs._AT_ONCE", 2)
    names = [found.name for found in registry.models()]
    assert [f"{name}-{ending}" for ending in "abc"] == [found for found in names if found.startswith(name)]
    assert names == sorted(names)
    assert [version.version for version in registry.versions(f"{name}-a")] == [4, 3, 2, 1]
    assert [version.version for version in registry.versions(f"{name}-a", limit=2)] == [4, 3]
    ids = [server_models.made[key] for key in ("run", "second", "old", "empty", "deleted")]
    assert set(registry.runs(ids)) == set(ids)


def test_what_is_written_is_what_mlflow_s_client_writes(place: Place, name: str) -> None:
    """The same done by ours to one model and by MLflow's client to another, seen by that client."""
    registry = place.registry()
    ours, theirs = f"{name}-ours", f"{name}-theirs"
    models = {model.name: model for model in registry.logged_models([place.made["run"], place.made["old"]])}
    registry.register(ours, models["model"], tags={"a": "b"})
    registry.register(ours, models["nested/model"])
    registry.register(ours, models["other"])
    registry.set_alias(ours, "production", 1)
    registry.set_alias(ours, "production", 2)
    registry.set_alias(ours, "gone", 3)
    registry.set_tags(ours, {"a": "c", "d": "e"}, version=1)
    registry.set_tags(ours, {"team": "blue", "x": "y"})
    registry.set_tags(ours, {"x": None})
    registry.set_description(ours, "what")
    registry.set_description(ours, "which", version=2)
    registry.delete(ours, version=3)
    looks = [
        [["get_registered_model", which], *(["get_model_version", which, str(n)] for n in (1, 2, 3)),
         ["search_model_versions", f"name = '{which}'"]]
        for which in (ours, theirs)
    ]  # fmt: skip
    made = place.made
    done = place.client(
        ["register_model", f"models:/{made['model']}", theirs, {"tags": {"a": "b"}}],
        ["register_model", f"runs:/{made['old']}/nested/model", theirs],
        ["register_model", f"runs:/{made['run']}/other", theirs],
        ["set_registered_model_alias", theirs, "production", "1"],
        ["set_registered_model_alias", theirs, "production", "2"],
        ["set_registered_model_alias", theirs, "gone", "3"],
        ["set_model_version_tag", theirs, "1", "a", "c"],
        ["set_model_version_tag", theirs, "1", "d", "e"],
        ["set_registered_model_tag", theirs, "team", "blue"],
        ["set_registered_model_tag", theirs, "x", "y"],
        ["delete_registered_model_tag", theirs, "x"],
        ["update_registered_model", theirs, "what"],
        ["update_model_version", theirs, "2", "which"],
        ["delete_model_version", theirs, "3"],
        *looks[0],
        *looks[1],
        ["get_logged_model", made["model"]],
    )
    seen = done[-11:-1]
    assert _timeless(seen[:5], ours) == _timeless(seen[5:], theirs)
    assert seen[3] == {"error": "RESOURCE_DOES_NOT_EXIST"}
    noted = json.loads(done[-1]["tags"]["mlflow.modelVersions"])
    assert {"name": ours, "version": 1} in noted and noted.count({"name": ours, "version": 1}) == 1
    # And the reverse: ours reads what that client wrote as it reads its own.
    both = [[_plain(version) for version in registry.versions(which)] for which in (ours, theirs)]
    assert both[0] == both[1]
    assert dict(registry.model(theirs).aliases) == {"production": 2}


def _timeless(told: Any, name: str) -> Any:
    if isinstance(told, list):
        return [_timeless(item, name) for item in told]
    if isinstance(told, dict):
        return {key: _timeless(item, name) for key, item in told.items() if "time" not in key}
    return "NAME" if told == name else told


def _plain(version: ModelVersion) -> dict[str, Any]:
    return {**vars(version), "name": "", "created": 0, "updated": 0}


def test_a_refused_version_leaves_no_model_behind(
    both: tuple[Place, MlflowRegistry], name: str, tmp_path: Path
) -> None:
    place, registry = both
    run, here = place.made["run"], str(tmp_path)
    wrong = [
        LoggedModel("m", "/nonexistent/path", ""),
        LoggedModel("m", "file:///nonexistent/path", run),
        LoggedModel("m", "models:/m-" + "0" * 32, run),
        LoggedModel("m", "runs:/" + "0" * 32 + "/m", "0" * 32),
        LoggedModel("m", f"models:/no-{name}/1", ""),
        LoggedModel("m", f"models:/{name}@production", ""),
        LoggedModel("m", "", ""),
        LoggedModel("m", here, "0" * 32),
    ]
    if place.scenario == "server":  # which takes no folder that is not the run's
        wrong.append(LoggedModel("m", here, run))
    for model in wrong:
        with pytest.raises(MlxError):
            registry.register(name, model)
    with pytest.raises(NotFoundError):
        registry.model(name)


def test_a_run_with_logged_models_is_not_searched_for_others(both: tuple[Place, MlflowRegistry]) -> None:
    place, registry = both
    asked: list[str] = []
    backend: Any = registry._backend
    look = backend.files_of_run
    backend.files_of_run = lambda run_id, path: asked.append(run_id) or look(run_id, path)
    ids = [place.made["run"], place.made["old"]]
    assert {model.run_id for model in registry.logged_models(ids)} == set(ids)
    assert set(asked) == {place.made["old"]}


def test_a_deleted_run_says_so(both: tuple[Place, MlflowRegistry]) -> None:
    place, registry = both
    found = registry.runs([place.made["run"], place.made["deleted"]])
    assert [found[place.made[key]].is_deleted for key in ("run", "deleted")] == [False, True]


def test_a_stage_of_mlflow_2_is_told_and_left(both: tuple[Place, MlflowRegistry], name: str) -> None:
    place, registry = both
    registry.register(name, logged(place, registry))
    assert registry.version(name, 1).legacy_stage == ""
    place.client(["transition_model_version_stage", name, "1", "Production"])
    assert registry.version(name, 1).legacy_stage == "Production"
    assert registry.versions(name)[0].legacy_stage == "Production"
    registry.leave_stage(name, 1)
    assert registry.version(name, 1).legacy_stage == ""
    [seen] = place.client(["get_model_version", name, "1"])
    assert seen["current_stage"] == "None"
    for missing in ((name, 2), (f"no-{name}", 1)):
        with pytest.raises(NotFoundError):
            registry.leave_stage(*missing)


def test_prompts_are_no_models(place: Place, name: str) -> None:
    place.client(["register_prompt", f"{name}-prompt", "say {{it}}"])
    assert f"{name}-prompt" not in [model.name for model in place.registry().models()]


def test_no_question_loads_mlflow(place: Place, name: str) -> None:
    attributes = {
        key: value if isinstance(value, str) else value.reveal() for key, value in place.attributes.items()
    }
    script = f"""
import sys
from pathlib import Path
from mlxkit.integrations.mlflow.registry.registry import MlflowRegistry
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.resolve import ResolvedComponent
attributes = {{key: value if key == "tracking_uri" else SecretValue(value) for key, value in {attributes!r}.items()}}
registry = MlflowRegistry(ResolvedComponent("model_registry", "d", "mlflow", {{}}),
    ResolvedComponent("experiment_tracker", "t", "mlflow", attributes), Path({str(place.state_dir)!r}), waiting=sys.exit)
runs = [{place.made["run"]!r}, {place.made["old"]!r}]
for model in registry.logged_models(runs):
    made = registry.register({name!r}, model, tags={{"a": "b"}})
    registry.download(made, Path(f"model-{{made.version}}"))
registry.set_alias({name!r}, "a", 1); registry.set_tags({name!r}, {{"a": None}}, version=1)
registry.set_description({name!r}, "x"); registry.models(); registry.versions({name!r}); registry.read(made, "MLmodel")
registry.runs(runs); registry.runs_of("ours-1"); registry.delete({name!r}, version=1); registry.delete({name!r})
heavy = {{"mlflow", "pandas", "numpy", "requests", "sqlalchemy"}} & set(sys.modules)
print(sorted(heavy), Path("model-3/MLmodel").exists())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[] True", done.stdout + done.stderr
