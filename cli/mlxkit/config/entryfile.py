"""JSON files that mlx wrote itself, one for each thing that it keeps: an object with the version of its form."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ..errors import ConfigError, MlxError


def read_own_json(path: Path, *, schema: int) -> dict[str, Any]:
    """Read an object of the version `schema`; raises ConfigError, or FileNotFoundError when there is no file."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} is not a JSON object")
    if data.get("schema_version") != schema:
        raise ConfigError(
            f"{path}: schema_version {data.get('schema_version')!r} is not {schema}: it is of another version of mlx"
        )
    return data


def remove_kept(path: Path) -> None:
    """Remove the folder of such a file with all that is in it; the file first, because it says that the rest is there."""
    folder = path.parent
    path.unlink(missing_ok=True)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise MlxError(f"cannot remove {folder}: {error.strerror}") from error
