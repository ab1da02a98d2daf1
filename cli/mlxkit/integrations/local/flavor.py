"""The local artifact store and orchestrator, described; nothing here imports what they are made of."""

from __future__ import annotations

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
)

ORCHESTRATOR = Flavor(
    kind="orchestrator",
    name="local",
    attributes=(),
    implementation="mlxkit.integrations.local.orchestrator:LocalOrchestrator",
    summary="Steps run one after the other in the process that was started.",
)
