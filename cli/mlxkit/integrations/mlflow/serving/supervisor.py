"""The supervisor of a deployment: holds its address, keeps its workers alive, and puts new ones in place of old ones.

Started as `python -m mlxkit.integrations.mlflow.serving.supervisor FOLDER`, with one JSON line on its standard input
that holds the token. It imports nothing of MLflow: that, and everything that can crash, is in the workers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from ....errors import MlxError
from ....stacks.listening import listen
from .state import Status, Wanted, boot_id, hold, read_wanted, write_status
from .supervision import Supervisor


def main(folder: Path) -> int:
    """Serve what the folder asks for."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the terminal's, which has nothing to do with us
    early: list[int] = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _frame: early.append(number))
    told = sys.stdin.buffer.readline()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    lock = hold(folder)
    wanted = read_wanted(folder)
    if lock is None or wanted is None:
        return 1
    # Who started us may have ended before it had said everything: then nobody knows whether there is a token.
    token = json.loads(told).get("token") if told.endswith(b"\n") else None
    if not told.endswith(b"\n") or wanted.has_token != (token is not None):
        _say_failed(
            folder, wanted, MlxError("the command that started it ended before it had handed over the token")
        )
        return 1
    try:
        listener = listen(wanted.host, wanted.port)
    except MlxError as error:
        _say_failed(folder, wanted, error)
        return 1
    return Supervisor(folder, token, wanted, listener, early).run()


def _say_failed(folder: Path, wanted: Wanted, error: MlxError) -> None:
    status = Status(
        pid=os.getpid(),
        boot=boot_id(),
        host=wanted.host,
        port=wanted.port or None,
        model=wanted.model,
        state="failed",
        since=time.time(),
        reason=error.message,
        answered=wanted.id,
    )
    write_status(folder, status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
