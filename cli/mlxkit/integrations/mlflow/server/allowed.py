"""Which host names a server answers for, and the pages of which names may send something to it.

A page in a browser can have its own name point to any address; the browser tells which name it asked for, and of which
name the page is. MLflow compares the first with its allowed hosts and the second, where something is changed, with its
allowed origins.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from ....errors import UsageError

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_LONGEST = 253


def check_hosts(given: str) -> tuple[str, ...]:
    """Read `-x allowed_hosts=`: names, addresses and wildcards such as `*.example.com`, by comma."""
    return tuple(_checked(part.strip().lower()) for part in given.split(",") if part.strip())


def security(names: Sequence[str], port: int) -> dict[str, str]:
    """Return the variables that MLflow reads: every port of a name is answered for, `port` and none may be sent from."""
    hosts = [pattern for name in names for pattern in (name, f"{_escaped(name)}:*")]
    origins = [
        _origin(scheme, name, after)
        for name in names
        for scheme in ("https", "http")
        for after in ("", f":{port}")
    ]
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(dict.fromkeys(hosts)),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(dict.fromkeys(origins)),
    }


def _checked(host: str) -> str:
    if host == "*":
        raise UsageError(
            "-x allowed_hosts=*: every name would be one, of a page that means harm too",
            hint="name the hosts, such as team.example or *.team.example",
        )
    try:
        address = ipaddress.ip_address(host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host)
    except ValueError:
        if _NAME.fullmatch(host) and len(host) <= _LONGEST:
            return host
        found = re.fullmatch(rf"(?:[a-z]+://)?({_NAME.pattern})(?::[0-9]+)?/?", host)
        raise UsageError(
            f"-x allowed_hosts: {host[:80]!r} is no host name",
            hint=f"without a scheme and a port: {found[1]}"
            if found
            else "such as team.example or *.team.example",
        ) from None
    return f"[{address}]" if address.version == 6 else str(address)


def _escaped(name: str) -> str:
    """Return a name for a comparison in which brackets mean a choice of characters."""
    return name.replace("[", "[[]", 1)


def _origin(scheme: str, name: str, port: str) -> str:
    """Return the origin of a page.

    One with a star is compared in two ways. For the comparison that decides, `[^h]` is an `h`; for the other one, of
    regular expressions, where the star would let in too much, it is none, so that it never matches.
    """
    return f"{f'[^h]{scheme[1:]}' if '*' in name else scheme}://{name}{port}"
