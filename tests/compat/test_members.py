"""What a ZenML file asks of a run, a context or a pipeline: answered, or an AttributeError that says what is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import NotFoundError, StepFailedError
from mlxkit.pipelines.session import Session

pytestmark = pytest.mark.usefixtures("session")


def test_the_last_successful_run_is_found_behind_failed_ones(session: Session) -> None:
    from zenml import pipeline, step  # type: ignore[import-not-found]
    from zenml.client import Client

    @step(enable_cache=False)
    def perhaps(fine: bool) -> int:
        if not fine:
            raise ValueError("no")
        return 1

    @pipeline
    def zp(fine: bool) -> None:
        perhaps(fine)

    def fail() -> None:
        with pytest.raises(StepFailedError):
            zp(False)

    fail()
    with pytest.raises(NotFoundError, match="pipeline 'zp' has no run that completed"):
        _ = Client().get_pipeline("zp").last_successful_run
    good = zp(True)
    for _ in range(21):
        fail()
    found = Client().get_pipeline("zp")
    assert found.last_successful_run.id == good.id
    assert found.last_run.status == "failed"


def test_a_member_that_there_is_not_is_named_and_can_be_asked_about() -> None:
    from zenml import get_step_context, pipeline, step

    told: list[Any] = []

    @step
    def asks() -> int:
        context = get_step_context()
        for name in ("get_output_artifact_uri", "set_output_metadata", "step_nam"):
            try:
                getattr(context, name)
            except AttributeError as error:
                told.append(error)
        return 1

    @pipeline
    def asking() -> None:
        asks()

    run = asking()
    for owner, name in (
        (run, "config"),
        (run, "statu"),
        (asking, "build"),
        (asks, "bild"),
        (run.steps["asks"], "inputs"),
    ):
        assert not hasattr(owner, name)
        with pytest.raises(AttributeError) as caught:
            getattr(owner, name)
        told.append(caught.value)
    here = f"{Path(__file__).name}:"
    assert all(here in item.message and "is not supported by mlx" in item.message for item in told)
    shown = [item.message.partition(": ")[2].replace(" is not supported by mlx", "") for item in told]
    assert shown == [
        "StepContext.get_output_artifact_uri",
        "StepContext.set_output_metadata",
        "StepContext.step_nam (did you mean 'step_name'?)",
        "RunView.config",
        "RunView.statu (did you mean 'status'?)",
        "ZenPipeline.build",
        "ZenStep.bild",
        "StepView.inputs",
    ]
    assert [item.hint for item in told][1] == ".add_output_metadata(METADATA)"
    assert getattr(run, "config", None) is None


def test_a_file_that_asks_for_one_ends_in_words_with_its_line(mlx: Callable[..., Any]) -> None:
    Path("run.py").write_text(
        "from zenml import pipeline, step\n@step\ndef a() -> int:\n    return 1\n@pipeline\ndef p():\n    a()\np.build()\n"
    )
    result = mlx("run", "run.py")
    assert result.code == 3
    assert result.stderr.startswith("error: run.py:8: ZenPipeline.build is not supported by mlx"), (
        result.stderr
    )
    assert "unexpected" not in result.stderr
