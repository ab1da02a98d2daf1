"""Work for executors to do: functions of a module, as `perform` is one, that take what it takes."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Notify = Callable[[tuple[Any, ...]], None]


def twice(task: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    return task * 2


def nothing(code: bytes, task: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    notify(("started",))
    return b""


def pid(*args: bytes, secrets: Mapping[str, str], notify: Notify, lost: int) -> int:
    return os.getpid()


def length_and_identity(
    code: bytes, task: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int
) -> tuple[int, int]:
    return len(code), id(code)


def speak(count: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    notify(("started",))
    for number in range(int(count)):
        notify(("output", f"line {number}\n"))
        if number % 100 == 0:
            notify(("noted", f"at {number}"))
    return b"spoken"


def speak_from_below(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    """Print as programs and C code do."""
    os.write(1, "über ".encode())
    subprocess.run(["echo", "a child"], check=True)
    os.write(2, b"to stderr\n")
    print("by Python")
    return b""


def flood(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    subprocess.run(["yes", "and again " * 20], check=True)
    return b"never"


def speak_from_a_fork(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    child = os.fork()
    if child == 0:
        notify(("output", "from the fork\n"))
        os._exit(0)
    os.waitpid(child, 0)
    notify(("output", "from the worker\n"))
    return b"went on"


def open_tracker_run(path: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    """Return what the driver has written down by the time `notify` returns."""
    notify(("output", "before\n"))
    notify(("tracker_run", "run-1"))
    return Path(path.decode()).read_bytes()


def die(how: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    """End the process in one of the ways that processes end."""
    notify(("output", "last words\n"))
    notify(("tracker_run", "run-1"))  # returns when the driver has heard all that was said
    if how == b"segfault":
        faulthandler.disable()
        ctypes.string_at(0)
    if how == b"exit":
        os._exit(0)
    if how == b"abort":
        os.abort()
    if how == b"closed channel":
        os.closerange(3, 256)
        return b"nobody hears this"
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it is dead")


def die_once(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> int:
    if lost == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return lost


class Shy(Exception):
    """Cannot be pickled."""

    def __reduce__(self) -> str:
        raise TypeError("not to be pickled")


class Picky(Exception):
    """Can be pickled, and not be made again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def fail(how: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    if how == b"exit":
        sys.exit(3)
    if how == b"shy":
        raise Shy(f"shy, with {secrets['token']}")
    if how == b"picky":
        raise Picky("one", "two")
    raise ValueError("ordinary")


def cannot_travel(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> Any:
    return lambda: None


def seconds(task: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    """Run for a while, saying when it began and its process."""
    notify(("detail", str(os.getpid())))
    notify(("started",))
    time.sleep(float(task))
    return task


def clean_up(path: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    """Write a file when SIGTERM comes, as user code does that wants to clean up."""

    def ended(_number: int, _frame: object) -> None:
        raise InterruptedError

    signal.signal(signal.SIGTERM, ended)
    try:
        notify(("tracker_run", "ready"))
        time.sleep(60)
    except InterruptedError:
        Path(path.decode()).write_text("cleaned")
        return b"killed"
    return b"not killed"


def stubborn(task: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    notify(("tracker_run", "ready"))
    time.sleep(float(task))
    return b"done"


def leave_children(path: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    """Leave children and grandchildren behind; their numbers go to a file."""
    numbers = []
    for _ in range(4):
        child = subprocess.Popen(["sh", "-c", "sleep 300 & echo $!; wait"], stdout=subprocess.PIPE)
        assert child.stdout is not None
        numbers += [child.pid, int(child.stdout.readline())]
    Path(path.decode()).write_text(json.dumps(numbers))
    notify(("tracker_run", "ready"))
    return b"left"


def leave_children_and_stay(path: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    leave_children(path, secrets=secrets, notify=notify, lost=lost)
    time.sleep(60)
    return b""


def together(
    folder: bytes, count: bytes, least: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int
) -> int:
    """Return how many pieces of work there were at once at most, as seen by this one.

    It looks `count` times, and before that until somebody has seen `least` of them: a worker may take a while to start.
    """
    place = Path(folder.decode())
    met = place.with_name(f"{place.name}.met")
    mine = place / f"{os.getpid()}-{time.monotonic_ns()}"
    mine.touch()
    most = looks = 0
    end = time.monotonic() + 60
    while looks < int(count) and time.monotonic() < end:
        most = max(most, len(list(place.iterdir())))
        if most >= int(least):
            met.touch()
        looks += met.exists()
        time.sleep(0.01)
    mine.unlink()
    return most


def devices(task: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> str | None:
    notify(("started",))
    time.sleep(float(task))
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def where_it_is(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> dict[str, Any]:
    """Return what work finds around it."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        terminal = True
    except OSError:
        terminal = False
    return {
        "group": os.getpgid(0),
        "pid": os.getpid(),
        "session": os.getsid(0),
        "stdin": sys.stdin.read(),
        "terminal": terminal,
        "path": sys.path,
        "SIGTERM": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "SIGINT": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "modules": sorted(sys.modules),
    }


def set_handler(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    """Leave a handler and an alarm behind, as a timeout does that was not taken back."""
    signal.signal(signal.SIGUSR1, lambda *_: None)
    return b""


def has_handler(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> bool:
    return signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL


def secret_places(*, secrets: Mapping[str, str], notify: Notify, lost: int) -> dict[str, str]:
    """Return what others can read of this process while it has a secret."""
    value = secrets["token"]
    found = {}
    for process in ("self", str(os.getppid())):
        for name in ("cmdline", "environ"):
            found[f"{process}/{name}"] = str(value.encode() in Path(f"/proc/{process}/{name}").read_bytes())
    return found


def openmp(library: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> int:
    return int(ctypes.CDLL(library.decode()).sum_to(100_000))


def lock_held(path: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    return b"here"


def burn(seconds: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bytes:
    """Use that much of a processor."""
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        sum(range(1000))
    return seconds
