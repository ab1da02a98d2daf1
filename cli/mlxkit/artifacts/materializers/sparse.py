"""SciPy sparse matrices and arrays as .npz files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from scipy import sparse  # type: ignore[import-untyped]

from .formats import NotRepresentableError


def write(value: Any, file: Any) -> None:
    """Write a matrix uncompressed."""
    if value.dtype.hasobject:
        raise NotRepresentableError(str(value.dtype))
    content = BytesIO()  # a zip file is written with seeks
    sparse.save_npz(content, value, compressed=False)
    file.write(content.getbuffer())


def read(path: Path) -> Any:
    """Return the matrix in memory."""
    return sparse.load_npz(path)


def summary(value: Any) -> dict[str, Any]:
    """Return shape, dtype and the number of stored values."""
    return {"shape": list(value.shape), "dtype": str(value.dtype), "stored": int(value.nnz)}
