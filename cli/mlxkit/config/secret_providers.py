"""`secret_providers` of mlx.yaml: which flavors there are and what each may say. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..dataclass import dataclass
from ..errors import did_you_mean

SECTION = "secret_providers"


@dataclass(frozen=True)
class ProviderFlavor:
    """A flavor of provider: its words, what each of its attributes means, and which of them hold a reference only."""

    title: str
    attributes: Mapping[str, str]
    references: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


AUTH: Mapping[str, tuple[tuple[str, ...], ...]] = {  # by method: of each group one attribute is needed
    "token": (),
    "approle": (("role_id",), ("secret_id",)),
    "kubernetes": (("role",),),
    "jwt": (("role",), ("jwt", "jwt_file")),
}

_VAULT = ProviderFlavor(
    "HashiCorp Vault or OpenBao, KV version 2",
    {
        "address": "The server, as https://vault.example.com:8200; without it BAO_ADDR or VAULT_ADDR.",
        "mount": "The mount of the KV engine; `secret` without it.",
        "path": "The folder in the mount whose entries are the secrets; the top without it.",
        "namespace": "The namespace; without it BAO_NAMESPACE or VAULT_NAMESPACE.",
        "ca_file": "The certificate authority of the server, a PEM file, from the folder of mlx.yaml on.",
        "auth": "How to log in: token (without it), approle, kubernetes or jwt.",
        "login_path": "The mount of the login method, where it is not called like the method.",
        "token": "For token, a reference to the token; without it BAO_TOKEN, VAULT_TOKEN or ~/.vault-token.",
        "role_id": "For approle: the role id, or a reference to it.",
        "secret_id": "For approle: a reference to the secret id.",
        "role": "For kubernetes and jwt: the role.",
        "jwt": "For jwt: a reference to the token to log in with.",
        "jwt_file": "For kubernetes and jwt: the file with it; that of the service account without it.",
    },
    references=("token", "secret_id", "jwt"),
    addresses=("address",),
    paths=("mount", "path", "login_path"),
)
_AWS = ProviderFlavor(
    "AWS Secrets Manager",
    {
        "region": "The region; without it what AWS_REGION, AWS_DEFAULT_REGION or the profile says.",
        "profile": "The profile of ~/.aws to log in with; without it as AWS tools choose.",
        "prefix": "What stands before the name of each secret, such as mlx/; it is not part of the name in mlx.",
        "endpoint_url": "Another server than AWS's own.",
    },
    addresses=("endpoint_url",),
)
_BEGINNING = "has to begin with https:// (or http://) and the name of a server"
PROVIDERS: Mapping[str, ProviderFlavor] = {"vault": _VAULT, "openbao": _VAULT, "aws": _AWS}


def problems(flavor: str, attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say what is wrong with a provider, as attribute (empty: the whole) and words."""
    known = PROVIDERS.get(flavor)
    if known is None:
        yield (
            "flavor",
            f"no flavor {flavor!r}{did_you_mean(flavor, PROVIDERS)}; there are {', '.join(PROVIDERS)}",
        )
        return
    for key, value in attributes.items():
        if key not in known.attributes:
            yield key, f"unknown attribute{did_you_mean(key, known.attributes)}"
        elif not isinstance(value, str) or not value.strip():
            yield key, "has to be text: put quotes round it" if value is not None else "is empty"
        elif not value.isprintable():  # it would steer the terminal that asks whether to trust the place
            yield key, "holds a character that cannot be shown"
        elif key in known.references and "<<" not in value and "{{" not in value:
            yield key, "a credential does not stand in this file: write a reference, as <<name.key>>"
        elif key in known.addresses:
            yield from ((key, text) for text in address_problems(value))
        elif key in known.paths and not {"", ".", ".."}.isdisjoint(value.strip("/").split("/")):
            yield key, "has an empty part, or one that leads elsewhere ('.', '..')"
        elif key == "namespace" and not value.isascii():
            yield key, "has to be of ASCII characters"
    if known is _VAULT:
        yield from _login(attributes)


def address_problems(value: str) -> Iterator[str]:
    """Refuse what is not `http(s)://host[:port]`; a message never repeats an address that may hold a password."""
    try:
        address = urlsplit(value)
        port = address.port
        (address.hostname or "").encode("idna")
    except ValueError:
        yield "is not an address" if "://" in value else _BEGINNING
        return
    if address.username is not None or address.password is not None:
        yield "a credential does not stand in an address"
    elif address.scheme not in ("http", "https") or not address.hostname or port == 0:
        yield _BEGINNING
    elif address.query or address.fragment:
        yield "has to end with the port, or a path"
    elif not value.isprintable() or " " in value:
        yield "has a blank in it, or a character that cannot be shown"


def _login(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    method = attributes.get("auth", "token")
    if not isinstance(method, str):
        return  # which is said already
    if method not in AUTH:
        yield "auth", f"unknown{did_you_mean(method, AUTH)}; there are {', '.join(AUTH)}"
        return
    for group in AUTH[method]:
        if not any(key in attributes for key in group):
            yield "", f"auth: {method} needs {' or '.join(group)}"
