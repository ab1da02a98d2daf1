"""What of a project travels with a detached run: its files, without what git ignores, state, environments and secrets."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ...config.paths import CONFIG_NAME, STATE_NAME
from ...errors import UsageError
from ...runs.code import git_output, top_of

LIMIT = 100 << 20  # bytes, before they are packed
_MOST = 20_000  # files
_IGNORE = ".rayignore"
# Never sent: state, repositories, caches, environments; and files that hold secrets by custom.
_NEVER = (
    STATE_NAME, ".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", ".ipynb_checkpoints",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".nox", "*.pyc", ".DS_Store", ".env", ".env.*", ".netrc",
)  # fmt: skip
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files give the same package, which a cluster then has already
_NAMED = 5  # of the largest, in the error


@dataclass(frozen=True)
class Package:
    """The files of a project that travel, by their path below its root, and their bytes in all."""

    root: Path
    files: tuple[str, ...]
    size: int

    @classmethod
    def of(cls, root: Path) -> Package:
        """Choose what travels; raises UsageError, with the largest files, for more than the limit."""
        sizes = {name: (root / name).stat().st_size for name in _chosen(root)}
        total = sum(sizes.values())
        if total > LIMIT or len(sizes) > _MOST:
            largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:_NAMED]
            named = "".join(f"\n  {sizes[name] / 2**20:8.1f} MiB  {name}" for name in largest)
            raise UsageError(
                f"{root} has {len(sizes)} files with {total / 2**20:.0f} MiB to send, and at most "
                f"{LIMIT >> 20} MiB in {_MOST} files travel with a run; the largest:{named}",
                hint=f"name what the cluster does not need in {root / _IGNORE} (or .gitignore), and read data from a store",
            )
        return cls(root, tuple(sorted(sizes)), total)

    def write(self, path: Path, config: bytes) -> None:
        """Write the package as a zip file, with `config` as its mlx.yaml."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name in self.files:
                if name == CONFIG_NAME:
                    continue
                mode = 0o755 if os.access(self.root / name, os.X_OK) else 0o644
                _add(out, name, (self.root / name).read_bytes(), mode)
            _add(out, CONFIG_NAME, config, 0o644)
        path.chmod(0o600)


def _add(out: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = (0o100000 | mode) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    out.writestr(info, content)


def _chosen(root: Path) -> Iterator[str]:
    """Yield the files that travel: those that git knows or does not ignore, or all where there is no repository."""
    found = _of_git(root)
    if found is None:
        patterns = [*_patterns(root / ".gitignore"), *_patterns(root / _IGNORE)]
        found = [name for name in _walk(root, root) if not _is_ignored(name, patterns)]
    environments = {str(Path(name).parent) for name in found if Path(name).name == "pyvenv.cfg"}
    for name in found:
        path = root / name
        if environments and not environments.isdisjoint(map(str, Path(name).parents)):
            continue
        if not any(_is_never(part) for part in Path(name).parts) and path.is_file():
            if _leads_out(path, root):
                continue
            yield Path(name).as_posix()


def _of_git(root: Path) -> list[str] | None:
    """Return what git gives, minus what .rayignore names; None without a repository."""
    if top_of(root) is None:
        return None
    listed = git_output(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        return None
    names = _names(listed)
    ignore = root / _IGNORE
    if ignore.is_file():
        left_out: set[str] = set()
        for which in ("--cached", "--others"):
            found = git_output(root, "ls-files", "-z", which, "--ignored", f"--exclude-from={ignore}")
            left_out |= set(_names(found or b""))
        names = [name for name in names if name not in left_out]
    return list(dict.fromkeys(names))


def _names(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _walk(folder: Path, root: Path) -> Iterator[str]:
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        if _is_never(item.name):
            continue
        if item.is_dir(follow_symlinks=False):
            yield from _walk(Path(item.path), root)
        elif item.is_file():
            yield str(Path(item.path).relative_to(root))


def _is_never(part: str) -> bool:
    return any(fnmatch(part, pattern) for pattern in _NEVER)


def _leads_out(path: Path, root: Path) -> bool:
    """Say of a link whether it leads to what is not the project's."""
    return path.is_symlink() and not path.resolve().is_relative_to(root.resolve())


def _patterns(path: Path) -> list[str]:
    """Read the simple lines of an ignore file: names, wildcards, folders. Where there is git, git reads it."""
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text("utf-8", "replace").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "!"))]


def _is_ignored(name: str, patterns: list[str]) -> bool:
    parts = Path(name).parts
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for pattern in patterns:
        bare = pattern.strip("/")
        is_anchored = "/" in pattern.rstrip("/")
        whole = above if is_anchored else list(parts)
        if pattern.endswith("/"):
            whole = whole[:-1]
        if any(fnmatch(item, bare) for item in whole):
            return True
    return False
