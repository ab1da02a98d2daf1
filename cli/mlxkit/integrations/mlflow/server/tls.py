"""The certificate of a server: made here, or given as `-x tls=CERT,KEY`, and what clients have to trust."""

from __future__ import annotations

import ssl
from pathlib import Path

from ....dataclass import dataclass
from ....errors import UsageError
from ....secrets.certificates import is_self_signed, make_self_signed
from .environment import own_name
from .places import meant

SELF_SIGNED = "self-signed"
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Tls:
    """Where certificate and key are; `is_made` when they are still to be made, `is_trusted` when clients need the file."""

    certificate: Path
    key: Path
    is_made: bool
    is_trusted: bool


def parse_tls(given: str | None, folder: Path) -> Tls | None:
    """Read `-x tls=`; files that are given are opened, so that what is wrong with them is said at once."""
    if given is None:
        return None
    if given.replace("_", "-").lower() == SELF_SIGNED:
        return Tls(folder / "cert.pem", folder / "key.pem", is_made=True, is_trusted=True)
    parts = given.split(",")
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise UsageError(f"-x tls={given}: it is {SELF_SIGNED}, or the files CERT,KEY")
    certificate, key = (meant(part.strip()) for part in parts)
    for path in (certificate, key):
        if not path.is_file():
            raise UsageError(f"-x tls: there is no file {path}")
    try:
        # A password for the key would be asked for on the terminal, by a library and of a daemon.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        trusted = is_self_signed(certificate)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"-x tls: {certificate} and {key} are no certificate with its plain private key"
        ) from error
    return Tls(certificate, key, is_made=False, is_trusted=trusted)


def make(tls: Tls, host: str, allowed_hosts: tuple[str, ...]) -> None:
    """Make a self-signed certificate for every name that the server is reached by."""
    names = dict.fromkeys([*_OWN_NAMES, own_name(host), *(name.strip("[]") for name in allowed_hosts)])
    make_self_signed(tls.certificate, tls.key, [name for name in names if name and "*" not in name])
