"""`mlx.yaml`, read and held against the form that it has to have; every problem names its line and field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import ConfigError, did_you_mean
from .kinds import KINDS
from .model import VERSION, ComponentEntry, Config, ProviderEntry, StackEntry
from .names import name_problem
from .paths import Project
from .regular import read_regular_file
from .yamltext import MAX_BYTES, FieldPath, Parsed, dotted, parse_yaml

_SECTIONS = {kind.section: kind for kind in KINDS.values()}
_PROVIDERS = "secret_providers"
_TOP = ("version", "default_stack", *_SECTIONS, "stacks", _PROVIDERS)

_MOST_PROBLEMS = 20

# What exists without being written down, so that a stack need not name it and the first run needs no set-up.
IMPLICIT: dict[str, dict[str, str]] = {
    "experiment_tracker": {"default": "mlflow"},
    "artifact_store": {"default": "local", "local": "local"},
    "orchestrator": {"default": "local", "local": "local"},
    "model_registry": {"default": "mlflow"},
    "model_deployer": {"default": "mlflow"},
}


def read_config(project: Project) -> Config:
    """Read and check the configuration; a missing file is an empty configuration."""
    return parse_config(read_bytes(project) or b"", project)


def read_bytes(project: Project) -> bytes | None:
    """Read the file; None when there is none, which is an error when somebody named it."""
    data = read_regular_file(project.config_path, project.shown, limit=MAX_BYTES)
    if data is None and project.origin == "MLX_CONFIG":
        raise ConfigError(
            f"MLX_CONFIG names {project.config_path}, which does not exist",
            hint="mlx init, or unset MLX_CONFIG",
        )
    return data


def parse_config(data: bytes, project: Project) -> Config:
    """Check the bytes of a configuration and return what they say."""
    parsed = parse_yaml(decode(data, project.shown), what=project.shown)
    return _Form(parsed, project).config()


def decode(data: bytes, shown: str) -> str:
    """Turn bytes into text, or say on which line they are not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{shown}:{line}: not UTF-8 text (byte 0x{data[error.start]:02x})") from None


class _Form:
    """One reading of a parsed file; collects every problem before it raises."""

    def __init__(self, parsed: Parsed, project: Project) -> None:
        self._parsed = parsed
        self._project = project
        self._problems: list[tuple[int, str]] = []

    def config(self) -> Config:
        top = self._map((), self._parsed.data)
        self._known((), top, _TOP, "key")
        version = self._version(top.get("version", VERSION))
        components = {kind.name: self._section(kind.name, top.get(kind.section)) for kind in KINDS.values()}
        stacks = {
            name: self._stack(name, value, components)
            for name, value in self._named("stacks", top.get("stacks"))
        }
        default = self._default_stack(top.get("default_stack"), stacks)
        providers = self._providers(top.get(_PROVIDERS))
        if self._problems:
            shown = self._project.shown
            raise ConfigError("\n".join(f"{shown}:{line}: {text}" for line, text in self._first_problems()))
        path, shown = self._project.config_path, self._project.shown
        return Config(version, default, components, stacks, path, shown, providers)

    def _first_problems(self) -> list[tuple[int, str]]:
        return sorted(self._problems, key=lambda problem: problem[0])[:_MOST_PROBLEMS]

    def _version(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self._problem(("version",), f"has to be a whole number such as {VERSION}")
        elif value > VERSION:
            # Nothing else can be trusted to mean what this release thinks, so this one problem is enough.
            line = self._parsed.lines.get(("version",), 1)
            raise ConfigError(
                f"{self._project.shown}:{line}: version: {value} is newer than this mlx understands ({VERSION})",
                hint="pip install --upgrade mlxkit",
            )
        return VERSION

    def _section(self, kind: str, value: Any) -> dict[str, ComponentEntry]:
        entries = {}
        for name, body in self._named(KINDS[kind].section, value):
            path = (KINDS[kind].section, name)
            flavor, attributes = self._flavored(path, body)
            lines = {key: self._line((*path, key)) for key in attributes}
            entries[name] = ComponentEntry(name, kind, flavor, attributes, self._line(path), lines)
        return entries

    def _flavored(self, path: FieldPath, body: Any) -> tuple[str, dict[str, Any]]:
        """Return the flavor that an entry names, empty where it names none, and its attributes."""
        attributes = dict(self._map(path, body))
        flavor = attributes.pop("flavor", None)
        if body is not None and not isinstance(body, dict):
            return "", attributes  # which is said already
        if not isinstance(flavor, str) or not flavor:
            self._problem(
                (*path, "flavor"), "missing: say which flavor it is" if flavor is None else "has to be text"
            )
            return "", attributes
        return flavor, attributes

    def _providers(self, value: Any) -> dict[str, ProviderEntry]:
        if value is None:
            return {}
        from .secret_providers import problems

        entries = {}
        for name, body in self._named(_PROVIDERS, value):
            path = (_PROVIDERS, name)
            flavor, attributes = self._flavored(path, body)
            for key, text in problems(flavor, attributes) if flavor else ():
                self._problem((*path, key) if key else path, text)
            entries[name] = ProviderEntry(name, flavor, attributes, self._line(path))
        return entries

    def _stack(self, name: str, value: Any, components: dict[str, dict[str, ComponentEntry]]) -> StackEntry:
        path = ("stacks", name)
        body = self._map(path, value)
        self._known(path, body, KINDS, "kind of component")
        chosen = {}
        for kind, component in body.items():
            if kind not in KINDS:
                continue
            known = {**components[kind], **IMPLICIT[kind]}
            if not isinstance(component, str):
                self._problem((*path, kind), f"has to be the name of one {KINDS[kind].title}")
            elif component not in known:
                word = KINDS[kind].title.rpartition(" ")[2]
                self._problem((*path, kind), f"no {word} named {component!r}{did_you_mean(component, known)}")
            else:
                chosen[kind] = component
        return StackEntry(name, chosen, self._line(path))

    def _default_stack(self, value: Any, stacks: dict[str, StackEntry]) -> str | None:
        if value is None:
            return None
        known = [*stacks, "default"]
        if not isinstance(value, str):
            self._problem(("default_stack",), "has to be the name of a stack as text: put quotes round it")
        elif value not in known:
            self._problem(("default_stack",), f"no stack named {value!r}{did_you_mean(value, known)}")
        return str(value)

    def _named(self, section: str, value: Any) -> list[tuple[str, Any]]:
        """Return the entries of a section whose names are allowed."""
        entries = []
        for name, body in self._map((section,), value).items():
            problem = name_problem(name)
            if problem:
                self._problem((section, name), f"the name {problem}", field=f"{section}.{name!r}")
            else:
                entries.append((name, body))
        return entries

    def _map(self, path: FieldPath, value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        found = "a list" if isinstance(value, list) else "a single value"
        self._problem(path, f"has to be a map of names to values, not {found}")
        return {}

    def _known(self, path: FieldPath, body: dict[str, Any], known: Iterable[str], what: str) -> None:
        names = list(known)
        for key in body:
            if key not in names:
                self._problem((*path, key), f"unknown {what}{did_you_mean(key, names)}")

    def _line(self, path: FieldPath) -> int:
        """The line of a field, or of the nearest thing around it that was written down."""
        while path and path not in self._parsed.lines:
            path = path[:-1]
        return self._parsed.lines.get(path, 1)

    def _problem(self, path: FieldPath, text: str, *, field: str | None = None) -> None:
        name = field or dotted(path)
        self._problems.append((self._line(path), f"{name}: {text}" if name else text))
