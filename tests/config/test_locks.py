"""One holder at a time: among processes, among threads, and after a holder was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlxkit.config.locks import LockTimeoutError, file_lock, one_at_a_time
from mlxkit.errors import InUseError

ADD_ONE = """
import sys
from pathlib import Path
from mlxkit.config.locks import file_lock
for _ in range(50):
    with file_lock(Path("lock")):
        count = int(Path("count").read_text())
        Path("count").write_text(str(count + 1))
"""

HOLD = """
import sys, time
from pathlib import Path
from mlxkit.config.locks import file_lock
with file_lock(Path("lock")):
    print("held", flush=True)
    time.sleep(60)
"""


def test_processes_take_turns() -> None:
    Path("count").write_text("0")
    running = [subprocess.Popen([sys.executable, "-c", ADD_ONE]) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    assert Path("count").read_text() == "200"


def test_threads_take_turns() -> None:
    count = [0]

    def add() -> None:
        for _ in range(50):
            with file_lock(Path("lock")):
                before = count[0]
                threading.Event().wait(0.0001)
                count[0] = before + 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == [200]


def test_a_holder_that_does_not_let_go_is_reported_and_a_killed_one_is_forgotten() -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LockTimeoutError, match=r"another process has held lock for more than 0.2 s"):
        with file_lock(Path("lock"), timeout=0.2):
            pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with file_lock(Path("lock"), timeout=5):
        pass


def test_an_error_inside_lets_go() -> None:
    with pytest.raises(ZeroDivisionError), file_lock(Path("lock")):
        1 / 0
    with file_lock(Path("lock"), timeout=0):
        pass


def test_a_command_that_another_one_holds_up_says_what_is_held_and_what_to_type() -> None:
    with (
        one_at_a_time(Path("lock"), timeout=0, busy="never", hint="never"),
        pytest.raises(InUseError, match="is changing it") as raised,
        one_at_a_time(Path("lock"), timeout=0, busy="another command is changing it", hint="mlx status"),
    ):
        raise AssertionError("two hold it")
    assert raised.value.hint == "mlx status"
    with one_at_a_time(Path("lock"), timeout=0, busy="never", hint="never"):
        pass
