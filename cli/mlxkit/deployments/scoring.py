"""One request to a deployment: sent over HTTP, answered with JSON, and what went wrong in words."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import Any, BinaryIO

from ..errors import CredentialsError, MlxError, UnreachableError
from ..secrets.value import SecretValue
from ..stacks.listening import reached_at
from .payload import Payload
from .records import DeploymentRecord
from .signature import Signature
from .sizes import size_text

_LONGEST_REASON = 300
_LARGEST_ERROR = 256 * 1024 * 1024  # bytes: MLflow quotes what it was sent


def check_size(payload: Payload, deployment: DeploymentRecord) -> None:
    """Refuse a body that the deployment would not take, before it is sent."""
    if payload.size > deployment.max_body:
        raise too_large(payload.size, deployment)


def too_large(size: int, deployment: DeploymentRecord) -> MlxError:
    """Return the error for a body of more bytes than the deployment takes."""
    return MlxError(
        f"the data is {size_text(size)}, and deployment {deployment.name!r} takes {size_text(deployment.max_body)} at most",
        hint=f"send it in parts, or: mlx deployment update {deployment.name} --max-body {size_text(_next(size))}",
    )


def read_once(source: BinaryIO, deployment: DeploymentRecord, *, what: str) -> bytes:
    """Return all of what can be read only once, such as a pipe, and nothing that the deployment would not take."""
    try:
        data = source.read(deployment.max_body + 1)
    except OSError as error:
        raise MlxError(f"cannot read {what}: {_why(error)}") from error
    if len(data) > deployment.max_body:
        raise MlxError(
            f"{what} holds more than {size_text(deployment.max_body)}, which is what deployment "
            f"{deployment.name!r} takes at most",
            hint=f"send it in parts, or: mlx deployment update {deployment.name} --max-body SIZE",
        )
    return data


def send(
    deployment: DeploymentRecord,
    payload: Payload,
    signature: Signature,
    *,
    token: SecretValue | None = None,
    timeout: float = 60.0,
) -> Any:
    """Send one request and return the JSON of its answer; `timeout` is in seconds."""
    link = http.client.HTTPConnection(reached_at(deployment.host), deployment.port, timeout=timeout)
    headers = {"Content-Type": payload.content_type, "Content-Length": str(payload.size)}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.reveal()}"
    try:
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # it may answer before it has everything
            link.request("POST", "/invocations", body=payload.chunks(), headers=headers)
        answer = link.getresponse()
        body = answer.read(None if answer.status == 200 else _LARGEST_ERROR)
    except TimeoutError as error:
        raise MlxError(
            f"deployment {deployment.name!r} did not answer within {timeout:g} s", hint="--timeout SECONDS"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(
            f"deployment {deployment.name!r} at {deployment.url} does not answer: {_why(error)}",
            hint=f"mlx deployment logs {deployment.name}",
        ) from error
    finally:
        link.close()
    if answer.status != 200:
        raise _refused(deployment, payload, signature, answer.status, body)
    try:
        return json.loads(body)
    except ValueError as error:
        raise MlxError(
            f"what answers at {deployment.url} is no model: it sends {body[:40]!r}",
            hint=f"mlx deployment describe {deployment.name}",
        ) from error


def _refused(
    deployment: DeploymentRecord, payload: Payload, signature: Signature, status: int, body: bytes
) -> MlxError:
    reason = _reason(body) or f"status {status}"
    if status in (401, 403):
        return CredentialsError(
            f"deployment {deployment.name!r} refused the token {deployment.token or '(none)'}: {reason}",
            hint=f"mlx deployment stop {deployment.name} && mlx deployment start {deployment.name}, if the secret has changed",
        )
    if status == 413:
        return too_large(payload.size, deployment)
    if status in (400, 415, 422):
        expected = f"; it expects {signature.shown}" if signature.columns else ""
        return MlxError(
            f"model {deployment.model}:{deployment.version} does not take this: {reason}{expected}",
            hint=f"mlx model describe {deployment.model}:{deployment.version}",
        )
    return MlxError(
        f"deployment {deployment.name!r} failed with status {status}: {reason}",
        hint=f"mlx deployment logs {deployment.name}",
    )


def _reason(body: bytes) -> str:
    """Return why a request failed, in one line; MLflow's message quotes the data first and ends with the reason."""
    try:
        data = json.loads(body)
    except ValueError:
        return _line(body[:2000].decode("utf-8", "replace"))
    if not isinstance(data, dict):
        return ""
    message, trace = str(data.get("message") or data.get("detail") or ""), str(data.get("stack_trace") or "")
    if message.startswith("Encountered an unexpected error") and trace.strip():
        return _line(trace.strip().splitlines()[-1])
    return _line(message.rpartition("Error: ")[2] or message)


def _line(text: str) -> str:
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split()).strip(" .'\"")
    return plain if len(plain) <= _LONGEST_REASON else f"{plain[:_LONGEST_REASON]}..."


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _next(size: int) -> int:
    """Return the next power of two MiB that holds `size`."""
    return int(1024**2 * 2 ** max(0, (-(-size // 1024**2) - 1).bit_length()))
