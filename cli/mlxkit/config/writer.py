"""Changes to `mlx.yaml`: locked, checked before they replace the file, and never more than what was meant."""

from __future__ import annotations

import copy
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yaml import YAMLError

from ..errors import AlreadyExistsError, ConfigError
from . import splice
from .document import parse_config, read_bytes
from .files import remove_leftovers, write_atomic
from .locks import file_lock
from .model import VERSION, Config
from .paths import Project, followed, lock_path, private_state_dir
from .yamltext import FieldPath, parse_yaml

_NEW_MODE = 0o644  # it holds references and no secrets, and is meant to be committed
_BOM = "\ufeff"


class Editor:
    """The text of a configuration while it is changed, beside the plain data that it has to mean afterwards."""

    def __init__(self, text: str, project: Project) -> None:
        self._shown = project.shown
        self._project = project
        self.text = text
        self.data: dict[str, Any] = parse_yaml(text, what=self._shown).data or {}
        self.config = parse_config(text.encode(), project)

    def put(self, path: FieldPath, value: Any, *, after: str | None = None) -> None:
        """Set the value at `path`, making the maps on the way to it."""
        self._change(lambda: splice.put(self.text, path, value, after=after))
        node = self.data
        for key in path[:-1]:
            if not isinstance(node.get(key), dict):
                node[key] = {}
            node = node[key]
        node[path[-1]] = copy.deepcopy(value)

    def remove(self, path: FieldPath) -> None:
        """Take out the key at `path`."""
        self._change(lambda: splice.remove(self.text, path))
        del self._parent(path)[path[-1]]

    def rename(self, path: FieldPath, name: str) -> None:
        """Give the key at `path` another name, in its place."""
        self._change(lambda: splice.rename(self.text, path, name))
        parent = self._parent(path)
        entries = [(name if key == path[-1] else key, value) for key, value in parent.items()]
        parent.clear()
        parent.update(entries)

    def checked(self) -> Config:
        """Return what the new text says; refuse it when it says anything but what was meant."""
        try:
            meant = _same(parse_yaml(self.text, what=self._shown).data, self.data)
        except ConfigError:
            meant = False
        if not meant:
            raise self._refusal()
        return parse_config(self.text.encode(), self._project)

    def _change(self, splice_text: Callable[[], str]) -> None:
        try:
            self.text = splice_text()
        except (splice.CannotSpliceError, YAMLError) as error:
            raise self._refusal() from error

    def _refusal(self) -> ConfigError:
        return ConfigError(
            f"{self._shown} is written in a way that cannot be changed here without changing more "
            "(YAML anchors, perhaps); nothing was changed",
            hint=f"edit {self._shown} by hand",
        )

    def _parent(self, path: FieldPath) -> dict[str, Any]:
        node = self.data
        for key in path[:-1]:
            node = node[key]
        return node


@contextmanager
def edit(project: Project) -> Iterator[Editor]:
    """Change the configuration: nobody else can meanwhile, and it is replaced as a whole or not at all."""
    read_bytes(project)  # what cannot be read is said before anything is made
    with _locked(project):
        target = followed(project.config_path)  # a link stays a link
        old = read_bytes(project)
        remove_leftovers(target)
        text = f"version: {VERSION}\n" if old is None else _decoded(old, project)
        editor = Editor(text.removeprefix(_BOM), project)
        yield editor
        editor.checked()
        new = (_BOM if text.startswith(_BOM) else "") + editor.text
        if old is None or new != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(target, new.encode(), mode=_mode(target))


def create(project: Project, data: bytes) -> None:
    """Write a configuration where there is none yet."""
    with _locked(project):
        if os.path.lexists(project.config_path):
            raise AlreadyExistsError(f"{project.config_path} already exists, and stays as it is")
        parse_config(data, project)
        write_atomic(project.config_path, data, mode=_NEW_MODE)


@contextmanager
def _locked(project: Project) -> Iterator[None]:
    lock = lock_path(project)
    private_state_dir(lock.parent)
    with file_lock(lock):
        yield


def _decoded(data: bytes, project: Project) -> str:
    parse_config(data, project)  # says on which line it is not UTF-8, or not a configuration
    return data.decode("utf-8")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else _NEW_MODE


def _same(one: Any, other: Any) -> bool:
    """Compare plain data; an empty map, no map and no key are the same, 1 and True are not."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        one, other = one or {}, other or {}
        if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
            return False
        return all(_same(one.get(key), other.get(key)) for key in {*one, *other})
    return type(one) is type(other) and bool(one == other)
