from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.errors import ConfigError, NotFoundError
from mlxkit.pipelines.plan import StepOptions, StepPlan
from mlxkit.pipelines.runconfig import read_run_config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "the file must be a map, not list"),
        ("paramters: {}\n", "paramters: unknown key (did you mean 'parameters'?)"),
        ("parameters: [1]\n", "parameters must be a map, not list"),
        ("enable_cache: sometimes\n", "enable_cache must be true or false, not str"),
        ("steps:\n  train: {params: {}}\n", "steps.train.params: unknown key (did you mean 'parameters'?)"),
        ("settings: {tracker: {}}\n", "unknown settings key 'tracker'"),
        ("run_name: 5\n", "run_name must be text, not int"),
        ("[]\n", "the file must be a map, not list"),
        ("steps: {train: []}\n", "steps.train must be a map, not list"),
        ("steps: {train: {settings: {tracker: {}}}}\n", "steps.train: unknown settings key 'tracker'"),
        ("parameters: {a: 1, a: 2}\n", "'a' appears twice"),
        ("parameters: !!python/object/apply:os.system [ls]\n", "run.yaml"),
    ],
)
def test_a_wrong_file_is_told_with_its_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_run_config(path)
    assert message in caught.value.message


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        read_run_config(tmp_path / "none.yaml")
    with pytest.raises(NotFoundError, match="is not a file"):
        read_run_config(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"parameters: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_run_config(tmp_path / "bytes.yaml")
    (tmp_path / "large.yaml").write_bytes(b"a" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        read_run_config(tmp_path / "large.yaml")


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    config = read_run_config(tmp_path / "empty.yaml")
    assert (dict(config.parameters), config.run_name, dict(config.steps)) == ({}, None, {})


def test_steps_take_their_own_parameters_and_cache(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("steps:\n  train: {parameters: {lr: 0.1}, enable_cache: false}\n")
    options = read_run_config(tmp_path / "run.yaml").steps["train"]
    assert (options.parameters, options.enable_cache) == ({"lr": 0.1}, False)


@pytest.mark.parametrize(("key", "option"), [("stack", "--stack"), ("tracker", "--tracker")])
def test_the_file_of_one_pipeline_cannot_choose_what_the_whole_run_shares(
    tmp_path: Path, key: str, option: str
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"run_name: nightly\n{key}: team\n")
    with pytest.raises(ConfigError, match=f"run.yaml: {key}: .* the whole run shares") as caught:
        read_run_config(path, for_pipeline=True)
    assert f"{option} team" in str(caught.value.hint)
    assert "--config" in str(caught.value.hint)
    assert getattr(read_run_config(path), key) == "team"
    path.write_text(f"run_name: nightly\n{key}:\n")
    assert read_run_config(path, for_pipeline=True).run_name == "nightly"


def plan_of(*steps: str) -> StepPlan:
    return StepPlan(
        stack_tracker=None,
        forced_tracker=None,
        flavor_of=lambda name: name,
        use_cache=True,
        enable_cache=None,
        settings={},
        steps={name: StepOptions({"from": name}) for name in steps},
        stack="plain",
    )


def test_a_step_name_that_no_step_has_is_known_with_the_one_that_was_meant() -> None:
    plan = plan_of("shwo", "load_2", "train")
    assert plan.unused_steps() == ["shwo", "load_2", "train"]
    plan.options_for("show", "show")
    plan.options_for("load", "load")
    plan.saw("train", "train")  # was skipped
    assert plan.unused_steps() == ["shwo", "load_2"]
    plan.options_for("load_2", "load")
    assert plan.unused_steps() == ["shwo"]
    assert plan.describe_unused() == ["steps.shwo: no step of this run is called so (did you mean 'show'?)"]


def test_a_step_is_found_by_its_name_in_the_run_before_its_own() -> None:
    plan = plan_of("load", "load_2")
    assert plan.options_for("load_2", "load").parameters == {"from": "load_2"}
    assert plan.options_for("load_3", "load").parameters == {"from": "load"}
    assert plan.options_for("show", "show").parameters == {}
    assert plan.unused_steps() == []
