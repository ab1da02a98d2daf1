"""Pictures: what their first bytes say, and a few coloured cells of them where Pillow is there."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

Colour = tuple[int, int, int]
Pixels = tuple[tuple[Colour, ...], ...]  # rows of pixels; two rows are one line of half blocks
_TALLEST = 48
_MOST = 64_000_000  # pixels: a picture that claims more is not decoded


def kind_of_picture(content: bytes) -> dict[str, Any] | None:
    """Return format, width and height of a PNG, JPEG or GIF, or None; nothing is decoded."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return {"format": "PNG", "width": width, "height": height}
    if content[:6] in (b"GIF87a", b"GIF89a") and len(content) >= 10:
        width, height = struct.unpack("<HH", content[6:10])
        return {"format": "GIF", "width": width, "height": height}
    if content[:3] == b"\xff\xd8\xff":
        size = _jpeg_size(content)
        return {"format": "JPEG", **({"width": size[0], "height": size[1]} if size else {})}
    return None


def picture_of(value: Any, width: int) -> Pixels | None:
    """Return a value as a small picture, or None: what is none, what cannot be decoded, or no Pillow to do it."""
    try:
        small = _small(_image(value), width)
    except Exception:  # whatever a decoder says of a broken file
        return None
    if small is None:
        return None
    flat = small.tobytes()
    across = small.width * 3
    return tuple(
        tuple((flat[at], flat[at + 1], flat[at + 2]) for at in range(row * across, (row + 1) * across, 3))
        for row in range(small.height)
    )


def _small(image: Any, width: int) -> Any:
    if image is None or image.width == 0 or image.height == 0:
        return None
    scale = min(width / image.width, _TALLEST / image.height, 1.0)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.convert("RGB").resize(size)


def _image(value: Any) -> Any:
    if isinstance(value, bytes):
        told = kind_of_picture(value)
        if told is None or told.get("width", 0) * told.get("height", 0) > _MOST:
            return None
        from PIL import Image

        return Image.open(BytesIO(value))
    if hasattr(value, "convert"):
        return value
    shape: Any = getattr(value, "shape", ())
    is_colour = len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) >= 8
    is_grey = len(shape) == 2 and min(shape) >= 8
    if str(getattr(value, "dtype", "")) != "uint8" or not (is_colour or is_grey):
        return None
    from PIL import Image

    step = max(max(shape[:2]) // 512, 1)  # a large one is thinned before it is copied
    return Image.fromarray(value[::step, ::step].copy())


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Walk the segments of a JPEG to the one that begins the frame."""
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None
