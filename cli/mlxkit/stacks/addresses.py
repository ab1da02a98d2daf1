"""Credentials inside of addresses: what counts as one, and how an address is shown without it."""

from __future__ import annotations

import re
from urllib.parse import unquote

MASK = "***"
_HARMLESS = re.compile(r"token|signature", re.IGNORECASE)  # a model has these, too
_LAST = re.compile(r"(token|signature)$", re.IGNORECASE)
_SHORT = 8  # characters: `pad_token=EOS` is none, and `<|endoftext|>` neither
_AT_ONCE = re.compile(r"[^\s/]*://")
_AMID_TEXT = re.compile(r"(?<=://)\S+")
_REFERENCES = re.compile(r"(?:<<[\w-]+\.[\w.-]+(?:\|url)?>>)+", re.ASCII)
_PARAMETER = re.compile(r"(?<=[?&#;])([^&#?;=]+)=([^&]*)")
_PASSWORD = re.compile(
    r"passw|passphrase|pwd|token|secret|credential|(?:api|access|account|private|signing)[_-]?key|signature|odbc_connect|^pass$|^sig$",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """Return a text with *** in the place of the credentials in its addresses; references to them stay."""
    if "://" not in text:
        return text
    if _AT_ONCE.match(text):
        start, mark, rest = text.partition("://")
        return start + mark + _hidden(rest)
    return _AMID_TEXT.sub(lambda found: _hidden(found[0]), text)


def bare_address(uri: str) -> str:
    """Return an address without what may be a credential: user, password, query."""
    scheme, mark, rest = uri.partition("://")
    authority, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def shown_address(text: str) -> str:
    """Return an address that anybody may have written, without what may be a credential, encoded or not."""
    return bare_address(without_credentials(text))


def is_password_name(name: str) -> bool:
    """Say whether what bears this name is a credential, as in the query of an address."""
    return _PASSWORD.search(name) is not None


def is_secret(name: str, value: str) -> bool:
    """Say whether a setting that a cluster shows to all is a secret, by its name or as an address with credentials."""
    if without_credentials(value) != value:
        return True
    if not value or only_references(value):
        return False
    if is_password_name(_HARMLESS.sub("", name)):
        return True
    return _LAST.search(name) is not None and len(value) >= _SHORT and not value.startswith(("<", "["))


def is_loopback(host: str) -> bool:
    """Say whether a host name always means this machine."""
    if host in ("localhost", "::1") or host.endswith(".localhost"):
        return True
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts)


def userinfo(uri: str) -> str:
    """Return what stands before the `@` of an address, or nothing.

    A password that is not encoded may hold any of `/?#@`, so everything to the last `@` may belong to it.
    """
    rest = uri.partition("://")[2]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    before, at, _ = authority.rpartition("@")
    if at and _is_referred(before):
        return before
    if at or ":" in re.sub(r"\[.*?\]", "", authority):
        return rest.rpartition("@")[0]
    return ""


def only_references(text: str) -> bool:
    """Say whether a text consists of references and nothing else."""
    if _REFERENCES.fullmatch(text):  # nearly all of them, and then a listing need not import the secrets
        return True
    if "{{" not in text and "<<" not in text:
        return False
    from ..secrets.references import WrongReferenceError, find, normalise

    try:
        written = normalise(text)
    except WrongReferenceError:
        return False
    return "".join(map(str, find(written))) == written


def _is_referred(before: str) -> bool:
    user, colon, password = before.partition(":")
    return only_references(password if colon else user)


def _hidden(rest: str) -> str:
    before = userinfo(f"://{rest}")
    after = rest[len(before) :]
    shown = before if not before or _is_referred(before) else MASK
    return shown + _PARAMETER.sub(_parameter, after)


def _parameter(found: re.Match[str]) -> str:
    name, value = found.groups()
    if not value or only_references(value) or not is_password_name(unquote(name)):
        return found[0]
    return f"{name}={MASK}"
