"""Components: register, show, change and remove them; what is shown never holds a plain credential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..config.active import IMPLICIT_STACK
from ..config.document import read_config
from ..config.kinds import KINDS
from ..config.model import ComponentEntry, Config
from ..config.names import check_name
from ..config.paths import Project, find_project
from ..config.writer import edit
from ..dataclass import dataclass
from ..errors import (
    AlreadyExistsError,
    ConfigError,
    InUseError,
    MlxError,
    NotFoundError,
    UsageError,
    did_you_mean,
)
from ..records import ComponentRecord, Record
from .attributes import InvalidAttributeError, check_attributes, masked, normalised, texts, typed
from .checks import check_component, find_component
from .credentials import credential_warnings
from .flavors import Flavor, get_flavor
from .membership import stack_components, stack_names
from .resolve import ResolvedComponent, resolve_components

if TYPE_CHECKING:
    from ..secrets.service import SecretService


@dataclass(frozen=True)
class Change(Record):
    """A component after it was changed, and what its owner should know."""

    component: ComponentRecord
    warnings: tuple[str, ...] = ()


class ComponentService:
    """The components of one project, of every kind."""

    def __init__(self, project: Project | None = None) -> None:
        self.project = project or find_project()

    def list(self, kind: str) -> list[ComponentRecord]:
        """List the components of a kind, the implicit `default` included."""
        config = read_config(self.project)
        names = dict.fromkeys([*config.components[kind], "default"])
        return [record_of(config, find_component(config, kind, name)) for name in names]

    def get(self, kind: str, name: str) -> ComponentRecord:
        """Return one component: references as they are, plain credentials masked."""
        config = read_config(self.project)
        return record_of(config, find_component(config, kind, name))

    def resolved(self, kind: str, name: str, secrets: SecretService) -> ResolvedComponent:
        """Check one component and replace its references."""
        config = read_config(self.project)
        entry = find_component(config, kind, name)
        check_component(config, entry)
        record = ComponentRecord(entry.name, entry.kind, entry.flavor, entry.attributes)
        return resolve_components([record], secrets)[0]

    def register(self, kind: str, name: str, flavor: str, attributes: Mapping[str, Any]) -> Change:
        """Add a component; attributes may be text as it was typed."""
        row = get_flavor(kind, flavor)
        checked, warnings = _checked(row, name, attributes)
        with edit(self.project) as editor:
            _check_free(editor.config, kind, name)
            editor.put((KINDS[kind].section, name), {"flavor": flavor, **checked})
        return self._change(kind, name, row, checked, warnings)

    def update(
        self, kind: str, name: str, attributes: Mapping[str, Any], *, remove: Iterable[str] = ()
    ) -> Change:
        """Set and remove attributes; the component is checked as a whole."""
        gone = list(dict.fromkeys(remove))
        with edit(self.project) as editor:
            entry = _own(editor.config, kind, name)
            row = _flavor(editor.config, entry)
            new = typed(row, attributes)
            _check_removable(entry, gone, new)
            kept = {key: value for key, value in entry.attributes.items() if key not in gone}
            checked, warnings = _checked(row, name, {**kept, **new})
            for key in gone:
                editor.remove((KINDS[kind].section, name, key))
            for key in new:
                editor.put((KINDS[kind].section, name, key), checked[key])
        return self._change(kind, name, row, checked, warnings)

    def rename(self, kind: str, old: str, new: str) -> ComponentRecord:
        """Give a component another name, in every stack that uses it too."""
        check_name(new, KINDS[kind].title)
        with edit(self.project) as editor:
            _own(editor.config, kind, old)
            _check_free(editor.config, kind, new)
            _check_not_unwritten(editor.config, kind, old)
            users = _users(editor.config, kind, old)
            editor.rename((KINDS[kind].section, old), new)
            for stack in users:  # also one that named none: `default` would now mean the built-in one
                editor.put(("stacks", stack, kind), new)
        return self.get(kind, new)

    def copy(self, kind: str, old: str, new: str) -> ComponentRecord:
        """Add a component like another one."""
        check_name(new, KINDS[kind].title)
        with edit(self.project) as editor:
            entry = find_component(editor.config, kind, old)
            _check_free(editor.config, kind, new)
            editor.put((KINDS[kind].section, new), {"flavor": entry.flavor, **entry.attributes})
        return self.get(kind, new)

    def delete(self, kind: str, name: str, *, force: bool = False) -> tuple[str, ...]:
        """Remove a component; with `force` also from the stacks that name it, whose names are returned.

        Stacks that use it without naming it then have the built-in one.
        """
        with edit(self.project) as editor:
            naming = _deletable(editor.config, kind, name, force=force)
            for stack in naming:
                editor.remove(("stacks", stack, kind))
            editor.remove((KINDS[kind].section, name))
        return naming

    def check_deletable(self, kind: str, name: str, *, force: bool = False) -> tuple[str, ...]:
        """Return the stacks that `delete` would take a component out of, or raise what is against it."""
        return _deletable(read_config(self.project), kind, name, force=force)

    def _change(
        self, kind: str, name: str, flavor: Flavor, attributes: Mapping[str, Any], warnings: Sequence[str]
    ) -> Change:
        more = credential_warnings(flavor, name, attributes)
        return Change(self.get(kind, name), (*warnings, *more))


def record_of(config: Config, entry: ComponentEntry) -> ComponentRecord:
    """Return a component as it may be shown."""
    try:
        flavor = get_flavor(entry.kind, entry.flavor)
    except MlxError:  # a flavor that is not installed here; showing the rest is what helps
        flavor = None
    users = tuple(
        stack
        for stack in stack_names(config)
        if stack_components(config, stack).get(entry.kind) == entry.name
    )
    return ComponentRecord(entry.name, entry.kind, entry.flavor, masked(flavor, entry.attributes), users)


def _checked(flavor: Flavor, name: str, attributes: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    check_name(name, KINDS[flavor.kind].title)
    checked = normalised(typed(flavor, attributes))
    for key, value in checked.items():
        if isinstance(value, Mapping) and any(_is_nested(item) for item in value.values()):
            raise InvalidAttributeError(key, "the values in it have to be text, numbers, true or false")
    for path, text in texts(checked):
        if any("\ud800" <= character <= "\udfff" for character in path + text):
            raise UsageError(f"{ascii(path)[1:-1]} is not UTF-8 text")
    return checked, check_attributes(flavor, name, checked)


def _is_nested(value: object) -> bool:
    return value is None or isinstance(value, (Mapping, list))


def _flavor(config: Config, entry: ComponentEntry) -> Flavor:
    try:
        return get_flavor(entry.kind, entry.flavor)
    except NotFoundError as error:
        where = f"{config.where(entry.line)}: {KINDS[entry.kind].section}.{entry.name}.flavor"
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from error


def _own(config: Config, kind: str, name: str) -> ComponentEntry:
    """Return a component that is written down, so that it can be changed."""
    entry = find_component(config, kind, name)
    if name not in config.components[kind]:
        row = KINDS[kind]
        raise MlxError(
            f"{row.title} {name!r} is built in and cannot be changed",
            hint=f"mlx {row.command} register NAME --flavor={entry.flavor}",
        )
    return entry


def _check_free(config: Config, kind: str, name: str) -> None:
    if name in config.components[kind]:
        row = KINDS[kind]
        raise AlreadyExistsError(
            f"{row.title} {name!r} already exists",
            hint=f"mlx {row.command} update {name} --ATTRIBUTE=VALUE",
        )


def _check_removable(entry: ComponentEntry, gone: list[str], new: Mapping[str, Any]) -> None:
    for key in gone:
        if key not in entry.attributes:
            raise NotFoundError(
                f"{KINDS[entry.kind].title} {entry.name!r} has no attribute {key!r}"
                f"{did_you_mean(key, entry.attributes)}",
                hint=f"mlx {KINDS[entry.kind].command} describe {entry.name}",
            )
        if key in new:
            raise ConfigError(f"{key} is set and removed at once")


def _deletable(config: Config, kind: str, name: str, *, force: bool) -> tuple[str, ...]:
    """Return the stacks that name a component; one that is used is not to be deleted but with `force`."""
    _own(config, kind, name)
    users = [*_users(config, kind, name), *_unwritten(config, kind, name)]
    if users and not force:
        raise InUseError(
            f"{KINDS[kind].title} {name!r} is used by {_stacks(users)}",
            hint=f"mlx {KINDS[kind].command} delete {name} --force, which takes it out of there too",
        )
    return tuple(stack for stack in users if _names(config, stack, kind) == name)


def _users(config: Config, kind: str, name: str) -> list[str]:
    """The written stacks that use the component, whether they name it or have it for naming none."""
    return [stack for stack in config.stacks if stack_components(config, stack).get(kind) == name]


def _unwritten(config: Config, kind: str, name: str) -> list[str]:
    """The implicit stack, when it is the only one and uses the component."""
    if config.stacks or stack_components(config, IMPLICIT_STACK).get(kind) != name:
        return []
    return [IMPLICIT_STACK]


def _check_not_unwritten(config: Config, kind: str, name: str) -> None:
    """Refuse a rename that would change a stack which is written nowhere, and so cannot follow."""
    if _unwritten(config, kind, name):
        row = KINDS[kind]
        raise InUseError(
            f"{row.title} {name!r} is what the implicit stack {IMPLICIT_STACK!r} uses",
            hint=f"mlx stack register {IMPLICIT_STACK} {row.stack_flag[-1]} {name}, which renaming then follows",
        )


def _names(config: Config, stack: str, kind: str) -> str | None:
    entry = config.stacks.get(stack)
    return entry.components.get(kind) if entry else None


def _stacks(names: list[str]) -> str:
    return f"stack {names[0]!r}" if len(names) == 1 else f"stacks {', '.join(map(repr, names))}"
