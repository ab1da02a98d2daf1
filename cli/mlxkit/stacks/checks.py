"""What has to be true of a component, and of the components of one stack together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..config.document import IMPLICIT
from ..config.kinds import KINDS
from ..config.model import ComponentEntry, Config
from ..errors import ConfigError, MlxError, NotFoundError, did_you_mean
from .attributes import InvalidAttributeError, check_attributes
from .flavors import get_flavor


def find_component(config: Config, kind: str, name: str) -> ComponentEntry:
    """Return a component by name; the implicit ones are found too."""
    entry = config.components[kind].get(name)
    if entry is not None:
        return entry
    flavor = IMPLICIT[kind].get(name)
    if flavor is not None:
        return ComponentEntry(name, kind, flavor)
    row = KINDS[kind]
    known = [*config.components[kind], *IMPLICIT[kind]]
    raise NotFoundError(
        f"no {row.title} named {name!r}{did_you_mean(name, known)}", hint=f"mlx {row.command} list"
    )


def check_component(config: Config, entry: ComponentEntry) -> list[str]:
    """Hold one component against its flavor; return warnings, raise with the line and the field."""
    section = KINDS[entry.kind].section
    try:
        flavor = get_flavor(entry.kind, entry.flavor)
    except NotFoundError as error:
        where = f"{config.where(entry.line)}: {section}.{entry.name}.flavor"
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from error
    try:
        return check_attributes(flavor, entry.name, entry.attributes)
    except InvalidAttributeError as error:
        line = entry.attribute_lines.get(error.attribute, entry.line)
        raise ConfigError(
            f"{config.where(line)}: {section}.{entry.name}.{error.message}", hint=error.hint
        ) from error


def check_together(stack: str, components: Mapping[str, ComponentEntry]) -> list[str]:
    """Return what keeps the components of a stack from working together."""
    tracker = components.get("experiment_tracker")
    store = components.get("artifact_store")
    problems = []
    stays_here = (
        tracker is not None and tracker.flavor == "mlflow" and not tracker.attributes.get("tracking_uri")
    )
    if tracker is not None and stays_here and store is not None and store.flavor != "local":
        problems.append(
            f"stacks.{stack}: tracker {tracker.name!r} has no tracking_uri, so its runs stay on this machine, "
            f"while artifact store {store.name!r} ({store.flavor}) does not: use a local artifact store, "
            "or give the tracker a tracking_uri"
        )
    for kind in ("model_registry", "model_deployer"):
        component = components.get(kind)
        if component is None or component.flavor != "mlflow":
            continue
        if tracker is None or tracker.flavor != "mlflow":
            problems.append(
                f"stacks.{stack}: {KINDS[kind].title} {component.name!r} works through an MLflow tracker, "
                "and the stack has none"
            )
    return problems


def stack_problems(
    config: Config, stack: str, components: Iterable[ComponentEntry]
) -> tuple[list[MlxError], list[str]]:
    """Return everything that is wrong with a stack, and the warnings of its components."""
    entries = list(components)
    problems: list[MlxError] = []
    warnings: list[str] = []
    for entry in entries:
        try:
            found = check_component(config, entry)
        except ConfigError as error:
            problems.append(error)
        else:
            warnings += [f"{KINDS[entry.kind].section}.{entry.name}: {warning}" for warning in found]
    together = check_together(stack, {entry.kind: entry for entry in entries})
    where = config.where(config.stacks[stack].line if stack in config.stacks else 0)
    problems += [
        ConfigError(f"{where}: {problem}", hint=f"mlx stack update {stack} --help") for problem in together
    ]
    return problems, warnings


def check_stack(config: Config, stack: str, components: Iterable[ComponentEntry]) -> None:
    """Raise one ConfigError with everything that is wrong with a stack."""
    problems, _ = stack_problems(config, stack, components)
    if problems:
        hint = next((problem.hint for problem in problems if problem.hint), None)
        raise ConfigError("\n".join(problem.message for problem in problems), hint=hint)
