"""Signals that end a wait for anything else."""

from __future__ import annotations

import signal
import socket


def wake_on(numbers: tuple[int, ...], arrived: list[int]) -> tuple[socket.socket, socket.socket]:
    """Have signals noted in `arrived`; the first of the two sockets, both to be kept, can be read when there is one."""
    read, write = socket.socketpair()
    for end in (read, write):
        end.setblocking(False)
    signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda number, _frame: arrived.append(number))
    return read, write
