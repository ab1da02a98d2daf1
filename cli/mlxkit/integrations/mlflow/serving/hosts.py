"""Names under which a server that only this machine reaches may be asked for.

A page in a browser can have its own name point to 127.0.0.1 and then read what a server here answers. The browser tells
which name it asked for; no such name is one of these.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=64)
def is_of_this_machine(host: bytes) -> bool:
    """Say whether a `Host` is an address, `localhost`, a name below it, or empty; with a port or without."""
    text = host.decode("latin-1").strip().lower()
    if text.startswith("["):
        name, closing, port = text[1:].partition("]")
        port = port.removeprefix(":") if closing else "?"
    else:
        name, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return False
    name = name.removesuffix(".")
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
