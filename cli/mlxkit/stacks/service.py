"""Stacks: what is configured, which one is active, what it resolves to, and how all of that is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ..config import active as choice
from ..config.document import read_config
from ..config.kinds import KINDS
from ..config.model import Config
from ..config.names import check_name
from ..config.paths import Project, find_project
from ..config.writer import edit
from ..dataclass import dataclass
from ..errors import AlreadyExistsError, ConfigError, InUseError, MlxError, NotFoundError, UsageError
from ..records import ComponentRecord, Record, StackRecord
from .checks import check_stack, find_component, stack_problems
from .components import Change, ComponentService, record_of
from .credentials import credential_warnings
from .flavors import get_flavor
from .membership import stack_components, stack_entries, stack_names
from .resolve import ResolvedStack, resolve_components

if TYPE_CHECKING:
    from ..secrets.service import SecretService
    from .transfer import Exported, Imported

__all__ = ["Change", "ComponentService", "StackService"]


@dataclass(frozen=True)
class StackDetail(Record):
    """A stack with its components as they may be shown."""

    name: str
    is_active: bool
    is_default: bool
    components: Mapping[str, ComponentRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice(Record):
    """The name of the active stack, and where it was chosen."""

    name: str
    source: str


@dataclass(frozen=True)
class Validation(Record):
    """Everything that is wrong with a stack, and everything that is only worth knowing."""

    name: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise one ConfigError with every problem, if there is any."""
        if self.problems:
            raise ConfigError("\n".join(self.problems))


class StackService:
    """The stacks of one project."""

    def __init__(self, project: Project | None = None) -> None:
        self.project = project or find_project()

    def choice(self) -> Choice:
        """Return the name of the active stack, and where it was chosen."""
        chosen = choice.choose_stack(self.project, read_config(self.project))
        return Choice(chosen.name, chosen.source)

    def active(self, override: str | None = None) -> tuple[StackRecord, str]:
        """Return the stack that is used, and where it was chosen."""
        config = read_config(self.project)
        chosen = choice.choose_stack(self.project, config, override)
        return _record(config, chosen.name, chosen.name), chosen.source

    def list(self) -> list[StackRecord]:
        """List the stacks, `default` included; when the active one is gone, none is active."""
        config = read_config(self.project)
        return [_record(config, name, self._active_name(config)) for name in stack_names(config)]

    def active_problem(self) -> str | None:
        """Say why no stack is active, or None when one is."""
        try:
            self.active()
        except MlxError as error:
            return error.message
        return None

    def get(self, name: str) -> StackRecord:
        """Return one stack."""
        config = read_config(self.project)
        return _record(config, name, self._active_name(config))

    def describe(self, name: str | None = None) -> StackDetail:
        """Return one stack, or the active one, with its components."""
        config = read_config(self.project)
        chosen = name or choice.choose_stack(self.project, config).name
        components = {entry.kind: record_of(config, entry) for entry in stack_entries(config, chosen)}
        return StackDetail(
            chosen, chosen == self._active_name(config), chosen == config.default_stack, components
        )

    def components_of(self, stack: StackRecord) -> dict[str, ComponentRecord]:
        """Return the components of a stack as they may be shown."""
        return dict(self.describe(stack.name).components)

    def resolved(
        self, name: str | None, secrets: SecretService, *, replace: Mapping[str, str] | None = None
    ) -> ResolvedStack:
        """Check a stack and replace its references; `replace` puts other components in, as `--tracker` does.

        Everything that is wrong with it is in one ConfigError, every missing secret in one CredentialsError.
        """
        config = read_config(self.project)
        stack = choice.choose_stack(self.project, config, name).name
        chosen = {**stack_components(config, stack), **(replace or {})}
        entries = [find_component(config, kind, component) for kind, component in chosen.items()]
        check_stack(config, stack, entries)
        records = [
            ComponentRecord(entry.name, entry.kind, entry.flavor, entry.attributes) for entry in entries
        ]
        return ResolvedStack(stack, {found.kind: found for found in resolve_components(records, secrets)})

    def validate(self, name: str | None = None) -> Validation:
        """Find everything that is wrong with a stack, or the active one, without asking a server or a keyring."""
        config = read_config(self.project)
        stack = choice.choose_stack(self.project, config, name).name
        entries = stack_entries(config, stack)
        problems, warnings = stack_problems(config, stack, entries)
        for entry in entries:
            try:
                flavor = get_flavor(entry.kind, entry.flavor)
            except NotFoundError:
                continue  # is among the problems
            where = f"{KINDS[entry.kind].section}.{entry.name}"
            warnings += [
                f"{where}: {text}" for text in credential_warnings(flavor, entry.name, entry.attributes)
            ]
        return Validation(stack, tuple(problem.message for problem in problems), tuple(warnings))

    def register(self, name: str, components: Mapping[str, str]) -> StackRecord:
        """Add a stack; a kind that is left out has the default, or none."""
        check_name(name, "stack")
        with edit(self.project) as editor:
            _check_free(editor.config, name)
            _check_components(editor.config, components)
            editor.put(("stacks", name), dict(components))
        return self.get(name)

    def update(self, name: str, components: Mapping[str, str], *, remove: Iterable[str] = ()) -> StackRecord:
        """Put other components in, and take kinds out."""
        gone = list(dict.fromkeys(remove))
        with edit(self.project) as editor:
            own = _own(editor.config, name)
            if not components and not gone:
                raise UsageError(
                    f"nothing to change in stack {name!r}", hint=f"mlx stack update {name} -e TRACKER"
                )
            _check_components(editor.config, components)
            for kind, component in components.items():
                editor.put(("stacks", name, kind), component)
            for kind in gone:
                if kind not in own:
                    title = KINDS[kind].title
                    raise NotFoundError(f"stack {name!r} names no {title}", hint=f"mlx stack describe {name}")
                editor.remove(("stacks", name, kind))
        return self.get(name)

    def rename(self, old: str, new: str) -> StackRecord:
        """Give a stack another name, also where it is the default or the active one."""
        check_name(new, "stack")
        active = choice.read_active(self.project)
        with edit(self.project) as editor:
            _own(editor.config, old)
            _check_free(editor.config, new)
            editor.rename(("stacks", old), new)
            if editor.config.default_stack == old:
                editor.put(("default_stack",), new)
        if active == old:
            choice.set_active(self.project, new)
        return self.get(new)

    def copy(self, old: str, new: str) -> StackRecord:
        """Add a stack like another one."""
        check_name(new, "stack")
        with edit(self.project) as editor:
            entry = editor.config.stacks.get(old)
            components = dict(entry.components) if entry else stack_components(editor.config, old)
            _check_free(editor.config, new)
            editor.put(("stacks", new), components)
        return self.get(new)

    def delete(self, name: str, *, force: bool = False) -> None:
        """Remove a stack; one that is active or the default only with `force`."""
        active = choice.read_active(self.project)
        with edit(self.project) as editor:
            self._check_deletable(editor.config, name, force=force)
            if editor.config.default_stack == name:
                editor.remove(("default_stack",))
            editor.remove(("stacks", name))
        if active == name:
            choice.clear_active(self.project)

    def check_deletable(self, name: str, *, force: bool = False) -> None:
        """Raise what keeps a stack from being deleted, and change nothing."""
        self._check_deletable(read_config(self.project), name, force=force)

    def set_active(self, name: str) -> StackRecord:
        """Choose the stack that this checkout uses."""
        config = read_config(self.project)
        record = _record(config, name, name)
        choice.set_active(self.project, name)
        return record

    def set_default(self, name: str) -> StackRecord:
        """Choose the stack for everybody who shares the configuration, by writing it there."""
        with edit(self.project) as editor:
            stack_components(editor.config, name)
            editor.put(("default_stack",), name, after="version")
        return self.get(name)

    def export(self, name: str | None = None) -> Exported:
        """Return a stack, or the active one, with its components as a configuration of its own.

        It holds no plain credential: there is a reference in the place of each.
        """
        from .transfer import export_stack

        config = read_config(self.project)
        return export_stack(config, name or choice.choose_stack(self.project, config).name)

    def import_(self, data: bytes, source: str, *, name: str | None = None, force: bool = False) -> Imported:
        """Add the stacks of an exported configuration; what exists and differs is replaced only with `force`."""
        from .transfer import import_stacks

        return import_stacks(self.project, data, source, name=name, force=force)

    def import_from_zenml(self, data: bytes, source: str, **options: Any) -> Imported:
        """Add a stack that ZenML exported; the options are those of `zenml_export.import_zenml_stack`."""
        from .zenml_export import import_zenml_stack

        return import_zenml_stack(self.project, data, source, **options)

    def _active_name(self, config: Config) -> str:
        try:
            return choice.choose_stack(self.project, config).name
        except MlxError:
            return ""

    def _check_deletable(self, config: Config, name: str, *, force: bool) -> None:
        _own(config, name)
        role = self._role(config, name)
        if role and not force:
            raise InUseError(
                f"stack {name!r} is {role}", hint=f"mlx stack set OTHER, or mlx stack delete {name} --force"
            )

    def _role(self, config: Config, name: str) -> str:
        if self._active_name(config) == name:
            return "the active one"
        return f"the default_stack of {config.shown}" if config.default_stack == name else ""


def _record(config: Config, name: str, active: str) -> StackRecord:
    return StackRecord(name, name == active, stack_components(config, name))


def _own(config: Config, name: str) -> Mapping[str, str]:
    """Return the components of a stack that is written down, so that it can be changed."""
    stack_components(config, name)
    if name not in config.stacks:
        raise MlxError(
            f"stack {name!r} is built in and cannot be changed", hint=f"mlx stack copy {name} NAME"
        )
    return config.stacks[name].components


def _check_free(config: Config, name: str) -> None:
    if name in config.stacks:
        raise AlreadyExistsError(f"stack {name!r} already exists", hint=f"mlx stack update {name} --help")


def _check_components(config: Config, components: Mapping[str, str]) -> None:
    for kind, component in components.items():
        find_component(config, kind, component)
