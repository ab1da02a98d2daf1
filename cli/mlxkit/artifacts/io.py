"""Save a value, load it again: the two calls that everything else here serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import classes, containers, custom, folders, plain
from .declared import Undeclared, check
from .digests import digest_of
from .errors import (
    ArtifactMissingError,
    ArtifactStoreError,
    ArtifactUnreadableError,
    UnstorableOutputError,
)
from .hashing import ContentHash, file_digest, hashing_file, tag_of
from .materializers.base import BaseMaterializer, registered_for
from .materializers.formats import FORMATS, PICKLE, Format, NotRepresentableError, format_of
from .records import INLINE_LIMIT, ArtifactRecord
from .store import ArtifactStore, uri_of
from .trust import check_code
from .unreadable import reading

__all__ = ["digest_of", "load", "save"]

COMPOSITE = "composite"
CODE = "code"
_CONTENT = "content"
_ALWAYS_CHECKED = 4 << 20


def save(
    value: Any,
    *,
    declared: Any = Undeclared,
    materializer: type[BaseMaterializer] | None = None,
    store: ArtifactStore,
) -> ArtifactRecord:
    """Store a value and return its record; small plain values stay in the record itself.

    Raises OutputTypeError, UnstorableOutputError or ArtifactStoreError, and leaves nothing behind then.
    """
    check(value, declared)
    kind = type(value)
    if classes.type_name(kind) == "mlxkit.secrets.value.SecretValue":
        raise UnstorableOutputError("a secret is never stored", hint="return what was made with it")
    chosen = materializer or registered_for(kind)
    if chosen is not None:
        return _save_custom(value, chosen, store)
    if kind is str:
        return _save_bytes(value.encode("utf-8", "surrogatepass"), "text", value, store)
    if kind is bytes:
        return _save_bytes(value, "bytes", value, store)
    row = format_of(value)
    if row is not None:
        try:
            return _save_file(value, row, store)
        except NotRepresentableError:
            return _save_file(value, PICKLE, store)
    leaves = containers.Leaves()
    encoder = plain.Encoder(leaf=leaves.stand_in)
    try:
        encoded = encoder.encode(value)
        if not leaves.values:
            return _save_bytes(encoder.dumps(encoded).encode(), "json", value, store, encoder.code)
    except RecursionError:  # it contains itself, or is too deep for JSON
        return _save_file(value, PICKLE, store)
    if leaves.has_formats():
        return _save_container(value, encoded, leaves, store, encoder.code)
    return _save_file(value, PICKLE, store)


def load(record: ArtifactRecord, store: ArtifactStore, *, declared: Any = None, verify: bool = False) -> Any:
    """Return a fresh value, or one whose memory cannot be written.

    `declared` helps to find classes of a script that is now a module. Content that runs code when it is read
    is always checked against its digest, and so is small content; `verify` checks everything.
    Raises ArtifactMissingError when running the step again would help, ArtifactUnreadableError when not, and
    UntrustedCodeError for what would run code that somebody else stored.
    """
    known = classes.classes_in(declared)

    def before_code(what: str) -> None:
        check_code(record, store, what)

    if record.inline is not None:
        with reading(record):
            return _decoded(record.inline, record.materializer, known, before_code)
    if record.uri.endswith("/"):
        return _load_folder(record, store, known, verify)
    row = FORMATS.get(record.materializer)
    if row is not None and row.is_code:
        check_code(record, store)
    path = checked_file(record, store, verify=verify)

    def before_named_code(what: str) -> None:
        check_code(record, store, what)
        _check_digest(path, record)

    with reading(record):
        if row is None:
            return _decoded(path.read_bytes(), record.materializer, known, before_code)
        return row.read(path, before_named_code)


def checked_file(record: ArtifactRecord, store: ArtifactStore, *, verify: bool = False) -> Path:
    """Return the stored file after checking its size, and its digest as `load` does; raises ArtifactMissingError."""
    path = store.locate(record.uri, record)
    try:
        _check_file(path, record, verify=verify)
    except ArtifactMissingError:
        if not store.discard_copy(record.uri):
            raise
        path = store.locate(record.uri, record)  # only the copy on this machine was damaged
        _check_file(path, record, verify=verify)
    return path


def inline_digest(content: bytes, materializer: str) -> str:
    """Return the digest of a small value that stays in its record."""
    digest = ContentHash(tag_of(materializer))
    digest.update(content)
    return digest.hexdigest()


def parts_of(record: ArtifactRecord, store: ArtifactStore) -> tuple[Path, folders.Entries]:
    """Return the folder of a container and what is in it, after checking its manifest."""
    folder = store.locate(record.uri, record)
    return folder, folders.read_manifest(folder, tag_of(record.materializer), record.digest)


def _save_bytes(
    content: bytes, name: str, value: Any, store: ArtifactStore, code: Set[str] = frozenset()
) -> ArtifactRecord:
    summary: dict[str, Any] = {"length": len(value)} if hasattr(value, "__len__") else {}
    if type(value) is dict:
        summary["keys"] = [str(key)[:80] for key in list(value)[:20]]
    summary |= _code(code)
    if len(content) <= INLINE_LIMIT and name != "bytes":
        return ArtifactRecord(
            inline_digest(content, name),
            name,
            classes.type_name(type(value)),
            len(content),
            inline=content,
            summary=summary,
        )
    with _writing(store) as folder:
        with hashing_file(folder / _CONTENT, tag_of(name)) as file:
            file.write(content)
        return _committed(folder / _CONTENT, file.hexdigest(), file.size, name, value, summary, store)


def _save_file(value: Any, row: Format, store: ArtifactStore) -> ArtifactRecord:
    with _writing(store) as folder:
        with hashing_file(folder / _CONTENT, tag_of(row.name)) as file:
            code = row.write(value, file)
        return _committed(
            folder / _CONTENT,
            file.hexdigest(),
            file.size,
            row.name,
            value,
            {**row.summary(value), **_code(code)},
            store,
        )


def _save_container(
    value: Any, encoded: Any, leaves: containers.Leaves, store: ArtifactStore, code: Set[str]
) -> ArtifactRecord:
    with _writing(store) as folder:
        content = folder / _CONTENT
        content.mkdir(mode=0o700)
        digests, inner = containers.write(encoded, leaves, content)
        digest, size = folders.write_manifest(content, tag_of(COMPOSITE), digests)
        return _committed(
            content,
            digest,
            size,
            COMPOSITE,
            value,
            {**containers.summary(value, leaves), **_code(code | inner)},
            store,
        )


def _save_custom(value: Any, kind: type[BaseMaterializer], store: ArtifactStore) -> ArtifactRecord:
    with _writing(store) as folder:
        content = folder / _CONTENT
        content.mkdir(mode=0o700)
        name = custom.PREFIX + custom.write(value, kind, content / folders.FILES)["custom"]
        digest, size = folders.write_manifest(content, tag_of(name), {})
        return _committed(
            content,
            digest,
            size,
            name,
            value,
            {**custom.summary(value, kind), **_code(custom.code(value, kind))},
            store,
        )


def _code(references: Set[str]) -> dict[str, list[str]]:
    """Return the part of a summary that says on whose code a value stands: who reads it depends on that code, too."""
    found = classes.of_user(references)
    return {CODE: found} if found else {}


def _committed(
    draft: Path,
    digest: str,
    size: int,
    name: str,
    value: Any,
    summary: Mapping[str, Any],
    store: ArtifactStore,
) -> ArtifactRecord:
    uri = uri_of(digest, is_folder=draft.is_dir())
    store.commit(draft, uri)
    return ArtifactRecord(digest, name, classes.type_name(type(value)), size, uri, None, summary)


def _load_folder(
    record: ArtifactRecord, store: ArtifactStore, known: Mapping[str, type], verify: bool
) -> Any:
    if record.materializer.startswith(custom.PREFIX):
        check_code(record, store)
    folder = store.locate(record.uri, record)
    try:
        return _read_folder(folder, record, store, known, verify)
    except ArtifactMissingError:  # perhaps only the copy on this machine was damaged
        if not store.discard_copy(record.uri):
            raise
        return _read_folder(store.locate(record.uri, record), record, store, known, verify)


def _read_folder(
    folder: Path, record: ArtifactRecord, store: ArtifactStore, known: Mapping[str, type], verify: bool
) -> Any:
    is_custom = record.materializer.startswith(custom.PREFIX)
    entries = folders.read_manifest(folder, tag_of(record.materializer), record.digest)
    if verify or is_custom:  # a user's materializer may run what it reads
        for name in entries:
            folders.check_file(folder, entries, name)
    if is_custom:
        return custom.read(
            record.materializer.removeprefix(custom.PREFIX), record.type, folder / folders.FILES, known
        )
    with reading(record):
        return containers.read(folder, entries, known, lambda what: check_code(record, store, what))


def _decoded(content: bytes, name: str, known: Mapping[str, type], before_code: classes.BeforeCode) -> Any:
    if name == "text":
        return content.decode("utf-8", "surrogatepass")
    if name == "bytes":
        return content
    if name == "json":
        return plain.loads(content, known=known, before_code=before_code)
    raise ArtifactUnreadableError(f"the value was stored as {name!r}, which this version does not know")


def _check_file(path: Path, record: ArtifactRecord, *, verify: bool) -> None:
    _check_size(path, record)
    row = FORMATS.get(record.materializer)
    if verify or record.size <= _ALWAYS_CHECKED or row is None or row.is_code:
        _check_digest(path, record)


def _check_size(path: Path, record: ArtifactRecord) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ArtifactMissingError(f"artifact {record.digest[:12]} is gone: {error.strerror}") from error
    if size != record.size:
        raise ArtifactMissingError(
            f"artifact {record.digest[:12]} is damaged: {size} bytes instead of {record.size}"
        )


def _check_digest(path: Path, record: ArtifactRecord) -> None:
    if file_digest(path, tag_of(record.materializer)) != record.digest:
        raise ArtifactMissingError(f"artifact {record.digest[:12]} is damaged: its content was changed")


@contextmanager
def _writing(store: ArtifactStore) -> Iterator[Path]:
    try:
        with store.draft() as folder:
            yield folder
    except OSError as error:
        raise ArtifactStoreError(
            f"cannot write to artifact store {store.location}: {error.strerror or error}",
            hint="mlx artifact-store list",
        ) from error
