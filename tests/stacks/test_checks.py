"""The rules between the components of a stack."""

from __future__ import annotations

from mlxkit.config.model import ComponentEntry
from mlxkit.stacks.checks import check_together

LOCAL_TRACKER = ComponentEntry("t", "experiment_tracker", "mlflow")
SERVER = ComponentEntry("t", "experiment_tracker", "mlflow", {"tracking_uri": "https://x.io"})
OTHER_TRACKER = ComponentEntry("t", "experiment_tracker", "paper")
LOCAL_STORE = ComponentEntry("s", "artifact_store", "local")
REMOTE_STORE = ComponentEntry("s", "artifact_store", "s3")
REGISTRY = ComponentEntry("r", "model_registry", "mlflow")
DEPLOYER = ComponentEntry("d", "model_deployer", "mlflow")


def problems(*components: ComponentEntry) -> list[str]:
    return check_together("x", {component.kind: component for component in components})


def test_what_fits_together_passes() -> None:
    assert problems(LOCAL_TRACKER, LOCAL_STORE, REGISTRY, DEPLOYER) == []
    assert problems(SERVER, REMOTE_STORE, REGISTRY) == []
    assert problems(OTHER_TRACKER, REMOTE_STORE) == []
    assert problems(LOCAL_STORE) == []


def test_a_tracker_without_an_address_needs_a_local_store() -> None:
    (problem,) = problems(LOCAL_TRACKER, REMOTE_STORE)
    assert problem.startswith("stacks.x: tracker 't' has no tracking_uri, so its runs stay on this machine")


def test_a_registry_and_a_deployer_need_an_mlflow_tracker() -> None:
    assert len(problems(LOCAL_STORE, REGISTRY, DEPLOYER)) == 2
    assert len(problems(OTHER_TRACKER, REGISTRY)) == 1
