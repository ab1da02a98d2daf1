"""ZenML's enumerations, with the values that records here carry."""

from __future__ import annotations

from enum import Enum


class _Word(str, Enum):
    def __str__(self) -> str:
        return str(self.value)


class ArtifactType(_Word):
    """What an artifact is."""

    DATA = "DataArtifact"
    MODEL = "ModelArtifact"
    DATA_ANALYSIS = "DataAnalysisArtifact"
    SERVICE = "ServiceArtifact"
    SCHEMA = "SchemaArtifact"
    STATISTICS = "StatisticsArtifact"
    BASE = "BaseArtifact"


class ModelStages(_Word):
    """Stages that a registered version can be in."""

    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"
    LATEST = "latest"


class StackComponentType(_Word):
    """The kinds of component that stacks here have."""

    EXPERIMENT_TRACKER = "experiment_tracker"
    ARTIFACT_STORE = "artifact_store"
    ORCHESTRATOR = "orchestrator"
    MODEL_REGISTRY = "model_registry"
    MODEL_DEPLOYER = "model_deployer"


class ExecutionStatus(_Word):
    """How a run or a step stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CACHED = "cached"
    SKIPPED = "skipped"
    STOPPED = "killed"

    @property
    def is_finished(self) -> bool:
        """Say whether nothing more will happen."""
        return self is not ExecutionStatus.RUNNING

    @property
    def is_successful(self) -> bool:
        """Say whether there is a result."""
        return self in (ExecutionStatus.COMPLETED, ExecutionStatus.CACHED)
