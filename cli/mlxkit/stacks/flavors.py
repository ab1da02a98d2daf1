"""The flavor registry: looking at a row is free, only `load` imports what is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Literal

from ..dataclass import dataclass
from ..errors import MissingDependencyError, NotFoundError, did_you_mean
from .kinds import KINDS

AttributeType = Literal["str", "bool", "int", "float", "map", "count"]
ENTRY_POINTS = "mlxkit.flavors"


@dataclass(frozen=True)
class Attribute:
    """One thing that can be set on a component of a flavor."""

    name: str
    type: AttributeType
    help: str
    required: bool = False
    secret: bool = False
    default: Any = None


@dataclass(frozen=True)
class Flavor:
    """An implementation of a kind: its attributes, and the import strings of its class and of its rules.

    The rules are a function `validate(name, attributes, *, anonymous) -> list of warnings` that gets the
    attributes with their references unresolved and raises ConfigError. `servers` is the class, a `TrackerServers`,
    that runs a server of the flavor's own, where there is one.
    """

    kind: str
    name: str
    attributes: tuple[Attribute, ...]
    implementation: str
    summary: str
    extra: str | None = None
    validator: str | None = None
    servers: str | None = None

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of that name, or None."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


# One row a built-in flavor: where its Flavor is written down.
_BUILT_IN: Mapping[tuple[str, str], str] = {
    ("experiment_tracker", "mlflow"): "mlxkit.integrations.mlflow.flavor:TRACKER",
    ("artifact_store", "local"): "mlxkit.integrations.local.flavor:ARTIFACT_STORE",
    ("artifact_store", "s3"): "mlxkit.integrations.fsspec.flavor:S3",
    ("artifact_store", "gcs"): "mlxkit.integrations.fsspec.flavor:GCS",
    ("artifact_store", "azure"): "mlxkit.integrations.fsspec.flavor:AZURE",
    ("artifact_store", "fsspec"): "mlxkit.integrations.fsspec.flavor:FSSPEC",
    ("orchestrator", "local"): "mlxkit.integrations.local.flavor:ORCHESTRATOR",
    ("orchestrator", "ray"): "mlxkit.integrations.ray.flavor:ORCHESTRATOR",
    ("model_registry", "mlflow"): "mlxkit.integrations.mlflow.flavor:REGISTRY",
    ("model_deployer", "mlflow"): "mlxkit.integrations.mlflow.flavor:DEPLOYER",
}


def flavors(kind: str | None = None, *, problems: list[str] | None = None) -> list[Flavor]:
    """List the flavors, third-party ones included; what is wrong with a broken one goes to `problems`."""
    found = [*built_in(kind), *_third_party(kind, [] if problems is None else problems)]
    return sorted(found, key=lambda flavor: (list(KINDS).index(flavor.kind), flavor.name))


def get_flavor(kind: str, name: str) -> Flavor:
    """Return one flavor; installed distributions are only searched for a name that is not built in."""
    target = _BUILT_IN.get((kind, name))
    if target is not None:
        return _row(target)
    known: dict[str, Flavor] = {}
    problems: list[str] = []
    for flavor in (*built_in(kind), *_third_party(kind, problems)):
        known.setdefault(flavor.name, flavor)
    if name in known:
        return known[name]
    broken = "".join(f"\n  {problem}" for problem in problems)
    raise NotFoundError(
        f"unknown {KINDS[kind].title} flavor {name!r}{did_you_mean(name, known)}{broken}",
        hint=f"mlx flavor list {KINDS[kind].command}",
    )


def load(flavor: Flavor) -> type[Any]:
    """Import the class behind a flavor."""
    try:
        return imported(flavor.implementation)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "mlxkit":
            raise
        package = f"mlxkit[{flavor.extra}]" if flavor.extra else "mlxkit"
        raise MissingDependencyError(
            f"flavor {flavor.name!r} needs {error.name}, which is not installed",
            hint=f"pip install '{package}'",
        ) from error


def imported(target: str) -> Any:
    """Return what an import string `module:name` stands for."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def built_in(kind: str | None = None) -> list[Flavor]:
    """List the flavors of this distribution, without a search for others."""
    return [_row(target) for (of, _), target in _BUILT_IN.items() if kind in (None, of)]


def _row(target: str) -> Flavor:
    row: Flavor = imported(target)
    return row


def _third_party(kind: str | None, problems: list[str]) -> Iterable[Flavor]:
    from importlib.metadata import entry_points

    found: list[Flavor] = []
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
            rows = (loaded,) if isinstance(loaded, Flavor) else tuple(loaded)
            for row in rows:
                if not isinstance(row, Flavor) or row.kind not in KINDS:
                    raise TypeError(f"{row!r} is not a Flavor of a known kind")
        except Exception as error:  # anything at all may go wrong in a stranger's module
            problems.append(f"the flavors of {point.name!r} ({point.value}) are left out: {error}")
        else:
            found += [row for row in rows if (row.kind, row.name) not in _BUILT_IN]
    _tell_completion(found)
    return [row for row in found if kind in (None, row.kind)]


def _tell_completion(rows: list[Flavor]) -> None:
    """Leave what others have registered to completion, which imports nothing of theirs."""
    from ..config.nameindex import remember
    from ..config.paths import user_data_dir

    lines = [
        " ".join(
            (
                row.kind,
                row.name,
                *(f"{a.name}={a.type}={'secret' if a.secret else ''}" for a in row.attributes),
            )
        )
        for row in rows
    ]
    remember(user_data_dir(), "flavors", lines)
