"""Secrets in AWS Secrets Manager: one with a JSON object has its keys, any other text has the key `value`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...config.model import ProviderEntry
from ...errors import MissingDependencyError
from ..payload import LONE_KEY, parse
from ..stores.protocol import StoreUnusableError
from .protocol import ANSWER_PATIENCE, CONNECT_PATIENCE, Provider

_DENIED = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation")
_SPENT = ("ExpiredTokenException", "ExpiredToken", "RequestExpired")
_UNKNOWN = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
)
_LIST = "secretsmanager:ListSecrets"
_TALKATIVE = ("botocore", "boto3", "urllib3")


class AwsProvider(Provider):
    """Read the current version of the secrets whose names begin with a prefix."""

    folder = "prefix"

    def __init__(self, entry: ProviderEntry) -> None:
        super().__init__(entry.flavor, entry.name)
        self._said = entry.attributes
        self._prefix = entry.attributes.get("prefix", "")
        self._made: Any = None

    @property
    def location(self) -> str:
        said = self._said
        place = said.get("endpoint_url") or said.get("region") or "the region of the environment"
        return f"{place} {self._prefix}*"

    @property
    def identity(self) -> str:
        return json.dumps(dict(self._said), sort_keys=True)

    def open(self) -> None:
        with self._asking(_LIST):
            client = self._client()
            try:
                client.list_secrets(MaxResults=1)
            except client.exceptions.ClientError as error:
                if _code(error) not in _DENIED:  # who may not list is known all the same, and may read
                    raise

    def read(self, secret: str) -> dict[str, str] | None:
        name = self._prefix + secret
        with self._asking(f"secretsmanager:GetSecretValue on {name}"):
            client = self._client()
            try:
                found = client.get_secret_value(SecretId=name)
            except client.exceptions.ResourceNotFoundException:
                return None
        text = found.get("SecretString")
        if text is None:
            raise self.unusable(f"{name} holds bytes, not text", "store it base64-encoded, as text")
        data = parse(text)
        return self.values(secret, name, data) if isinstance(data, dict) else {LONE_KEY: text}

    def names(self) -> list[str]:
        found: set[str] = set()
        with self._asking(_LIST):
            pages = self._client().get_paginator("list_secrets")
            filters = [{"Key": "name", "Values": [self._prefix]}] if self._prefix else []
            for page in pages.paginate(Filters=filters, PaginationConfig={"PageSize": 100}):
                found |= {str(item["Name"]) for item in page.get("SecretList", ())}
        return self.named(name[len(self._prefix) :] for name in found if name.startswith(self._prefix))

    def how_to_write(self, secret: str) -> str:
        return f"aws secretsmanager put-secret-value --secret-id {self._prefix}{secret} --secret-string file://FILE"

    def _client(self) -> Any:
        if self._made is None:
            try:
                import boto3
                from botocore.config import Config
            except ImportError as error:
                raise MissingDependencyError(
                    f"{self.name} needs boto3, which is not installed", hint="pip install 'mlxkit[aws]'"
                ) from error
            session = boto3.Session(
                profile_name=self._said.get("profile"), region_name=self._said.get("region")
            )
            config = Config(
                connect_timeout=CONNECT_PATIENCE,
                read_timeout=ANSWER_PATIENCE,
                retries={"total_max_attempts": 2, "mode": "standard"},
            )
            self._made = session.client(
                "secretsmanager", endpoint_url=self._said.get("endpoint_url"), config=config
            )
        return self._made

    @contextmanager
    def _asking(self, action: str) -> Iterator[None]:
        """Say what goes wrong in words; what is right is in no log, which at DEBUG would hold the answer."""
        levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.INFO)
        try:
            yield
        except MissingDependencyError as error:
            raise StoreUnusableError(self.name, error.message, hint=error.hint) from error
        except StoreUnusableError:
            raise
        except Exception as error:
            raise self._in_words(error, action) from None
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)

    def _in_words(self, error: Exception, action: str) -> StoreUnusableError:
        code = _code(error)
        kind = type(error).__name__
        if code in _DENIED and action == _LIST:
            return self.not_listable(
                "access denied to the list of names", f"ask for an IAM policy that allows {action}"
            )
        if code in _DENIED:
            return self.unusable("access denied", f"ask for an IAM policy that allows {action}")
        if code in _SPENT:
            return self.unusable("the session of AWS has expired", self._log_in())
        if code in _UNKNOWN:
            return self.unusable("AWS does not know the access key that was found here", self._log_in())
        if code == "InvalidRequestException":
            return self.unusable(
                f"{action.rpartition(' ')[2]} is marked for deletion, or has no current version",
                "aws secretsmanager restore-secret --secret-id NAME",
            )
        if code:
            return self.unusable(f"AWS answers {code}", f"it was asked for {action}")
        if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
            return self.unusable("there are no credentials for AWS here", self._log_in())
        if "Token" in kind or "SSO" in kind:
            return self.unusable("the session of AWS has expired", self._log_in())
        if kind == "ProfileNotFound":
            return self.unusable(
                f"~/.aws has no profile {self._said.get('profile')!r}", "aws configure list-profiles"
            )
        if kind in ("NoRegionError", "InvalidRegionError"):
            return self.unusable("no region is known, or it is none", "region in mlx.yaml, or AWS_REGION")
        if kind == "SSLError":
            return self.unusable(
                "the certificate of the server is refused", "AWS_CA_BUNDLE=FILE names its authority"
            )
        if kind in (
            "EndpointConnectionError",
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "ConnectionClosedError",
        ):
            return self.unusable(
                f"{self.location.partition(' ')[0]} does not answer",
                "is the network (VPN) there, and the region right?",
            )
        return self.unusable(f"boto3 fails ({kind})", "aws secretsmanager list-secrets --max-items 1")

    def _log_in(self) -> str:
        profile = self._said.get("profile")
        return f"aws sso login{f' --profile {profile}' if profile else ''}, or AWS_ACCESS_KEY_ID and what belongs to it"


def _code(error: Exception) -> str:
    """Return AWS's own word for what is wrong, empty where it is not AWS that says so."""
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""
