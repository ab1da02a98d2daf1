"""What the tests have done on workers; called as the step stub is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Notify = Callable[[tuple[Any, ...]], None]


def echo(code: bytes, value: Any, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> Any:
    return value


def count_code(code: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> int:
    return len(code)


def talk(code: bytes, folder: str, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> str:
    """Say something, and go on once the test has heard it."""
    notify(("started",))
    notify(("output", "before\n"))
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    wait_for(Path(folder) / "heard")
    notify(("noted", "after"))
    return "done"


def know(code: bytes, folder: str, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> bool:
    """Say whether the driver had noted a tracker run when `notify` came back."""
    notify(("tracker_run", "run-1"))
    return (Path(folder) / "run-1").exists()


def die(code: bytes, times: int, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> int:
    notify(("output", f"life {lost}\n"))
    if lost < times:
        notify(("tracker_run", "heard"))  # comes back when the driver has it, and what was said before
        os.kill(os.getpid(), signal.SIGKILL)
    return lost


def hang(code: bytes, folder: str, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> None:
    """Note who runs, a child among them, and go on for ever."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (Path(folder) / str(os.getpid())).touch()
    (Path(folder) / str(child.pid)).touch()
    time.sleep(600)


def boom(code: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> None:
    raise ValueError(f"refused {secrets.get('key', 'nothing')}")


def leave(code: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> None:
    sys.exit(3)


def use(code: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> int:
    """Use a secret as careless code does: print it, give it to C code's output, keep it for a while."""
    from mlxkit.secrets.value import SecretValue

    value = SecretValue(secrets["key"], "key").reveal()
    os.write(1, f"written {value}\n".encode())
    subprocess.run(["printenv", "GIVEN"], env={"GIVEN": value, "PATH": os.environ["PATH"]}, check=True)
    time.sleep(0.5)
    return len(value)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.02)


def look(code: bytes, *, secrets: Mapping[str, str], notify: Notify, lost: int) -> tuple[str, list[str]]:
    """Return where the work is done, and what is there."""
    here = Path.cwd()
    return str(here), sorted(str(path.relative_to(here)) for path in here.rglob("*") if path.is_file())
