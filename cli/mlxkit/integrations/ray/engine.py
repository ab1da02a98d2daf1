"""Ray itself: imported with the environment that it reads at its import, and left with the one that was there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from ...errors import MissingDependencyError
from .settings import RaySettings

_TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105  # the name of a variable
_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_DEDUP_LOGS": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # `uv run mlx run` would have it pack the folder that it stands in
    "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL": "minor",
}
# Without this Ray takes the machine's outer address and listens on all of them, even for 127.0.0.1.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

_told: dict[str, str | None] = {}  # the token that Ray keeps, which is for one cluster; only in memory


@contextlib.contextmanager
def engine(settings: RaySettings, token: str | None = None, *, only_here: bool = False) -> Iterator[Any]:
    """Give Ray, with the variables that it is told things by set while this lasts: the token is in none afterwards."""
    # Ray ends a driver whose node is gone when the driver's parent is gone too (nohup, systemd, a container's init);
    # it is asked to look at this process instead, which has something to say then.
    wanted = {**_ALWAYS, "RAY_RAYLET_PID": str(os.getpid())}
    if only_here or settings.is_near:
        wanted |= _LOOPBACK
    token = token or (settings.auth_token.reveal() if settings.auth_token else None)
    if token:
        wanted |= {"RAY_AUTH_MODE": "token", _TOKEN: token}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        ray = _imported()
        _quiet()
        _read_again(ray, token, only_here=only_here or settings.is_near)
        yield ray
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def need_ray() -> None:
    """Raise MissingDependencyError where Ray is not installed; it is not imported."""
    if find_spec("ray") is None:
        raise _missing("ray")


def _imported() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise _missing(error.name) from error
    return ray


def _missing(library: str | None) -> MissingDependencyError:
    return MissingDependencyError(
        f"flavor 'ray' needs {library}, which is not installed", hint="pip install 'mlxkit[ray]'"
    )


def _quiet() -> None:
    """Keep what Ray says of its own out of the data and the words of a run: what matters is said by us."""
    import logging

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    worker = sys.modules.get("ray._private.worker")
    if worker is not None and hasattr(worker, "print_to_stdstream"):
        vars(worker)["print_to_stdstream"] = _say_nothing  # the deaths of workers, onto standard output


def _say_nothing(*_: Any, **__: Any) -> None:
    """Take what Ray would print."""


def _read_again(ray: Any, token: str | None, *, only_here: bool) -> None:
    """Have a Ray that was imported before, by the user's file or another run, see what is set now."""
    constants = sys.modules.get("ray._private.ray_constants")
    if constants is not None and hasattr(constants, "ENABLE_RAY_CLUSTER"):
        vars(constants)["ENABLE_RAY_CLUSTER"] = not only_here and sys.platform not in ("darwin", "win32")
    if (
        _told.get("token") == token or ray.is_initialized()
    ):  # a connection keeps the token that it was made with
        return
    _told["token"] = token
    core: Any = sys.modules.get("ray._raylet")
    with contextlib.suppress(AttributeError):
        core.Config.initialize("")  # whether there is a token at all, which it has noted at its import
        loader = core.AuthenticationTokenLoader.instance()
        loader.reset_cache()
        if token:
            loader.has_token()  # from now on it is asked for in the background, when it is in no variable
