"""What of a project travels with a detached run: its files, without what git ignores, state, environments and secrets."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from ...config.paths import CONFIG_NAME, STATE_NAME
from ...dataclass import dataclass
from ...errors import UsageError
from ...runs.code import git_output, top_of

LIMIT = 100 << 20  # bytes, before they are packed
_MOST = 20_000  # files
_IGNORE = ".rayignore"
# Never sent, whatever git says: state, repositories, caches, environments; and files that hold secrets by custom.
_NEVER = (
    STATE_NAME, ".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", ".ipynb_checkpoints",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".nox", "*.pyc", ".ds_store",
    ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".ssh", ".gnupg", ".aws", ".azure", ".gcloud", ".boto",
    ".s3cfg", ".oci", ".kube", "kubeconfig", "*.kubeconfig", ".docker", ".dockercfg", ".vault-token", ".git-credentials",
    ".pypirc", ".npmrc", ".pgpass", ".my.cnf", ".databrickscfg", ".htpasswd", "*.tfstate", "*.tfstate.backup",
    "*.key", "*.pem", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "id_rsa", "id_dsa", "id_ecdsa",
    "id_ed25519", "secrets.toml", "secrets.enc", "application_default_credentials.json", "client_secret*.json",
    "*service-account*.json", "*service_account*.json", "*gcp-key*.json",
)  # fmt: skip
_NEVER_BELOW = (
    (".config", "gcloud"), (".config", "gh"), (".config", "mlx"), (".config", "rclone"), (".local", "share", "mlx"),
    (".cache", "huggingface"),
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
        """Choose what travels; raises UsageError, with the largest files, for more than the limit, and for a home folder."""
        _refuse_home(root)
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

    def require(self, path: Path) -> None:
        """Raise UsageError for a file that the run needs and that does not travel."""
        name = path.resolve().relative_to(self.root.resolve()).as_posix()
        if name in self.files:
            return
        if _is_never_path(name):
            raise UsageError(
                f"{path} does not travel: files of such a name hold secrets or what a cluster makes itself"
            )
        raise UsageError(
            f"{path} does not travel to the cluster: .gitignore or {_IGNORE} names it, or it is in an environment",
            hint=f"git add --force {name}",
        )

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
    kept: list[str] = []
    links: list[str] = []
    for name in found:
        path = root / name
        if environments and not environments.isdisjoint(map(str, Path(name).parents)):
            continue
        if not _is_never_path(name) and path.is_file():
            (links if path.is_symlink() else kept).append(Path(name).as_posix())
    yield from kept
    sent, top = set(kept), root.resolve()
    for name in links:  # its content travels, and that only where it does so by its own name
        target = (root / name).resolve()
        if target.is_relative_to(top) and target.relative_to(top).as_posix() in sent:
            yield name


def _refuse_home(root: Path) -> None:
    try:
        home = Path.home().resolve()
    except RuntimeError:  # nobody knows where it is
        return
    if home.is_relative_to(root.resolve()):
        raise UsageError(
            f"{root} is a home folder, or above one, and would travel with the run as a whole",
            hint="keep the file in a folder of its own, with an mlx.yaml (`mlx init`)",
        )


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
    return list(dict.fromkeys(_with_nested(root, names)))


def _with_nested(root: Path, names: list[str]) -> Iterator[str]:
    """Yield files, those of a submodule or of a repository inside of this one in its place."""
    patterns = _patterns(root / _IGNORE)
    for name in names:
        folder = root / name
        if folder.is_symlink() or not (folder / ".git").exists():
            yield name
            continue
        inside = (f"{name.rstrip('/')}/{inner}" for inner in _of_git(folder) or ())
        yield from (inner for inner in inside if not _is_ignored(inner, patterns))


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
    return any(fnmatch(part.lower(), pattern) for pattern in _NEVER)


def _is_never_path(name: str) -> bool:
    parts = Path(name).parts
    if any(map(_is_never, parts)):
        return True
    return any(
        parts[start : start + len(below)] == below for below in _NEVER_BELOW for start in range(len(parts))
    )


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
