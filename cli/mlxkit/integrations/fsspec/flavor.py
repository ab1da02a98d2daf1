"""The artifact stores `s3`, `gcs`, `azure` and `fsspec`, described, with the rules for their attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...stacks.attributes import InvalidAttributeError, has_marks, sounds_secret
from ...stacks.flavors import Attribute, Flavor
from ...stacks.trusting import TRUST_CODE

DEFAULT_CACHE_SIZE = "10GB"
DEFAULT_RETRIES = 4
_KIND = "artifact_store"
_STORE = "mlxkit.integrations.fsspec.artifact_store:FsspecArtifactStore"
_URL = re.compile(r"[a-z][a-z0-9+._-]*(::[a-z][a-z0-9+._-]*)*://", re.IGNORECASE | re.ASCII)

_COMMON = (
    Attribute(
        "cache_size",
        "str",
        "How much the copies on this machine may take, such as 500MB or 20GB; one cache serves all stores of a user.",
        default=DEFAULT_CACHE_SIZE,
    ),
    Attribute("retries", "int", "How often a request that failed is repeated.", default=DEFAULT_RETRIES),
    TRUST_CODE,
)

S3 = Flavor(
    kind=_KIND,
    name="s3",
    attributes=(
        Attribute("path", "str", "Where to keep artifacts: s3://BUCKET/PREFIX.", required=True),
        Attribute(
            "key",
            "str",
            "Access key id. Without it: the environment, the profile, or the role of the machine.",
            secret=True,
        ),
        Attribute("secret", "str", "Secret access key.", secret=True),
        Attribute("token", "str", "Session token of temporary credentials.", secret=True),
        Attribute(
            "endpoint_url", "str", "Address of an S3 that is not Amazon's: MinIO, Ceph, Cloudflare R2 ..."
        ),
        Attribute("region", "str", "Region of the bucket."),
        Attribute("profile", "str", "Profile of ~/.aws to take credentials from."),
        Attribute("anon", "bool", "Send no credentials: a public bucket.", default=False),
        *_COMMON,
    ),
    implementation=_STORE,
    summary="Step outputs in a bucket of Amazon S3, or of anything that speaks its protocol.",
    extra="s3",
    validator="mlxkit.integrations.fsspec.flavor:validate_s3",
)

GCS = Flavor(
    kind=_KIND,
    name="gcs",
    attributes=(
        Attribute("path", "str", "Where to keep artifacts: gs://BUCKET/PREFIX.", required=True),
        Attribute(
            "token",
            "str",
            "Key of a service account, as JSON or as the file with it. Without it: Google's default credentials.",
            secret=True,
        ),
        Attribute("project", "str", "Google Cloud project to work in."),
        Attribute("endpoint_url", "str", "Address of another service with the same API."),
        Attribute("anon", "bool", "Send no credentials: a public bucket.", default=False),
        *_COMMON,
    ),
    implementation=_STORE,
    summary="Step outputs in a bucket of Google Cloud Storage.",
    extra="gcs",
    validator="mlxkit.integrations.fsspec.flavor:validate_gcs",
)

AZURE = Flavor(
    kind=_KIND,
    name="azure",
    attributes=(
        Attribute(
            "path", "str", "Where to keep artifacts: az://CONTAINER/PREFIX or abfs://...", required=True
        ),
        Attribute("account_name", "str", "Storage account."),
        Attribute(
            "account_key",
            "str",
            "Key of the storage account. Without any credential: Azure's default credentials.",
            secret=True,
        ),
        Attribute("sas_token", "str", "Shared access signature.", secret=True),
        Attribute("connection_string", "str", "Connection string, in place of all of these.", secret=True),
        Attribute("tenant_id", "str", "Tenant of a service principal."),
        Attribute("client_id", "str", "Id of a service principal.", secret=True),
        Attribute("client_secret", "str", "Secret of that service principal.", secret=True),
        Attribute("anon", "bool", "Send no credentials: a public container.", default=False),
        *_COMMON,
    ),
    implementation=_STORE,
    summary="Step outputs in a container of Azure Blob Storage.",
    extra="azure",
    validator="mlxkit.integrations.fsspec.flavor:validate_azure",
)

FSSPEC = Flavor(
    kind=_KIND,
    name="fsspec",
    attributes=(
        Attribute(
            "path", "str", "Any URL that fsspec knows: sftp://HOST/DIR, webdav://..., ...", required=True
        ),
        Attribute(
            "options",
            "map",
            'What the file system takes, as a JSON object: \'{"username": "me", "password": "<<nas.password>>"}\'.',
        ),
        *_COMMON,
    ),
    implementation=_STORE,
    summary="Step outputs wherever an fsspec file system reaches.",
    extra="fsspec",
    validator="mlxkit.integrations.fsspec.flavor:validate_fsspec",
)


def validate_s3(_name: str, attributes: Mapping[str, Any], **_: object) -> list[str]:
    """Hold an `s3` store against its rules; raises InvalidAttributeError."""
    _check_common(attributes, ("s3", "s3a"), "s3://BUCKET/PREFIX")
    _check_pair(attributes, "key", "secret")
    if attributes.get("token") and not attributes.get("key"):
        raise InvalidAttributeError("token", "a session token needs key and secret too")
    _check_anonymous(attributes, ("key", "secret", "token", "profile"))
    return []


def validate_gcs(_name: str, attributes: Mapping[str, Any], **_: object) -> list[str]:
    """Hold a `gcs` store against its rules; raises InvalidAttributeError."""
    _check_common(attributes, ("gs", "gcs"), "gs://BUCKET/PREFIX")
    _check_anonymous(attributes, ("token",))
    return []


def validate_azure(_name: str, attributes: Mapping[str, Any], **_: object) -> list[str]:
    """Hold an `azure` store against its rules; raises InvalidAttributeError."""
    _check_common(attributes, ("az", "abfs", "abfss"), "az://CONTAINER/PREFIX")
    if not attributes.get("account_name") and not attributes.get("connection_string"):
        raise InvalidAttributeError(
            "account_name", "missing: name the storage account, or give a connection_string"
        )
    _check_pair(attributes, "client_id", "client_secret")
    _check_anonymous(attributes, ("account_key", "sas_token", "connection_string", "client_id"))
    return []


def validate_fsspec(name: str, attributes: Mapping[str, Any], **_: object) -> list[str]:
    """Hold an `fsspec` store against its rules; raises InvalidAttributeError."""
    _check_common(attributes, None, "sftp://HOST/FOLDER")
    options = attributes.get("options")
    given = options if isinstance(options, Mapping) else {}  # else all of it is a reference
    for key, value in given.items():
        if sounds_secret(key.lower()) and isinstance(value, str) and value and not has_marks(value):
            secret = f"{name.replace('.', '_')}_secret"
            raise InvalidAttributeError(
                f"options.{key}",
                f'holds a credential in plain text: write "<<{secret}.{key}>>" in its place',
                hint=f"mlx secret create {secret} --{key}",
            )
    return []


def cache_limit(attributes: Mapping[str, Any]) -> int:
    """Return the limit of the copies in bytes; raises InvalidAttributeError."""
    from ...deployments.sizes import size_of
    from ...errors import UsageError

    text = attributes.get("cache_size") or DEFAULT_CACHE_SIZE
    try:
        return size_of(text if isinstance(text, str) else text.reveal(), what="cache_size")
    except UsageError:
        raise InvalidAttributeError("cache_size", "has to be a size such as 500MB or 20GB") from None


def _check_common(attributes: Mapping[str, Any], schemes: tuple[str, ...] | None, example: str) -> None:
    path = attributes.get("path", "")
    if isinstance(path, str) and not has_marks(path):
        scheme, _, rest = path.partition("://")
        if not _URL.match(path) or not rest.strip("/"):
            raise InvalidAttributeError("path", f"has to be an address such as {example}")
        if schemes is not None and scheme.lower() not in schemes:
            raise InvalidAttributeError("path", f"has to begin with {schemes[0]}://, as in {example}")
        if schemes is not None and ("?" in rest or "#" in rest):
            raise InvalidAttributeError("path", f"has to be a plain address such as {example}")
    if not has_marks(attributes.get("cache_size", "")):
        cache_limit(attributes)
    retries = attributes.get("retries", DEFAULT_RETRIES)
    if isinstance(retries, int) and not 0 <= retries <= 20:
        raise InvalidAttributeError("retries", "has to be from 0 to 20")


def _check_pair(attributes: Mapping[str, Any], one: str, other: str) -> None:
    for given, missing in ((one, other), (other, one)):
        if attributes.get(given) and not attributes.get(missing):
            raise InvalidAttributeError(missing, f"missing: {given} alone opens nothing")


def _check_anonymous(attributes: Mapping[str, Any], credentials: tuple[str, ...]) -> None:
    given = [key for key in credentials if attributes.get(key)]
    if attributes.get("anon") and given:
        raise InvalidAttributeError("anon", f"says that no credentials are sent, and {given[0]} is one")
