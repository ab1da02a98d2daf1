"""Secrets in the key/value engine, version 2, of HashiCorp Vault or OpenBao: an entry is a secret, its keys are keys."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from ...config.model import ProviderEntry
from ...config.paths import Project
from ..stores.protocol import StoreUnusableError
from ..value import SecretValue
from .kv2_http import Answer, Server
from .kv2_login import Login
from .places import ca_path, environment_address, environment_namespace, environment_problem
from .protocol import Provider


class VaultProvider(Provider):
    """Read the entries below one folder of a mount."""

    def __init__(
        self, entry: ProviderEntry, project: Project, local: Callable[[str], Mapping[str, str] | None]
    ) -> None:
        super().__init__(entry.flavor, entry.name)
        said = entry.attributes
        self._mount = said.get("mount", "secret").strip("/")
        self._folder = said.get("path", "").strip("/")
        self._is_by_environment = "address" not in said
        self._server = Server(
            self,
            said.get("address") or environment_address(),
            namespace=said.get("namespace") or environment_namespace(),
            ca=ca_path(entry, project),
        )
        self._login = Login(entry, self, self._server, local, project.config_path.parent)
        self._is_version_2 = False

    @property
    def location(self) -> str:
        place = "/".join(part for part in (self._mount, self._folder) if part)
        return f"{self._server.shown} {place}"

    @property
    def identity(self) -> str:
        return f"{self._server.namespace}: {self._server.address} {self.location}"

    def prepare(self) -> None:
        self._login.prepare()

    def open(self) -> None:
        answer = self._ask("GET", "auth/token/lookup-self")
        if answer.status != 200:
            raise self._refused_token()
        self._check_mount()

    def read(self, secret: str) -> dict[str, str] | None:
        path = self._path("data", secret)
        answer = self._ask("GET", path)
        if answer.status == 403:
            raise self._forbidden(path, "read")
        if answer.status == 404:
            self._check_absence(answer, secret)
            return None
        data = answer.part("data").get("data")
        if answer.status != 200 or not isinstance(data, dict):
            raise self._strange(answer, path)
        return self.values(secret, f"{self._mount}/{self._place(secret)}", data)

    def names(self) -> list[str]:
        path = self._path("metadata", "")
        answer = self._ask("GET", f"{path}?list=true")
        if answer.status == 403:
            self._check_token()
            raise self.not_listable(
                f"the policy does not let the names in {self._place('')} be listed",
                f'ask for: path "{path}" {{ capabilities = ["list"] }}',
            )
        if answer.status == 404:
            self._check_mount(answer)
            return []
        keys = answer.part("data").get("keys")
        if answer.status != 200 or not isinstance(keys, list):
            raise self._strange(answer, path)
        return self.named(str(name) for name in keys)

    def how_to_write(self, secret: str) -> str:
        mount, place = shlex.quote(self._mount), shlex.quote(self._place(secret))
        return f"bao kv patch -mount={mount} {place} KEY=VALUE (or vault kv patch)"

    def _place(self, secret: str) -> str:
        return "/".join(part for part in (self._folder, secret) if part)

    def _path(self, what: str, secret: str) -> str:
        parts = (self._mount, what, self._folder, secret)
        return "/".join(quote(part) for part in parts if part)

    def _ask(self, method: str, path: str) -> Answer:
        """Ask with the token; one from a login that the server has forgotten is replaced once."""
        self._check_settings()
        token = self._login.token()
        answer = self._server.ask(method, path, token=token)
        if answer.status == 403 and not self._is_known(token) and self._login.again(token):
            return self._server.ask(method, path, token=self._login.token())
        return answer

    def _check_settings(self) -> None:
        """Raise for an address or a namespace in the environment that cannot be used; those of mlx.yaml are checked."""
        if not self._server.address:
            raise self.unusable(
                "it names no address, and neither BAO_ADDR nor VAULT_ADDR is set",
                "export VAULT_ADDR=https://...",
            )
        problem = environment_problem() if self._is_by_environment else ""
        if problem:
            raise self.unusable(problem, "export VAULT_ADDR=https://vault.example.com:8200")
        namespace = self._server.namespace
        if not namespace.isascii() or not namespace.isprintable():
            raise self.unusable(
                "BAO_NAMESPACE or VAULT_NAMESPACE holds a character that no request can carry",
                "bao namespace list",
            )

    def _is_known(self, token: SecretValue) -> bool:
        """Say whether the server knows a token: 403 is its answer to a wrong one and to a missing policy alike."""
        return self._server.ask("GET", "auth/token/lookup-self", token=token).status == 200

    def _check_token(self) -> None:
        token = self._login.token()
        if not self._is_known(token):
            self._login.again(token)
            raise self._refused_token()

    def _refused_token(self) -> StoreUnusableError:
        return self.unusable(
            f"{self._server.shown} does not know the token from {self._login.source}: it has expired, was revoked, or is another server's",
            self._login.remedy(),
        )

    def _forbidden(self, path: str, capability: str) -> StoreUnusableError:
        self._check_token()
        return self.unusable(
            f"permission denied: the policy of the token from {self._login.source} does not let {path} be read",
            f'ask for: path "{path}" {{ capabilities = ["{capability}"] }}',
        )

    def _check_absence(self, answer: Answer, secret: str) -> None:
        """Raise unless the entry really never was there."""
        gone = answer.part("data", "metadata")
        if gone:
            how = (
                "destroyed"
                if gone.get("destroyed") is True
                else f"deleted at {str(gone.get('deletion_time'))[:19]}"
            )
            version = gone.get("version", "N")
            raise self.unusable(
                f"the current version of {self._mount}/{self._place(secret)} was {how}",
                f"bao kv undelete -mount={self._mount} -versions={version} {self._place(secret)}",
            )
        self._check_mount(answer)

    def _check_mount(self, answer: Answer | None = None) -> None:
        """Raise when the mount is none, or has the first version of the engine, which has other paths."""
        if self._is_version_2:
            return
        if answer is not None and "no handler for route" in answer.words:
            raise self._no_mount()
        told = self._ask("GET", f"sys/internal/ui/mounts/{quote(self._mount)}")
        if told.status == 403:
            raise self._no_mount()
        options, kind = told.part("data", "options"), told.part("data").get("type", "kv")
        if kind not in ("kv", "generic") or str(options.get("version", "1")) != "2":
            what = (
                f"a KV engine of version {options.get('version', '1')}"
                if kind == "kv"
                else f"of the kind {kind}"
            )
            raise self.unusable(
                f"{self._mount}/ on {self._server.shown} is {what}; mlx reads version 2",
                f"bao kv enable-versioning {self._mount}, or another mount in mlx.yaml",
            )
        self._is_version_2 = True

    def _no_mount(self) -> StoreUnusableError:
        return self.unusable(
            f"{self._server.shown} has no mount {self._mount}/, or none that the token from {self._login.source} may see",
            "bao secrets list; mount in mlx.yaml names another one",
        )

    def _strange(self, answer: Answer, path: str) -> StoreUnusableError:
        said: Any = answer.words or "nothing that can be used"
        return self.unusable(f"{self._server.shown} answers {path} with status {answer.status}: {said}")
