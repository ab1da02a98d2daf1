"""The rules for a tracker's addresses: the same when it is registered and when its references are resolved.

No message quotes a part of an address that came from a secret.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from ...errors import did_you_mean
from ...stacks.addresses import userinfo, without_credentials
from ...stacks.attributes import InvalidAttributeError

HTTP = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_LONGEST_LABEL = 63


def check_written(attribute: str, uri: str) -> None:
    """Refuse credentials in plain text, queries and fragments in an address that may hold references."""
    scheme = _scheme(uri)
    if scheme in DATABASES:
        if without_credentials(uri) != uri:
            raise InvalidAttributeError(
                attribute,
                "holds credentials in plain text",
                hint=f'put them in a secret and write "{scheme}://<<secret.username>>:<<secret.password|url>>@..."',
            )
    else:
        _refuse_userinfo(attribute, uri)
    _refuse_query(attribute, uri)


def is_by_reference(uri: str) -> bool:
    """Say whether the scheme or the host comes from a secret, so that there is nothing to check yet."""
    scheme, _, rest = uri.partition("://")
    return _has_marks(scheme) or _has_marks(rest.partition("/")[0].rpartition("@")[2])


def check_address(attribute: str, uri: str, *, is_hidden: bool = False) -> SplitResult:
    """Take a whole address apart, or refuse it; with `is_hidden`, it came from a secret and is not quoted."""
    scheme = _scheme(uri)
    if scheme != "sqlite" and any(char.isspace() or not char.isprintable() for char in uri):
        raise InvalidAttributeError(attribute, "contains a blank or a control character")
    if scheme not in DATABASES:
        _refuse_userinfo(attribute, uri)
    elif scheme != "sqlite" and _is_torn(uri, is_hidden):
        raise InvalidAttributeError(attribute, "is not a valid address: its credentials are not encoded")
    _refuse_query(attribute, uri)
    parts = _split(attribute, uri)
    if scheme == "sqlite":
        if not uri.partition("?")[0].partition(":///")[2].strip("/"):
            raise InvalidAttributeError(
                attribute, "names no database file", hint="--tracking_uri=sqlite:///path/to/mlflow.db"
            )
    elif scheme in HTTP:
        if not parts.hostname:
            raise InvalidAttributeError(attribute, "has no host")
        if not parts.path.isascii():
            raise InvalidAttributeError(
                attribute, "is not a valid address: its path has to be percent-encoded"
            )
    elif scheme not in DATABASES:
        raise _unknown(attribute, scheme, is_hidden)
    return parts


def check_host(attribute: str, host: str, *, is_hidden: bool = False) -> str:
    """Return the address of a server whose `https://` may be left out, or refuse it."""
    uri = (host if "://" in host else f"https://{host}").rstrip("/")
    if _scheme(uri) not in HTTP:
        raise InvalidAttributeError(attribute, "has to be an https address")
    check_address(attribute, uri, is_hidden=is_hidden)
    return uri


def _scheme(uri: str) -> str:
    """Return the scheme without its driver: `postgresql` of `postgresql+psycopg2://...`."""
    found = re.match(r"([A-Za-z][A-Za-z0-9.-]*)(?:\+[\w.-]*)?:", uri)
    return found[1].lower() if found else ""


def _has_marks(text: str) -> bool:
    return "<<" in text or "{{" in text


def _is_torn(uri: str, is_hidden: bool) -> bool:
    """Say whether a password holds characters that end it, so that its rest passes for something else."""
    before = userinfo(uri)
    after = uri.partition("://")[2][len(before) + 1 :] if before else uri
    return any(char in before for char in "/?#@[]") or (is_hidden and "@" in after)


def _refuse_userinfo(attribute: str, uri: str) -> None:
    if not userinfo(uri) and "@" not in re.split("[/?#]", uri.partition("://")[2], maxsplit=1)[0]:
        return
    raise InvalidAttributeError(
        attribute,
        "holds credentials, which would end up in logs and links",
        hint='put them in a secret and pass --tracking_username="<<secret.username>>" '
        '--tracking_password="<<secret.password>>"',
    )


def _refuse_query(attribute: str, uri: str) -> None:
    scheme = _scheme(uri)
    if (scheme in DATABASES and "#" in uri and scheme != "sqlite") or (
        scheme not in DATABASES and ("#" in uri or "?" in uri)
    ):
        raise InvalidAttributeError(
            attribute,
            "holds a query or a fragment (from ? or # on), as the address of a page does",
            hint=f"give the address of the server itself: --{attribute}=https://host:port/path",
        )


def _split(attribute: str, uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # which is only read, and refused, when asked for
        is_valid = _is_host(unquote(parts.hostname or ""))
    except ValueError:
        is_valid = False
    if not is_valid:  # raised here, so that the refused part is not in the exception's context
        raise InvalidAttributeError(attribute, "is not a valid address")
    return parts


def _is_host(host: str) -> bool:
    """Say whether a host can be looked up at all; an IPv6 address, or the folder of a socket, is not looked into."""
    if not host or ":" in host or host.startswith("/"):
        return True
    labels = host.removesuffix(".").encode("idna" if not host.isascii() else "ascii").split(b".")
    return all(0 < len(label) <= _LONGEST_LABEL for label in labels)


def _unknown(attribute: str, scheme: str, is_hidden: bool) -> InvalidAttributeError:
    if scheme == "file" or not scheme:
        return InvalidAttributeError(
            attribute,
            "names a folder, and MLflow 3 no longer keeps runs in plain files",
            hint="--tracking_uri=sqlite:///path/to/mlflow.db, or leave tracking_uri out for a local store",
        )
    known = [*HTTP, *DATABASES, "databricks"]
    what = "unknown scheme" if is_hidden else f"unknown scheme {scheme!r}{did_you_mean(scheme, known)}"
    return InvalidAttributeError(attribute, f"{what}; MLflow knows {', '.join(known)}")
