"""Runs of pipelines in this process, with the real store and history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

from mlxkit import Client, get_step_context, log_metadata, pipeline, step
from mlxkit.errors import StepFailedError, UsageError

pytestmark = pytest.mark.usefixtures("project")


@step
def number(value: int = 1) -> int:
    print(f"number is {value}")
    return value


@step
def add(a: int, b: int) -> int:
    return a + b


def note(value: object) -> None:
    """Leave a trace that a step's code ran, outside of what the cache key sees."""
    with Path("calls").open("a") as handle:
        handle.write(f"{value} ")


def noted_calls() -> str:
    return Path("calls").read_text().strip()


@step
def boom(a: int) -> int:
    raise ValueError(f"no {a}")


def test_a_step_outside_a_pipeline_is_the_plain_function() -> None:
    assert add(1, 2) == 3


def test_a_pipeline_passes_values_along_and_records_them() -> None:
    seen = []

    @pipeline
    def sums(start: int = 2) -> None:
        total = add(number(start), number(5))
        seen.append(f"total: {total}")
        if total > 6:
            add(total, 10)

    run = sums()
    assert seen == ["total: 7"]
    assert run.status == "completed"
    assert list(run.steps) == ["number", "number_2", "add", "add_2"]
    assert run.steps["add_2"].output.load() == 17
    assert run.parameters == {"start": 2}
    assert run.get_step("add").record.inputs["a"]["from"] == "number.output"


def test_the_second_run_comes_from_the_cache_and_says_on_what() -> None:
    @step
    def counted(x: int) -> int:
        note(x)
        return x

    @pipeline
    def twice(x: int = 1) -> None:
        counted(x)

    first = twice()
    second = twice()
    third = twice(x=2)
    assert noted_calls() == "1 2"
    assert second.steps["counted"].status == "cached"
    assert first.id in second.steps["counted"].record.reason
    assert "parameter x" in third.steps["counted"].record.reason


def test_the_cache_can_be_switched_off_for_a_step_and_for_a_pipeline() -> None:
    @step(enable_cache=False)
    def never(x: int) -> int:
        note(x)
        return x

    @step
    def usually(x: int) -> int:
        note(-x)
        return x

    @pipeline
    def first() -> None:
        never(1)
        usually(1)

    @pipeline(enable_cache=False)
    def second() -> None:
        never(1)
        usually(1)

    first()
    first()
    second()
    assert noted_calls() == "1 -1 1 1 -1"


def test_a_failed_step_skips_what_depends_on_it_and_lets_the_rest_run() -> None:
    @pipeline
    def fails() -> None:
        add(boom(number(1)), 1)
        number(7)

    with pytest.raises(StepFailedError, match="step 'boom' failed: ValueError: no 1"):
        fails()
    run = Client().get_pipeline("fails").last_run
    assert run.status == "failed"
    assert {name: item.status for name, item in run.steps.items()} == {
        "number": "completed", "boom": "failed", "add": "skipped", "number_2": "completed",
    }  # fmt: skip
    assert "no 1" in run.steps["boom"].record.error
    assert "mlxkit/pipelines" not in run.steps["boom"].record.error


def test_using_the_value_of_a_failed_step_ends_the_body_with_that_failure(capsys: Any) -> None:
    @pipeline
    def fails() -> None:
        value = boom(1)
        print(f"never {value}")

    with pytest.raises(StepFailedError, match="step 'boom' failed"):
        fails()
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize(("returned", "message"), [("text", "int"), (3.5, "int")])
def test_a_wrong_output_type_fails_the_step(returned: Any, message: str) -> None:
    @step
    def wrong(value: str) -> int:
        return returned  # type: ignore[no-any-return]

    @pipeline
    def run_wrong() -> None:
        wrong(str(returned))

    with pytest.raises(StepFailedError, match=message):
        run_wrong()
    assert Client().get_pipeline("run_wrong").last_run.steps["wrong"].status == "failed"


def test_an_output_that_cannot_be_stored_fails_the_step_after_its_code_ran_and_calls_no_success_hook() -> (
    None
):
    called = []

    @step(
        on_success=lambda: called.append("success"),
        on_failure=lambda error: called.append(type(error).__name__),
    )
    def generator() -> Any:
        return (item for item in range(3))

    @pipeline
    def unstorable() -> None:
        generator()

    with pytest.raises(StepFailedError, match="generator"):
        unstorable()
    assert len(called) == 1
    assert called[0] != "success"


def test_retries_try_again_and_hooks_come_once_at_the_end() -> None:
    events: list[Any] = []

    @step(retries=2, on_success=lambda: events.append("ok"), on_failure=lambda error: events.append(error))
    def flaky() -> int:
        attempt = get_step_context().attempt
        events.append(attempt)
        if attempt < 3:
            raise RuntimeError("not yet")
        return attempt

    @pipeline
    def tries() -> None:
        flaky()

    assert tries().steps["flaky"].record.attempts == 3
    assert events == [1, 2, 3, "ok"]


def test_named_outputs_make_separate_handles() -> None:
    @step
    def split_data() -> tuple[Annotated[list, "train"], Annotated[list, "test"]]:  # type: ignore[type-arg]
        return [1, 2], [3]

    @step
    def count(rows: list) -> int:  # type: ignore[type-arg]
        return len(rows)

    @pipeline
    def named() -> None:
        train, test = split_data()
        count(train)
        count(test)

    run = named()
    assert list(run.steps["split_data"].outputs) == ["train", "test"]
    assert run.steps["count"].output.load() == 2
    assert run.steps["count_2"].output.load() == 1


def test_handles_inside_lists_and_dicts_are_edges_too() -> None:
    @step
    def collect(items: list, named: dict) -> int:  # type: ignore[type-arg]
        return sum(items) + named["x"]

    @pipeline
    def nested() -> None:
        collect([number(i) for i in range(4)], {"x": number(10)})

    run = nested()
    assert run.steps["collect"].output.load() == 16
    assert [item["from"] for item in run.steps["collect"].record.inputs["items"]][:2] == [
        "number.output",
        "number_2.output",
    ]


def test_a_step_cannot_change_what_another_step_gets() -> None:
    @step
    def rows() -> list:  # type: ignore[type-arg]
        return [1]

    @step
    def spoil(items: list) -> int:  # type: ignore[type-arg]
        items.append(99)
        return len(items)

    @step
    def array() -> np.ndarray:  # type: ignore[type-arg]
        return np.zeros(3)

    @step
    def write_into(values: np.ndarray) -> bool:  # type: ignore[type-arg]
        return bool(values.flags.writeable)

    @pipeline
    def shared() -> None:
        made = rows()
        spoil(made)
        spoil(made)
        write_into(array())

    run = shared()
    assert run.steps["spoil"].output.load() == 2
    assert run.steps["rows"].output.load() == [1]
    assert run.steps["write_into"].output.load() is False


def test_an_array_of_the_body_becomes_an_artifact_and_takes_part_in_the_cache() -> None:
    @step
    def total(values: np.ndarray) -> float:  # type: ignore[type-arg]
        note(1)
        return float(values.sum())

    @pipeline
    def arrays(scale: int = 1) -> None:
        total(np.arange(4) * scale)

    arrays()
    arrays()
    assert arrays(scale=2).steps["total"].output.load() == 12.0
    assert noted_calls() == "1 1"


def test_metadata_of_a_step_and_of_the_run_can_be_read_in_every_form() -> None:
    @step
    def noted() -> None:
        log_metadata({"rows": 7, "source": "disk"})

    @pipeline
    def notes() -> None:
        noted()
        log_metadata({"team": "a"})

    notes()
    run = Client().get_pipeline("notes").last_run
    metadata = run.get_step("noted").run_metadata
    assert metadata["source"].value == "disk"
    assert metadata["source"] == "disk"
    assert metadata["rows"] == 7
    assert metadata["rows"].value == 7
    assert run.run_metadata["team"] == "a"
    with pytest.raises(KeyError, match="did you mean 'source'"):
        metadata["sorce"]


def test_a_chain_of_a_thousand_steps_completes_and_does_not_recurse() -> None:
    @pipeline
    def chain() -> None:
        value = number(0)
        for _ in range(1000):
            value = add(value, 1)

    assert chain().steps["add_1000"].output.load() == 1000


def test_a_lost_artifact_makes_its_step_run_again() -> None:
    import shutil

    @step
    def table() -> np.ndarray:  # type: ignore[type-arg]
        return np.arange(5000)

    @pipeline
    def lossy() -> None:
        table()

    lossy()
    shutil.rmtree(Path(".mlx/artifacts"))
    run = lossy()
    assert run.steps["table"].status == "completed"
    assert "gone from the artifact store" in run.steps["table"].record.reason


def test_sys_exit_in_a_step_fails_the_step() -> None:
    @step
    def leaves() -> None:
        raise SystemExit(0)

    @pipeline
    def exits() -> None:
        leaves()

    with pytest.raises(StepFailedError, match=r"sys\.exit\(0\)"):
        exits()


def test_a_pipeline_called_in_a_pipeline_is_part_of_it() -> None:
    @pipeline
    def inner() -> None:
        number(3)

    @pipeline
    def outer() -> None:
        number(1)
        inner()

    assert list(outer().steps) == ["number", "number_2"]
    assert [item.name for item in Client().runs.pipelines()] == ["outer"]


def test_a_step_with_positional_leftovers_is_a_usage_error() -> None:
    @pipeline
    def bad() -> None:
        add(1, 2, 3)

    with pytest.raises(UsageError, match="step 'add': too many positional arguments"):
        bad()
    assert Client().get_pipeline("bad").last_run.status == "failed"
