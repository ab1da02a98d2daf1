"""Artifacts by name: saved inside and outside of steps, found again, and what the cache makes of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from mlxkit import (
    ArtifactConfig,
    Client,
    get_step_context,
    load_artifact,
    log_metadata,
    pipeline,
    save_artifact,
    step,
)
from mlxkit.errors import NotFoundError, StepFailedError, UsageError
from mlxkit.pipelines.session import RunOptions, Session, use_session


@pytest.fixture(autouse=True)
def session(mlx: Callable[..., Any]) -> Iterator[Session]:
    assert mlx("init").code == 0
    with use_session(Session(RunOptions(file=Path("run.py")))) as one:
        yield one


@step
def make(
    n: int,
) -> Annotated[int, ArtifactConfig(name="number", version="v1", tags=["t"], run_metadata={"a": 1})]:
    save_artifact([n, n], "pair", version=2, tags=["x"])
    get_step_context().add_output_metadata({"b": 2})
    return n


@pipeline
def making(n: int) -> None:
    make(n)


@step
def use(name: str) -> Any:
    return load_artifact(name)


@pipeline
def using(name: str) -> None:
    use(name)


def test_what_a_step_saves_is_one_more_output_which_the_cache_gives_back(mlx: Callable[..., Any]) -> None:
    for status in ("completed", "cached"):
        made = making(3).steps["make"]
        assert made.status == status
        assert made.output.load() == 3  # the declared one stays the only output
        assert made.outputs["pair"].load() == [3, 3]
        assert (made.outputs["pair"].version, made.outputs["pair"].tags) == ("2", ["x"])
        assert made.outputs["number"][0].load() == 3
        assert (made.outputs["number"].version, made.outputs["number"].tags) == ("v1", ["t"])
        assert dict(made.outputs["number"].run_metadata) == {"a": 1, "b": 2}
    listed = mlx("artifact", "list", "-o", "name").stdout.split()
    assert "making::make::pair" in listed


def test_the_newest_of_a_name_is_loaded_or_the_version_that_is_asked_for() -> None:
    save_artifact(1, "thing", version="a")
    save_artifact(2, "thing")
    assert load_artifact("thing") == 2
    assert load_artifact("thing", "a") == 1
    assert load_artifact(save_artifact({"k": [1]}, "other").id) == {"k": [1]}
    with pytest.raises(NotFoundError, match=r"no artifact 'thnig' \(did you mean 'thing'\?\)"):
        load_artifact("thnig")
    with pytest.raises(NotFoundError, match="no artifact 'thing' with version 'b'"):
        load_artifact("thing", "b")


def test_what_is_saved_outside_of_a_step_is_in_history(mlx: Callable[..., Any]) -> None:
    save_artifact({"a": 1}, "alone")
    assert mlx("artifact", "get", "alone").stdout.strip() == "{'a': 1}"


def test_what_was_saved_on_another_stack_is_found_in_its_store(mlx: Callable[..., Any]) -> None:
    for words in (
        "artifact-store register lake --flavor local --path lake",
        "stack register far -a lake",
    ):
        result = mlx(*words.split())
        assert result.code == 0, result.stderr
    save_artifact(list(range(20_000)), "long")
    save_artifact(b"here", "bytes", version=1)

    @step
    def size_of(given: Any) -> int:
        return len(given)

    @step
    def looks_up() -> int:
        return len(load_artifact("long"))

    @pipeline
    def looking() -> None:
        size_of(load_artifact("long"))
        looks_up()

    with use_session(Session(RunOptions(stack="far"))):
        assert load_artifact("bytes", 1) == b"here"
        assert len(Client().get_artifact("long").load()) == 20_000
        save_artifact(b"far", "bytes")
        assert [item.output.load() for item in looking().steps.values()] == [20_000, 20_000]
    assert load_artifact("bytes") == b"far"
    assert load_artifact("bytes", 1) == b"here"


def test_a_dry_run_records_nothing(session: Session) -> None:
    with use_session(Session(RunOptions(is_dry=True))):
        assert save_artifact(1, "alone").load() == 1
        with pytest.raises(NotFoundError):
            load_artifact("alone")


def test_a_step_that_loads_by_name_runs_again_when_the_name_stands_for_something_else() -> None:
    save_artifact("old", "text")
    assert using("text").steps["use"].output.load() == "old"
    assert using("text").steps["use"].status == "cached"
    save_artifact("old", "text")  # the same content again
    assert using("text").steps["use"].status == "cached"
    save_artifact("new", "text")
    again = using("text").steps["use"]
    assert (again.status, again.output.load()) == ("completed", "new")
    assert again.record.reason == "artifact 'text', which it loaded, is another one now"


def test_a_step_sees_what_it_has_saved_itself() -> None:
    save_artifact("elsewhere", "mine")

    @step
    def both() -> str:
        save_artifact("here", "mine")
        return str(load_artifact("mine"))

    @pipeline
    def alone() -> None:
        both()

    assert alone().steps["both"].output.load() == "here"


def test_a_failed_attempt_leaves_nothing_saved() -> None:
    @step(retries=1)
    def twice() -> int:
        attempt = get_step_context().attempt
        save_artifact(attempt, f"attempt_{attempt}")
        if attempt == 1:
            raise ValueError("again")
        return attempt

    @pipeline
    def trying() -> None:
        twice()

    assert list(trying().steps["twice"].outputs) == ["output", "attempt_2"]


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (lambda: save_artifact(1, "output"), "has an output 'output' already"),
        (lambda: save_artifact(1, "a::b"), "cannot name an artifact"),
        (
            lambda: log_metadata({"a": 1}, artifact_name="outptu"),
            "no output 'outptu' (did you mean 'output'?)",
        ),
        (lambda: log_metadata({"a": 1}, infer_model=True), "this run is about no model, not a model"),
        (lambda: log_metadata({"a": 1}, model_name="iris"), "this run is about no model, not iris"),
        (lambda: get_step_context().model, "step 'wrong' is about no model"),
    ],
)
def test_mistakes_in_a_step_are_told(does: Callable[[], Any], said: str) -> None:
    caught: list[UsageError] = []

    @step(enable_cache=False)
    def wrong() -> int:
        try:
            does()
        except UsageError as error:
            caught.append(error)
        return 1

    @pipeline
    def going() -> None:
        wrong()

    going()
    assert said in caught[0].message


def test_after_takes_names_of_steps_and_waits_for_them_in_vain_if_they_failed() -> None:
    @step(enable_cache=False)
    def fails() -> None:
        raise ValueError("no")

    @step(enable_cache=False)
    def later() -> int:
        return 1

    @pipeline
    def order() -> None:
        fails()
        later(after=["fails"])

    with pytest.raises(StepFailedError):
        order()
    assert Client().get_pipeline("order").last_run.steps["later"].status == "skipped"

    @pipeline
    def unknown() -> None:
        later(id="first")
        later(after="frist")

    with pytest.raises(
        UsageError, match=r"after='frist': no step was called so before it \(did you mean 'first'\?\)"
    ):
        unknown()


def test_a_pipeline_gives_its_steps_hooks_and_retries_that_have_none() -> None:
    told: list[str] = []

    @step(enable_cache=False)
    def flaky() -> int:
        if get_step_context().attempt < 2:
            raise ValueError("once")
        return 1

    @step(enable_cache=False, on_success=lambda: told.append("own"))
    def good() -> int:
        return 1

    @pipeline(retries=1, on_success=lambda: told.append("pipeline's"))
    def hooked() -> None:
        flaky()
        good()

    assert hooked().steps["flaky"].record.attempts == 2
    assert told == ["pipeline's", "own"]


def test_parameters_of_with_options_stand_in_for_what_a_call_leaves_out() -> None:
    @step
    def add(a: int, b: int = 1) -> int:
        return a + b

    @pipeline
    def summing() -> None:
        add.with_options(parameters={"a": 10, "b": 5})()
        add.with_options(parameters={"a": 10, "b": 5})(1)
        add.with_options(parameters={"a": 10, "b": 5})(1, b=2)

    assert [item.output.load() for item in summing().steps.values()] == [15, 6, 3]
