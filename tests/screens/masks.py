"""What differs from run to run on a screen, replaced by something of the same width."""

from __future__ import annotations

import re

_ID = re.compile(r"\b(?=[0-9a-z]*\d)(?=[0-9a-z]*[a-z])[0-9a-z]{16}\b")
_SHORT_ID = re.compile(r"\b(?=[0-9a-z]*\d)(?=[0-9a-z]*[a-z])[0-9a-z]{10}\b")
_PLATFORM = re.compile(r"\b(Linux|Darwin)-[\w.-]+")
_COUNT = re.compile(r"(?<=distributions)( +)\d+")
_HEX = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}\b")
_STAMP = re.compile(r"\b\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d_\d{6}\b")
_ISO = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
_SECONDS = re.compile(r"\b\d+\.\d\ds")
_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")
_PYTHON = re.compile(r"(?<=[Pp]ython )( *)3\.1\d\.\d+\b")
_MLFLOW = re.compile(r"(?<=mlflow )3\.\d+\.\d+\b")
_SPACE_LEFT = re.compile(r"\d+ GB left")
_HOME = re.compile(r"/tmp/mlx-screen-\w{8}")


def masked(text: str) -> str:
    """Return a screen with ids, times, ports, digests and places replaced, each by the same one everywhere."""
    text = _HOME.sub("/home/ada/projects/ridge", text)
    text = _numbered(_STAMP, text, lambda n: f"2026_03_0{n % 10}-10_15_30_000000")
    text = _numbered(_ID, text, lambda n: f"{n}m7zehw2me0dwxx7"[:16])
    text = _numbered(_SHORT_ID, text, lambda n: f"{n}m7zehw2me0dwxx7"[:10])
    text = _PLATFORM.sub("Linux-6.12-x86_64", text)
    text = _COUNT.sub(r"\g<1>130", text)
    text = _numbered(_HEX, text, lambda n: f"{n:x}c0ffee")
    text = _ISO.sub("2026-03-01T10:15:30.000+00:00", text)
    text = _SECONDS.sub(lambda found: "0.12s".ljust(len(found[0])), text)
    text = _PORT.sub("5000", text)
    text = _PYTHON.sub(r"\g<1>3.11.7", text)
    text = _MLFLOW.sub("3.17.2", text)
    text = _SPACE_LEFT.sub("71 GB left", text)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _numbered(pattern: re.Pattern[str], text: str, name: object) -> str:
    seen: dict[str, str] = {}

    def replaced(found: re.Match[str]) -> str:
        word = found[0]
        if word not in seen:
            made = name(len(seen) + 1)  # type: ignore[operator]
            seen[word] = (made * 8)[: len(word)]
        return seen[word]

    return pattern.sub(replaced, text)
