"""The SDK's door: joins the services of one project, each built on first use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .config.paths import Project, find_project
from .records import ComponentRecord

if TYPE_CHECKING:  # each is imported by the member that needs it
    from .artifacts.records import ArtifactRecord
    from .artifacts.store import ArtifactStore
    from .pipelines.holding import Holder
    from .runs.detached.following import Follower
    from .runs.history import History
    from .runs.queries import RunQueries
    from .runs.team import TeamRuns
    from .runs.views import ArtifactView, PipelineView, RunView


class ActiveStack:
    """The stack that a run would use now; a kind that it has no component of is None."""

    def __init__(self, name: str, source: str, components: Mapping[str, ComponentRecord]) -> None:
        self.name = name
        self.source = source
        self.components = dict(components)

    @property
    def experiment_tracker(self) -> ComponentRecord | None:
        """The experiment tracker."""
        return self.components.get("experiment_tracker")

    @property
    def artifact_store(self) -> ComponentRecord | None:
        """The artifact store."""
        return self.components.get("artifact_store")

    @property
    def orchestrator(self) -> ComponentRecord | None:
        """The orchestrator."""
        return self.components.get("orchestrator")

    @property
    def model_registry(self) -> ComponentRecord | None:
        """The model registry."""
        return self.components.get("model_registry")

    @property
    def model_deployer(self) -> ComponentRecord | None:
        """The model deployer."""
        return self.components.get("model_deployer")

    def __repr__(self) -> str:
        return f"<stack {self.name}>"


class Client:
    """Everything that `mlx` can do, for Python; made for the project around the working directory, or one that is given."""

    def __init__(self, project: Project | None = None) -> None:
        self.project = project or find_project()

    @cached_property
    def stacks(self) -> Any:
        """Stacks: register, list, get, update, rename, copy, delete, set, export, import, validate."""
        from .stacks.service import StackService

        return StackService(self.project)

    @cached_property
    def components(self) -> Any:
        """Components of every kind: register, list, get, update, rename, copy, delete."""
        from .stacks.service import ComponentService

        return ComponentService(self.project)

    @cached_property
    def secrets(self) -> Any:
        """Secrets of this user."""
        from .secrets.service import SecretService

        return SecretService(self.project)

    @cached_property
    def session(self) -> Any:
        """The session that gives stores and trackers; that of `mlx run` when this code runs in one."""
        from .pipelines.session import Session, current_session

        return current_session() or Session(project=self.project)

    @cached_property
    def history(self) -> History:
        """The run history, with runs of vanished processes closed first; in a read-only project, as it lies there."""
        from .config.databases import why_not
        from .config.files import NotWritableError
        from .config.paths import ensure_state_dir
        from .runs.history import History, history_path
        from .runs.sweep import sweep

        path = history_path(self.project.state_dir)
        is_new = not path.exists()
        try:
            state_dir = ensure_state_dir(self.project)
        except NotWritableError:
            return History.to_read(self.project.state_dir)
        if why_not(path):
            return History.to_read(state_dir)
        history = History(state_dir)
        if is_new:
            return history
        sweep(history, lambda name: self.session.tracker(name))
        return history

    @property
    def runs(self) -> RunQueries:
        """Questions about runs, pipelines and artifacts."""
        from .runs.queries import RunQueries

        return RunQueries(self.history)

    @cached_property
    def detached(self) -> Follower:
        """What asks clusters about detached runs: refresh, cancel, give up."""
        from .pipelines.detached.asking import follower_of

        return follower_of(self.session, self.history)

    @property
    def team(self) -> TeamRuns:
        """Everybody's runs, on the tracker of the active stack."""
        from .runs.team import TeamRuns
        from .stacks.trackers import open_tracker

        return TeamRuns(open_tracker(project=self.project), self.history)

    @cached_property
    def models(self) -> Any:
        """Models of the stack's registry: register, list, describe, promote, roll back, compare, lineage."""
        from .models.service import ModelService

        return ModelService(self.project, self.session.stack_name, tracker=self.session.forced_tracker)

    @cached_property
    def deployments(self) -> Any:
        """Deployments on this machine: deploy, list, update, start, stop, delete, predict."""
        from .deployments.service import DeploymentService

        return DeploymentService(self.project, self.session.stack_name, tracker=self.session.forced_tracker)

    @property
    def active_stack(self) -> ActiveStack:
        """The active stack with its components, references unresolved."""
        stack, source = self.stacks.active(self.session.stack_name)
        return ActiveStack(stack.name, source, self.stacks.components_of(stack))

    def get_pipeline(self, name: str) -> PipelineView:
        """Return a pipeline by name; raises NotFoundError when it has not run."""
        from .runs.views import PipelineView

        return PipelineView(self.runs.pipeline(name).name, self.history, self.session.store)

    def get_pipeline_run(self, reference: str = "latest") -> RunView:
        """Return a run by id, name, tracker run id, or `latest`."""
        from .runs.views import RunView

        run = self.runs.get(reference)
        return RunView(self.history, self.store_of(run.id), run)

    get_run = get_pipeline_run

    def get_artifact(self, reference: str, *, run: str | None = None) -> ArtifactView:
        """Return an artifact by `pipeline::step::output`, a shorter end of that, or its digest."""
        from .runs.records import artifact_of
        from .runs.views import ArtifactView, Origin

        listing, output = self.runs.artifact(reference, run)
        store = self.store_of(listing.run, artifact_of(output))
        return ArtifactView(output, store, origin=Origin(listing.run, listing.step))

    def store_of(self, run_id: str, artifact: ArtifactRecord | None = None) -> ArtifactStore:
        """Return the store that an artifact of a run (or any of them) lies in, whatever stack is active."""
        return self._holder(run_id, artifact)

    @cached_property
    def _holder(self) -> Holder:
        from .pipelines.holding import holder_of

        return holder_of(self.session, self.runs)


def __getattr__(name: str) -> Any:
    """Give the members of a default client as functions of this module: `from mlxkit import client`."""
    if not name.startswith("_") and hasattr(Client, name):
        return getattr(Client(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
