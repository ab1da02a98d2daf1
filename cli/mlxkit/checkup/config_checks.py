"""mlx.yaml: every stack and component holds, and no credential stands in it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ..config.active import choose_stack
from ..config.kinds import KINDS
from ..config.model import ComponentEntry, Config
from ..config.paths import Project
from ..errors import MlxError, NotFoundError
from ..stacks.attributes import plain_credentials
from ..stacks.checks import stack_problems
from ..stacks.credentials import placeholder
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
        yield Finding("active stack", "ok", f"{chosen.name}, chosen by {chosen.source}")
    except MlxError as error:
        yield failed("active stack", error)
    for name in config.stacks:
        problems, _ = stack_problems(config, name, stack_entries(config, name))
        for problem in problems:
            yield Finding(
                f"stack {name}", "fail", problem.message, problem.hint or f"mlx stack validate {name}"
            )
    yield from _credentials(config)


def _credentials(config: Config) -> Iterator[Finding]:
    """Name every credential that the file holds in plain text: it is made to be committed."""
    found = False
    for components in config.components.values():
        for entry in components.values():
            for attribute in _plain(entry):
                found = True
                secret, key = placeholder(entry.name, attribute)
                reference = shlex.quote(f"<<{secret}.{key}>>")
                yield Finding(
                    "credentials", "fail",
                    f"{KINDS[entry.kind].section}.{entry.name}.{attribute} stands in {config.shown} in plain text",
                    f"mlx secret create {secret} --{key} && mlx {KINDS[entry.kind].command} update {entry.name} --{attribute}={reference}",
                )  # fmt: skip
    if not found:
        yield Finding("credentials", "ok", f"no credential stands in {config.shown}")


def _plain(entry: ComponentEntry) -> list[str]:
    try:
        flavor = get_flavor(entry.kind, entry.flavor)
    except NotFoundError:
        return []  # said with the stacks that use it
    return plain_credentials(flavor, entry.attributes)
