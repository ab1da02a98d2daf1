"""A process that outlives us: started in a session of its own, with its log beside it and a pipe for its secrets."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from .log import rotate
from .state import LOG


def launch_apart(
    module: str,
    folder: Path,
    environment: Mapping[str, str],
    told: Mapping[str, Any],
    *arguments: str,
    inherited: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a module of ours for a folder; `told` goes through its standard input, which stays open, as a line of JSON."""
    folder = folder.absolute()
    rotate(folder / LOG)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder), *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            pass_fds=tuple(inherited),
        )
    finally:
        os.close(log)
    say(process, json.dumps(dict(told)).encode())
    return process


def say(process: subprocess.Popen[bytes], line: bytes) -> None:
    """Tell a process a line; one that has ended hears nothing."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(line + b"\n")
            process.stdin.flush()
