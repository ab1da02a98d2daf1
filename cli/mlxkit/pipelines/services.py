"""What the execution of a step works with: its description, and the services around it, wherever that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..artifacts.store import ArtifactStore
from ..dataclass import dataclass
from ..runs.records import StepRecord
from ..stacks.protocols import RunTracking
from .context import PipelineContext
from .inputs import Arguments
from .models import Model
from .outputs import Output
from .reporting import Reporter
from .settings import StepRetryConfig

if TYPE_CHECKING:
    from ..runs.history import History
    from ..stacks.executors import Executor
    from ..stacks.resources import Resources
    from .capture import RunOutput


@dataclass(frozen=True)
class StepSpec:
    """Everything about one step call, free of handles: it can be pickled and executed elsewhere.

    `code` are the parts of its cache key that are code, where they were taken before: at the call.
    """

    id: str
    name: str
    position: int
    function: Callable[..., Any]
    outputs: tuple[Output, ...]
    arguments: Arguments
    retries: StepRetryConfig = field(default_factory=lambda: StepRetryConfig(max_retries=0))
    materializers: Any = None
    use_cache: bool = True
    cache_salt: str = ""
    tracker: str | None = None
    is_tracked: bool = False
    after: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    on_success: Callable[..., Any] | None = None
    on_failure: Callable[..., Any] | None = None
    model: Model | None = None
    resources: Resources | None = None
    code: Mapping[str, str] | None = None


class StepLog(Protocol):
    """Where the record of a step goes."""

    def keep(self, step: StepRecord) -> None:
        """Commit the record of a step that ended."""

    def complete(self, step: StepRecord) -> None:
        """Add to a record that is kept what came after."""

    def earlier(self, step: StepRecord) -> Sequence[StepRecord]:
        """Return what was recorded of the run before: at least all that the step goes back to."""


class StepOutput(Protocol):
    """Where what a step prints goes."""

    def of_step(self, step: str, position: int) -> AbstractContextManager[None]:
        """Take what is printed inside."""

    def note(self, text: str) -> None:
        """Add a text that nobody printed."""


@dataclass(kw_only=True)
class StepServices:
    """What the execution of a step works with, wherever it is executed."""

    run: PipelineContext
    store: ArtifactStore
    reporter: Reporter
    output: StepOutput
    tracking: Callable[[str], RunTracking]
    log: StepLog


@dataclass(kw_only=True)
class RunServices(StepServices):
    """What a pipeline body works with beside that: it is where history is."""

    root: Path
    history: History
    executor: Executor
    output: RunOutput
