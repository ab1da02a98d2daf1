"""The address that a server listens on: taken for it, looked whether it is free, and reached from here."""

from __future__ import annotations

import errno
import socket

from ..errors import MlxError

_BACKLOG = 2048
_EVERY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - recognised, never chosen


class PortTakenError(MlxError):
    """Another program listens on the port."""


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one. It is ours alone: a second listener is refused by the system."""
    try:
        listener = _bound(host, port)
        try:
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"port {port} is taken by another program", hint="take a free one with --port 0"
            ) from error
        if error.errno == errno.EACCES:
            raise MlxError(
                f"port {port} needs rights that you do not have", hint="take a free one with --port 0"
            ) from error
        raise MlxError(
            f"cannot listen on {host}: {error.strerror}", hint="--host takes an address of this machine"
        ) from error
    listener.setblocking(False)
    return listener


def is_taken(host: str, port: int) -> bool:
    """Say whether somebody listens on an address right now, without listening there for a moment."""
    try:
        _bound(host, port).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def reached_at(host: str) -> str:
    """Return the address under which this machine itself reaches a server that listens on `host`."""
    return _EVERY.get(host, host)


def _bound(host: str, port: int) -> socket.socket:
    family, address = _resolved(host, port)
    # The protocol is named because asyncio switches off Nagle's algorithm only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what closed just now does not count
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


def _resolved(host: str, port: int) -> tuple[int, tuple[str, int]]:
    """Return the first address of a name, IPv4 before IPv6: that is where `localhost` is looked for."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    found.sort(key=lambda item: item[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    return int(family), address  # type: ignore[return-value]
