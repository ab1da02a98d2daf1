"""Autologging works in a step and is as it was before afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import pytest
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS, autologging_is_disabled
from mlflow.utils.import_hooks import _post_import_hooks

from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting

QUICK = {"log_models": False, "log_datasets": False, "silent": True}


def fit() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.5).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])


@pytest.fixture(autouse=True)
def off_afterwards() -> Iterator[None]:
    yield
    mlflow.sklearn.autolog(disable=True)
    AUTOLOGGING_INTEGRATIONS["sklearn"] = {}


@pytest.mark.parametrize("switch", [mlflow.sklearn.autolog, mlflow.autolog], ids=["sklearn", "generic"])
def test_it_logs_to_the_step_s_run_and_is_off_after_it(
    setting: Setting, pipeline_name: str, switch: Any
) -> None:
    waiting = {library: list(hooks) for library, hooks in _post_import_hooks.items() if hooks}
    run = setting.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        switch(**QUICK)
        fit()
    with run.step(StepFacts("evaluate", "s2")):
        fit()
    fit()
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert found["params"]["C"] == "0.5"
    assert found["metrics"]["training_accuracy_score"] == 1.0
    assert autologging_is_disabled("sklearn")
    assert {library: list(hooks) for library, hooks in _post_import_hooks.items() if hooks} == waiting


def test_an_untracked_step_that_autologs_is_tracked(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1", tracked=False)):
        mlflow.sklearn.autolog(**QUICK)
        fit()
    run.finish("completed")
    assert [found["params"]["C"] for found in local.reader.runs(pipeline_name)] == ["0.5"]


def test_what_was_on_before_the_step_is_on_after_it_as_it_was(local: Setting, pipeline_name: str) -> None:
    mlflow.sklearn.autolog(**QUICK, max_tuning_runs=7)
    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.sklearn.autolog(disable=True)
        fit()
    assert not autologging_is_disabled("sklearn")
    assert AUTOLOGGING_INTEGRATIONS["sklearn"]["max_tuning_runs"] == 7
    with run.step(StepFacts("again", "s2")):
        fit()
    run.finish("completed")
    assert local.reader.runs(pipeline_name)[0]["params"]["C"] == "0.5"


def test_two_models_of_two_steps_with_other_parameters_are_both_logged(
    setting: Setting, pipeline_name: str
) -> None:
    from sklearn.linear_model import LogisticRegression

    run = setting.open(pipeline_name)
    for name, strength in (("weak", 0.1), ("strong", 10.0)):
        with run.step(StepFacts(name, name)):
            mlflow.sklearn.autolog(**QUICK)
            LogisticRegression(C=strength).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert (found["params"]["C"], found["params"]["strong.C"]) == ("0.1", "10.0")


def test_autolog_in_a_thread_of_the_step_logs_to_its_run(local: Setting, pipeline_name: str) -> None:
    import threading

    run = local.open(pipeline_name)
    with run.step(StepFacts("fit", "s1")):
        mlflow.sklearn.autolog(**QUICK)
        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
    run.finish("completed")
    assert [found["params"]["C"] for found in local.reader.runs(pipeline_name)] == ["0.5"]


SCRIPT = """
import sys
from pathlib import Path
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.stacks.protocols import RunFacts, StepFacts
from mlxkit.stacks.resolve import ResolvedComponent

run = MlflowTracker(ResolvedComponent("experiment_tracker", "t", "mlflow", {}), Path(sys.argv[1])).open(
    RunFacts("r1", "n", "p", "s"), print)
with run.step(StepFacts("fit", "s1")):
    import mlflow
    mlflow.autolog(silent=True)
loaded = set(sys.modules)
assert not {"tensorflow", "torch", "xgboost", "lightgbm", "statsmodels", "sklearn"} & loaded, loaded
run.finish("completed")
from sklearn.linear_model import LogisticRegression
assert LogisticRegression.fit.__module__.startswith("sklearn"), LogisticRegression.fit
assert not hasattr(LogisticRegression.fit, "__wrapped__") or "mlflow" not in repr(LogisticRegression.fit.__code__)
LogisticRegression().fit([[0.0], [1.0]], [0, 1])
assert mlflow.active_run() is None and mlflow.last_active_run() is None
"""


def test_a_library_that_is_imported_after_the_step_is_not_autologged_and_none_is_imported_to_undo(
    ready_state: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ready_state)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def ready_state(local: Setting) -> Path:
    return local.state_dir
