"""Model deployers: what is asked of one, what it answers with, and the one that a stack uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from ..config.paths import Project
from ..dataclass import dataclass
from ..errors import MlxError
from ..secrets.service import SecretService
from .components import ComponentService
from .flavors import get_flavor, load
from .service import StackService

if TYPE_CHECKING:
    from ..secrets.value import SecretValue

_DEPLOYER = "model_deployer"
_DEFAULT = "default"
State = Literal["starting", "running", "updating", "stopped", "failed"]
ANSWERS: tuple[State, ...] = ("running", "updating")  # the states in which requests are answered


class RefusedError(MlxError):
    """A server has looked at what it was asked for, and goes on with what it serves: it touches the new files no more."""


@dataclass(frozen=True)
class ServeSpec:
    """What is to be served: `folder` is private to the deployment, `model_dir` holds the files of one version in it.

    `port` 0 takes a free one; `max_body` is in bytes, `ready_within` in seconds. The token is never written down.
    """

    name: str
    folder: Path
    model_dir: Path
    model: str
    host: str = "127.0.0.1"
    port: int = 0
    workers: int = 1
    max_body: int = 32 * 1024 * 1024
    token: SecretValue | None = None
    ready_within: float = 60.0


@dataclass(frozen=True)
class Serving:
    """What is being served now; `reason` says why it is not what was asked for, and what to do about it.

    `model_dir`, `workers` and `max_body` are those of what is served, and empty where that is not known.
    """

    state: State
    model: str = ""
    pid: int | None = None
    host: str = ""
    port: int | None = None
    since: float | None = None
    reason: str = ""
    model_dir: str = ""
    workers: int = 0
    max_body: int = 0


class ModelDeployer(Protocol):
    """A flavor of kind `model_deployer`; made from its resolved component and the state folder."""

    def examine(self, model_dir: Path) -> list[str]:
        """Return warnings about serving these files here; raises MissingDependencyError for packages that are missing."""

    def start(self, spec: ServeSpec, *, wait: bool = True) -> Serving:
        """Serve a model from now on; when it does not get ready nothing is left running, and the error shows its log."""

    def replace(self, spec: ServeSpec) -> Serving:
        """Serve another model on the same address without a failed request; one that does not pass its check is a RefusedError."""

    def stop(self, folder: Path, *, within: float | None = None) -> None:
        """Stop serving, after the requests that are being answered, or those answered `within` seconds."""

    def serving(self, folder: Path) -> Serving:
        """Look what is being served, asking the system and not a file."""

    def log(self, folder: Path) -> Path:
        """Return the file that the server writes its log to."""


def open_deployer(project: Project, stack: str | None = None) -> ModelDeployer:
    """Return the deployer of a stack, or of the active one; a stack that names none uses the built-in one."""
    record, _ = StackService(project).active(stack)
    name = record.components.get(_DEPLOYER, _DEFAULT)
    component = ComponentService(project).resolved(_DEPLOYER, name, SecretService(project))
    made: ModelDeployer = load(get_flavor(_DEPLOYER, component.flavor))(component, project.state_dir)
    return made
