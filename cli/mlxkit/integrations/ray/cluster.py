"""A connection to a cluster: to one that stands, or to one that is started for this run and is gone after it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...config.scratch import remove_folder, scratch_folder
from ...dataclass import dataclass
from ...errors import ConfigError, CredentialsError, MlxError, UnreachableError
from ...stacks.addresses import is_loopback
from .engine import engine
from .nearby import clusters_nearby
from .probe import check_answers, check_versions
from .settings import START, RaySettings, requirements

_OBJECT_STORE = 100 * 2**20  # bytes: no data of steps goes through it, and Ray wants 75 MB
_ATTEMPTS = 3  # of ten connections through Ray Client one fails on a busy machine
_NOT_SHIPPED = (".git", ".mlx", ".venv", "venv", "__pycache__", ".env", ".env.*", "mlx.yaml", "node_modules")
_LOOPBACK = "127.0.0.1"
# One for the process: Ray keeps the first that it was given.
_own_token = secrets.token_hex(32)
# A second connection that fails would close the first one.
_one_by_one = threading.Lock()


@dataclass
class Cluster:
    """A cluster that this process is connected to."""

    ray: Any
    settings: RaySettings
    head: str | None  # host:port of its control service, where it can be asked from here
    folder: Path | None = None  # of a cluster that was started for this run

    def nodes(self) -> Sequence[Mapping[str, float]]:
        """Return what each node that lives has in all."""
        return [
            {name: float(amount) for name, amount in node["Resources"].items() if _is_shared(name)}
            for node in self.ray.nodes()
            if node["Alive"]
        ]

    @property
    def goes_in_clear(self) -> bool:
        """Say whether what is sent to workers leaves this machine, or the head's, and nothing encrypts it."""
        if uses_tls():
            return False
        return not self.settings.is_near or len({node["NodeManagerAddress"] for node in self.ray.nodes()}) > 1

    @property
    def token_in_clear(self) -> str:
        """What is to be said of the way that the token goes, or nothing."""
        return "" if uses_tls() else self.settings.token_in_clear(self._endpoint)

    @property
    def is_of_loopback(self) -> bool:
        """Say whether only this machine reaches the cluster, as far as its address tells; `auto` may be any."""
        return is_loopback(self._endpoint.rpartition(":")[0].strip("[]"))

    @property
    def _endpoint(self) -> str:
        return self.head or self.settings.endpoint or ""

    def disconnect(self) -> None:
        """Leave the cluster; one that was started for this run is stopped, with everything that it ran."""
        try:
            self.ray.shutdown()
        finally:
            if self.folder is not None:
                remove_folder(self.folder)

    def forsake(self) -> None:
        """Let go of a cluster whose head is gone: Ray would wait a minute for it, and then end this process."""
        import atexit

        worker = self.ray._private.worker
        atexit.unregister(worker.shutdown)
        node = getattr(worker, "_global_node", None)
        if node is not None:
            atexit.unregister(getattr(node, "atexit_handler", None) or worker.shutdown)
            if self.folder is not None:
                with contextlib.suppress(Exception):
                    node.kill_all_processes(check_alive=False, allow_graceful=False)
        if self.folder is not None:
            remove_folder(self.folder)
        _end_without_ray()


def connect(settings: RaySettings, root: Path, run_id: str) -> Cluster:
    """Connect to the cluster, or start one; everything that can be wrong with it is said within seconds.

    The thread that calls this has to live as long as the cluster does: the processes of a cluster that was started
    here end with it.
    """
    with _one_by_one:
        return (_started if settings.address is None else _joined)(settings, root, run_id)


def uses_tls() -> bool:
    """Say whether Ray encrypts its connections; it is told so, and with which certificates, by variables."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _joined(settings: RaySettings, root: Path, run_id: str) -> Cluster:
    with engine(settings) as ray:
        _refuse_second(ray)
        endpoint = settings.endpoint or cluster_here(settings)
        check_answers(settings, endpoint)
        if not settings.is_client:
            check_versions(endpoint)
        _init(
            ray,
            settings,
            address=settings.address if settings.is_client else endpoint,
            namespace=settings.namespace or f"mlx-{run_id}",
            runtime_env=_environment(settings, root),
        )
        head = None if settings.is_client else endpoint
        return Cluster(ray, settings, head)


def _started(settings: RaySettings, root: Path, run_id: str) -> Cluster:
    folder = scratch_folder("ray")
    try:
        with engine(settings, _own_token, only_here=True) as ray:
            _refuse_second(ray)
            _init(
                ray,
                settings,
                address="local",
                namespace=settings.namespace or f"mlx-{run_id}",
                num_cpus=settings.cpus,
                num_gpus=settings.gpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
                runtime_env=_environment(settings, root),
                _node_ip_address=_LOOPBACK,
                # Ray opens its folder to all, so it stands in one that nobody else can enter.
                _temp_dir=str(folder / "r"),
            )
            head = str(ray.get_runtime_context().gcs_address)
    except BaseException:
        remove_folder(folder)
        raise
    return Cluster(ray, settings, head, folder)


def _init(ray: Any, settings: RaySettings, **options: Any) -> None:
    """Call `ray.init`, quietly, and say in our words what is wrong."""
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(**options, **quiet)
            return
        except Exception as error:  # Ray raises whatever it comes upon
            with contextlib.suppress(Exception):
                ray.shutdown()
            if settings.is_client and attempt < _ATTEMPTS and isinstance(error, ConnectionError):
                time.sleep(attempt)
                continue
            raise _said(settings, error) from error


def _said(settings: RaySettings, error: Exception) -> MlxError:
    text = str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    if "ersion mismatch" in text or "ersions differ" in text or "version" in first.lower():
        return ConfigError(
            f"{settings.shown} is of another version: {' '.join(text.split())[:300]}",
            hint="install the cluster's version of Ray here, on a Python of the same minor version",
        )
    if type(error).__name__ == "AuthenticationError":
        return CredentialsError(f"{settings.shown} refuses the credentials: {first}")
    if type(error).__name__ == "RuntimeEnvSetupError":
        return ConfigError(f"the workers' environment cannot be made: {first}")
    hint = f"mlx orchestrator test {settings.name}"
    if settings.address is None:
        return MlxError(f"a Ray cluster cannot be started here: {first}", hint=hint)
    return UnreachableError(f"no connection to {settings.shown}: {first}", hint=hint)


def _end_without_ray() -> None:
    """Have this process end, whenever it does, without what Ray would do at the very end: it crashes without a head."""
    with contextlib.suppress(AttributeError, OSError):  # as glibc has it
        libc = ctypes.CDLL(None)
        libc.on_exit(libc._exit, None)  # it is called with the exit status


def _refuse_second(ray: Any) -> None:
    if ray.is_initialized():
        raise ConfigError(
            "Ray is connected in this process already, and has one connection at a time",
            hint="leave ray.init() out of the pipeline's file; run one pipeline on Ray after the other, or in processes "
            "of their own, and start this one again when its cluster is gone",
        )


def cluster_here(settings: RaySettings) -> str:
    """Return the address of the cluster that `auto` means."""
    named = os.environ.get("RAY_ADDRESS")
    if named and named not in ("auto", "local") and "://" not in named:
        return named
    from ray._private import services as of_ray

    services: Any = of_ray
    started = services.find_bootstrap_address(None)  # where `ray start` writes down what it started last
    found = [started] if started else clusters_nearby(services.psutil)
    if len(found) == 1:
        return str(found[0])
    update = f"mlx orchestrator update {settings.name}"
    if found:
        raise ConfigError(
            f"several Ray clusters run on this machine: {', '.join(found)}",
            hint=f"{update} --address={found[0]}",
        )
    raise UnreachableError(
        "no Ray cluster runs on this machine",
        hint=f"{START}; or have one started for each run: {update} --remove address",
    )


def _environment(settings: RaySettings, root: Path) -> dict[str, Any] | None:
    """Return what workers are given beyond what they have; everybody on the cluster can read it."""
    given: dict[str, Any] = {}
    if settings.env_vars:
        given["env_vars"] = dict(settings.env_vars)
    if settings.pip:
        given["pip"] = requirements(settings.pip, root)
    if settings.ships_project:
        given["working_dir"] = str(root)
        given["excludes"] = list(_NOT_SHIPPED)
    return given or None


def _is_shared(name: str) -> bool:
    """Leave out what Ray counts for itself."""
    return not name.startswith("node:") and name != "object_store_memory"
