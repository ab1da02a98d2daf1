"""Where `mlx secret export` writes to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import AlreadyExistsError
from . import terminal

Secrets = Mapping[str, Mapping[str, str]]


def to_stdout(secrets: Secrets) -> None:
    """Print the values, which --reveal asked for."""
    from ..secrets.document import to_text

    terminal.out(to_text(secrets, as_json=False).removesuffix("\n"))


def to_file(secrets: Secrets, name: str, *, force: bool) -> None:
    """Write a private file; one that is there stays unless it is forced."""
    from ..config.files import write_atomic
    from ..secrets.document import to_text

    path = Path(name).expanduser()
    if os.path.lexists(path) and not force:
        raise AlreadyExistsError(f"{name} exists", hint="--force replaces it")
    write_atomic(path, to_text(secrets, as_json=path.suffix == ".json").encode(), mode=0o600)
    terminal.warn(f"{name} has {len(secrets)} secrets in plain text; delete it as soon as it has served")
