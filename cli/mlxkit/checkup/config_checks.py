"""mlx.yaml: every stack and component holds, and no credential stands in it."""

from __future__ import annotations

from collections.abc import Iterator

from ..config.active import choose_stack, chosen_by
from ..config.kinds import KINDS
from ..config.model import Config
from ..config.paths import Project
from ..errors import ConfigError, MlxError
from ..stacks.attributes import plain_credentials
from ..stacks.checks import check_component, check_together
from ..stacks.credentials import moving
from ..stacks.flavors import get_flavor
from ..stacks.membership import stack_entries
from .findings import Finding, failed


def check_config(project: Project, config: Config) -> Iterator[Finding]:
    """Look at the file, the choice of a stack, every stack, and plain credentials."""
    if project.config_path.is_file():
        count = len(config.stacks)
        yield Finding("config", "ok", f"{config.shown} reads, {count} stack{'' if count == 1 else 's'}")
    else:
        yield Finding("config", "warn", f"{config.shown} is not there: defaults are used", "mlx init")
    try:
        chosen = choose_stack(project, config)
        yield Finding(
            "active stack", "ok", f"{chosen.name}, chosen by {chosen_by(chosen.source, config.shown)}"
        )
    except MlxError as error:
        yield failed("active stack", error)
    yield from _components(config)
    for name, stack in config.stacks.items():
        for problem in check_together(name, {entry.kind: entry for entry in stack_entries(config, name)}):
            where = config.where(stack.line)
            yield Finding(f"stack {name}", "fail", f"{where}: {problem}", f"mlx stack update {name} --help")


def _components(config: Config) -> Iterator[Finding]:
    """Hold every component against its flavor, and name every credential in plain text: the file is made to be committed."""
    found = False
    for components in config.components.values():
        for entry in components.values():
            kind = KINDS[entry.kind]
            name = f"{kind.title} {entry.name}"
            try:
                check_component(config, entry)
            except ConfigError as error:
                yield failed(name, error, fix=f"mlx {kind.command} describe {entry.name}")
                continue
            flavor = get_flavor(entry.kind, entry.flavor)
            plain = [key for key in plain_credentials(flavor, entry.attributes) if key in entry.attributes]
            if plain:
                found = True
                yield Finding("credentials", "fail", f"{kind.section}.{entry.name}: {' and '.join(plain)} in plain text in {config.shown}", " && ".join(moving(flavor, entry.name, plain)))  # fmt: skip
    if not found:
        yield Finding("credentials", "ok", f"no credential stands in {config.shown}")
