"""What a file system raised, judged: gone, refused, out of reach, worth another try; and put into words."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from ...artifacts.errors import ArtifactStoreError
from ...errors import CredentialsError, MlxError, UnreachableError
from ...stacks.addresses import without_credentials

_LONGEST = 300
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_OUT_OF_REACH = (
    "EndpointConnectionError",
    "ConnectError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectionClosedError",
    "ProxyConnectionError",
)
_NO_CREDENTIALS = (
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError", "SSOError",
    "ClientAuthenticationError", "DefaultCredentialsError", "RefreshError", "AuthenticationException",
    "BadAuthenticationType", "PasswordRequiredException",
)  # fmt: skip
_MAY_BE_OURS = ("builtins", "mlxkit")  # where a mistake of ours would come from
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_MISSING_BUCKET = (
    "NoSuchBucket",
    "ContainerNotFound",
    "No such container",
    "The specified bucket does not exist",
)


class Known(Exception):
    """What somebody who asks is ready for."""


class Missing(Known):
    """Nothing is there."""


class Taken(Known):
    """Something is there already that must not be written over."""


class Unsupported(Known):
    """The service does not know what it was asked for."""


def known(error: BaseException, doing: str) -> Known | None:
    """Return the answer that an error stands for, or None; where something is written, nothing can be missing."""
    status = status_of(error)
    if isinstance(error, FileExistsError) or status == 412:
        return Taken()
    if isinstance(error, NotImplementedError) or status == 501:
        return Unsupported()
    if (
        doing != "write"
        and (isinstance(error, FileNotFoundError) or status == 404)
        and not _is_bucket_missing(error)
    ):
        return Missing()
    return None


def is_passing(error: BaseException) -> bool:
    """Say whether the same request may well succeed in a moment."""
    if isinstance(
        error, (MlxError, FileNotFoundError, FileExistsError, PermissionError, NotImplementedError)
    ):
        return False
    if _named(error, _NO_CREDENTIALS):
        return False
    status = status_of(error)
    if status is not None:
        return status in _PASSING or is_conflict(error)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return False
    return isinstance(error, OSError) or _is_of_a_library(error)


def is_conflict(error: BaseException) -> bool:
    """Say whether somebody else was writing the same in that instant."""
    return status_of(error) == 409


def is_understood(error: BaseException) -> bool:
    """Say whether it is a situation that `explained` has words for, and not a mistake of ours."""
    return isinstance(error, OSError) or _is_of_a_library(error) or isinstance(error, NotImplementedError)


def explained(error: BaseException, doing: str, location: str, name: str) -> MlxError:
    """Return the error to raise: which store, what failed, and what to look at; `name` is the component's."""
    look, change = f"mlx artifact-store describe {name}", f"mlx artifact-store update {name}"
    said = f"artifact store {location}: cannot {doing}"
    words = _words(error)
    status = status_of(error)
    if _named(error, _NO_CREDENTIALS):
        return CredentialsError(
            f"{said}: there are no credentials that work ({words})",
            hint=f'{change} --KEY="<<secret.key>>"',
        )
    if _is_bucket_missing(error):
        bucket = location.partition("://")[2].partition("/")[0]
        return ArtifactStoreError(
            f"{said}: there is no bucket {bucket!r}",
            hint=f"make it, or correct it: {change} --path=...",
        )
    if isinstance(error, PermissionError) or status in (401, 403):
        return CredentialsError(
            f"{said}: the credentials are not taken or do not allow it ({words})",
            hint=look,
        )
    if isinstance(error, NotImplementedError) or status == 501:
        return ArtifactStoreError(
            f"{said}: that is not supported there ({words})", hint=f"{change} --path=..."
        )
    if isinstance(error, OSError) and error.errno in _NO_SPACE and doing == "read":
        return ArtifactStoreError(
            f"{said}: there is no room here for a copy ({words})",
            hint=f"{change} --cache_size=1GB, or free the disk",
        )
    if status == 400 and words == "Bad Request":  # of HEAD, which has no body that could say more
        words = "Bad Request, which is also what S3 answers when credentials have expired"
    if is_out_of_reach(error):
        return UnreachableError(f"{said}: it does not answer ({words})", hint=look)
    return ArtifactStoreError(f"{said}: {words}", hint=look)


def is_out_of_reach(error: BaseException) -> bool:
    """Say whether no answer came at all."""
    return any(
        isinstance(one, (ConnectionError, TimeoutError))
        or type(one).__name__ in _OUT_OF_REACH
        or type(one).__name__.startswith(("ClientConnector", "ServiceRequest"))
        for one in _chain(error)
    )


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error stands for, or None; every library keeps it elsewhere."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):  # botocore
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            found = (
                getattr(one, "status_code", None)
                or getattr(one, "code", None)
                or getattr(one, "status", None)
            )
        if isinstance(found, int) and 100 <= found < 600:
            return found
    return None


def _is_bucket_missing(error: BaseException) -> bool:
    return any(word in str(one) for one in _chain(error) for word in _MISSING_BUCKET)


def _words(error: BaseException) -> str:
    """Return what an error says, on one line, without what may be a credential."""
    from ...secrets.masking import mask_text

    line = re.sub(r"\s+", " ", _raw(error)).strip() or type(error).__name__
    line = mask_text(without_credentials(line))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _raw(error: BaseException) -> str:
    return str(error) if not isinstance(error, OSError) or not error.strerror else str(error.strerror)


def _named(error: BaseException, names: tuple[str, ...]) -> bool:
    return any(type(one).__name__ in names for one in _chain(error))


def _is_of_a_library(error: BaseException) -> bool:
    """Say whether it is an error of a file system's own library; there are as many of those as of file systems."""
    return isinstance(error, EOFError) or type(error).__module__.partition(".")[0] not in _MAY_BE_OURS


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__
