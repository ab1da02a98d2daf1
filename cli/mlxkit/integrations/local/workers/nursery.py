"""The process that workers are forked from: a copy of the driver that has one thread and does no work itself.

It is forked once, at a moment when that is safe, with all that the driver has imported; from then on a worker can be
forked from it at any moment, whatever the driver's threads do. It sees workers end, ends what they left running, and
ends them all when the driver is gone.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
import select
import signal
import socket
import stat
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from .process import serve

_LARGEST = 1 << 16  # bytes of a request
_LOOK = 2.0  # seconds between two looks for the driver: another process may hold its end open


def be_the_nursery(requests: socket.socket, driver: int, prepare: Callable[[], None]) -> NoReturn:
    """Be it, in a process that was just forked, until the driver closes its end; `prepare` forgets what was the driver's."""
    code = 1
    try:
        _be_nobodys_child(keep={requests.fileno()})
        prepare()
        gc.freeze()  # nothing of the driver's is ever collected here: its finalizers would end what is in use there
        _Nursery(requests, driver).run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class _Nursery:
    def __init__(self, requests: socket.socket, driver: int) -> None:
        self._requests = requests
        self._driver = driver
        self._workers: dict[int, int] = {}  # by process, the driver's number of it
        self._ended, self._signal = os.pipe()
        for end in (self._ended, self._signal):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._signal, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Fork, signal and bury until the driver is gone, then end what is left."""
        poll = select.poll()
        for descriptor in (self._requests.fileno(), self._ended):
            poll.register(descriptor, select.POLLIN)
        is_wanted = True
        while is_wanted and os.getppid() == self._driver:
            ready = {descriptor for descriptor, _ in poll.poll(_LOOK * 1000)}
            if self._ended in ready:
                os.read(self._ended, 4096)
                self._bury()
            if self._requests.fileno() in ready:
                is_wanted = self._answer()
        for process in self._workers:
            _end_group(process)
        while self._workers:
            process, _ = os.wait()
            self._workers.pop(process, None)

    def _answer(self) -> bool:
        request, descriptors, _, _ = socket.recv_fds(self._requests, _LARGEST, 2)
        if not request:
            return False
        kind, number, what = pickle.loads(request)  # noqa: S301 - from the driver
        if kind == "start":
            self._start(number, what, *descriptors)
        else:
            process = next((process for process, of in self._workers.items() if of == number), None)
            if process is not None:
                _end_group(process, what)
        return True

    def _start(self, number: int, environment: Mapping[str, str], channel: int, output: int) -> None:
        process = os.fork()
        if process == 0:
            self._become_worker(environment, channel, output)
        with suppress(OSError):
            os.setpgid(process, process)  # the child does it, too: whoever comes first
        os.close(channel)
        os.close(output)
        self._workers[process] = number

    def _become_worker(self, environment: Mapping[str, str], channel: int, output: int) -> NoReturn:
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._requests.fileno(), self._ended, self._signal):
                os.close(descriptor)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            os.environ.update(environment)
            serve(socket.socket(fileno=channel))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _bury(self) -> None:
        """Tell the driver of each worker that ended, once nothing of its group runs any more."""
        while self._workers:
            gone = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if gone is None:
                return
            _end_group(gone.si_pid)  # before its number is free for another process
            _, status = os.waitpid(gone.si_pid, 0)
            number = self._workers.pop(gone.si_pid, None)
            if number is not None:
                with suppress(OSError):  # the driver is gone: there are others to end
                    self._requests.send(pickle.dumps((number, os.waitstatus_to_exitcode(status))))


def _end_group(process: int, number: int = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, number)


def _be_nobodys_child(keep: set[int]) -> None:
    """Leave the terminal, the signals and the open connections to the driver."""
    os.setsid()  # Ctrl-C does not come here, and who asks the terminal is refused, not stopped
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2 and descriptor not in {*keep, nothing} and _is_the_drivers(descriptor):
            # Not closed: who still has the number would reach another file with it.
            os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    # Locks of the streams, and what was not flushed, are the driver's; they are kept, as their end would flush them.
    _before.extend((sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__))
    for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(descriptor, "r" if descriptor == 0 else "w", closefd=False)
        stream = io.TextIOWrapper(io.BufferedReader(raw) if descriptor == 0 else raw, errors="backslashreplace", write_through=True)  # fmt: skip
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


_before: list[object] = []


def _is_the_drivers(descriptor: int) -> bool:
    """Tell whether two processes would disturb each other with it: a connection, a lock, a database.

    A file that is read, or that lines are added to, does not.
    """
    import fcntl

    try:
        kind = os.fstat(descriptor).st_mode
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    except OSError:  # the one that listed them
        return False
    if not stat.S_ISREG(kind):
        return not stat.S_ISDIR(kind)
    return flags & os.O_ACCMODE != os.O_RDONLY and not flags & os.O_APPEND
