"""NumPy arrays as .npy files, read memory-mapped and read-only."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy

from .formats import NotRepresentableError

ALIGNMENT = 64
_KINDS = "biufcSUmMV"


def write(value: Any, file: Any) -> None:
    """Write an array as `numpy.save` does, without a copy when its memory is in one piece."""
    if not _is_representable(value.dtype):
        raise NotRepresentableError(str(value.dtype))
    header = npy.header_data_from_array_1_0(value)
    if not _write_header(file, header):
        npy.write_array(file, value, version=(3, 0), allow_pickle=False)
        return
    if header["fortran_order"]:
        value = value.T
    if value.flags.c_contiguous:
        if value.nbytes:
            file.write(value.reshape(-1).view(np.uint8).data)
        return
    step = max((16 << 20) // max(value.itemsize, 1), 1)
    blocks: Any = np.nditer(
        value, flags=["external_loop", "buffered", "zerosize_ok"], buffersize=step, order="C"
    )
    for block in blocks:
        file.write(block.tobytes("C"))


def read(path: Path) -> Any:
    """Return the array of a file, mapped into memory."""
    return Arrays(path).at(0)


def summary(value: Any) -> dict[str, Any]:
    """Return shape and dtype."""
    return {"shape": list(value.shape), "dtype": str(value.dtype)}


class Arrays:
    """A file of one .npy after another, mapped once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        with self._file:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def at(self, offset: int) -> Any:
        """Return the array whose .npy begins at an offset."""
        self._map.seek(offset)
        version = npy.read_magic(self._map)
        if version not in ((1, 0), (2, 0)):
            self._map.seek(offset)
            return _frozen(npy.read_array(self._map, allow_pickle=False))
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = read_header(self._map, max_header_size=1 << 20)
        if dtype.hasobject:
            raise ValueError("an array of objects in a .npy file")
        order: Literal["C", "F"] = "F" if is_fortran else "C"
        if 0 in shape or dtype.itemsize == 0:
            return _frozen(np.empty(shape, dtype=dtype, order=order))
        return np.ndarray(shape, dtype, buffer=self._map, offset=self._map.tell(), order=order)


def _write_header(file: Any, header: dict[str, Any]) -> bool:
    """Write the header in the oldest version that holds it; False when it has names outside Latin-1."""
    for write_version in (npy.write_array_header_1_0, npy.write_array_header_2_0):
        try:
            write_version(file, header)
        except ValueError:  # before the first byte
            continue
        return True
    return False


def _frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


def _is_representable(dtype: Any) -> bool:
    """Say whether a dtype comes back from a .npy header as itself: no objects, no types of other libraries."""
    if dtype.kind not in _KINDS or dtype.hasobject:
        return False
    try:
        return bool(npy.descr_to_dtype(npy.dtype_to_descr(dtype)) == dtype)
    except (TypeError, ValueError):
        return False
