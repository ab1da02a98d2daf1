"""The base of a user's own materializer, spelled as in ZenML, and the register of those that were defined."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

_by_type: dict[type, type[BaseMaterializer]] = {}


class LocalFiles:
    """The file calls that materializers written for ZenML make on `self.artifact_store`."""

    def open(self, path: str, mode: str = "r", **options: Any) -> IO[Any]:
        return Path(path).open(mode, **options)

    def exists(self, path: str) -> bool:
        return Path(path).exists()

    def isdir(self, path: str) -> bool:
        return Path(path).is_dir()

    def listdir(self, path: str) -> list[str]:
        return sorted(item.name for item in Path(path).iterdir())

    def makedirs(self, path: str) -> None:
        Path(path).mkdir(parents=True, exist_ok=True)

    def copyfile(self, source: str, target: str) -> None:
        Path(target).write_bytes(Path(source).read_bytes())


class BaseMaterializer:
    """Write and read values of some types as files in the folder `self.uri`.

    A subclass names its types in ASSOCIATED_TYPES and is then used for them, or is given to a step with
    `output_materializers`. `load` reads a folder that other steps share: it must not write there.
    """

    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = ()
    SKIP_REGISTRATION: ClassVar[bool] = False

    def __init__(self, uri: str, artifact_store: Any = None) -> None:
        self.uri = uri
        self.artifact_store = artifact_store if artifact_store is not None else LocalFiles()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.__dict__.get("SKIP_REGISTRATION", False):
            for kind in cls.__dict__.get("ASSOCIATED_TYPES", ()):
                _by_type[kind] = cls

    def save(self, data: Any) -> None:
        """Write the value into `self.uri`."""
        raise NotImplementedError(f"{type(self).__qualname__} has no save()")

    def load(self, data_type: type[Any]) -> Any:
        """Read the value from `self.uri`."""
        raise NotImplementedError(f"{type(self).__qualname__} has no load()")

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        """Return a few plain facts about the value for its summary."""
        return {}


def registered_for(kind: type) -> type[BaseMaterializer] | None:
    """Return the user's materializer for a type: the one of its nearest base, or None."""
    if not _by_type:
        return None
    return next((_by_type[base] for base in kind.__mro__ if base in _by_type), None)


def registered() -> Mapping[type, type[BaseMaterializer]]:
    """Return every type that has a materializer of the user's."""
    return dict(_by_type)


def register(kind: type, materializer: type[BaseMaterializer]) -> None:
    """Use a materializer for a type, as the definition of its class does."""
    _by_type[kind] = materializer


def forget_registered() -> None:
    """Use none of the user's materializers any more."""
    _by_type.clear()
