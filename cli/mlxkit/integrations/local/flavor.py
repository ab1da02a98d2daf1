"""The local artifact store and orchestrator, described; nothing here imports what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...stacks.attributes import InvalidAttributeError, has_marks
from ...stacks.flavors import Attribute, Flavor
from ...stacks.trusting import TRUST_CODE

ARTIFACT_STORE = Flavor(
    kind="artifact_store",
    name="local",
    attributes=(
        Attribute(
            "path",
            "str",
            "Folder to keep artifacts in; relative to mlx.yaml. Without it: inside the state folder.",
        ),
        TRUST_CODE,
    ),
    implementation="mlxkit.integrations.local.artifact_store:LocalArtifactStore",
    summary="Step outputs in a folder on this machine.",
    validator="mlxkit.integrations.local.flavor:validate_store",
)

ORCHESTRATOR = Flavor(
    kind="orchestrator",
    name="local",
    attributes=(
        Attribute(
            "workers",
            "count",
            "How many processes run steps at once: a number, or auto, one a processor that may be used. "
            "Without it: none, and steps run one after the other in the process that was started. "
            "`mlx run --workers` counts before it.",
        ),
        Attribute(
            "gpus",
            "count",
            "How many GPUs workers share out to the steps that ask for them: a number, or auto, those of the "
            "machine, or of CUDA_VISIBLE_DEVICES where that is set.",
            default="auto",
        ),
    ),
    implementation="mlxkit.integrations.local.orchestrator:LocalOrchestrator",
    summary="Steps on this machine: in the process that was started, or in several workers at once.",
    validator="mlxkit.integrations.local.flavor:validate_orchestrator",
)


def validate_store(_name: str, attributes: Mapping[str, Any], **_: object) -> list[str]:
    """Refuse an address as a folder: what is meant for a bucket would stay on this machine."""
    path = attributes.get("path", "")
    if "://" in path and not path.startswith("file://") and not has_marks(path):
        raise InvalidAttributeError(
            "path",
            "is an address, and this flavor keeps artifacts in a folder",
            hint="mlx flavor list artifact-store",
        )
    return []


def validate_orchestrator(_name: str, attributes: Mapping[str, Any], **_: object) -> list[str]:
    """Refuse what no run could be started with; none at all is said by leaving it out."""
    if attributes.get("workers") == 0:
        raise InvalidAttributeError("workers", "is a number from 1, or auto")
    return []
