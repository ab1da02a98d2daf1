"""What can be done with deployments; the door for the command line and for Python."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.names import check_name
from ..config.paths import Project, ensure_state_dir, find_project
from ..errors import AlreadyExistsError, MlxError, NotFoundError
from ..models.references import parse, resolve
from ..stacks.deployers import ANSWERS, ModelDeployer, open_deployer
from ..stacks.listening import listen
from ..stacks.registries import ModelRegistry, ModelVersion, open_registry
from ..stacks.service import StackService
from . import making, views
from .addresses import check_address, exposure, name_for
from .entries import DEFAULT_MAX_BODY, DEFAULT_READY_WITHIN, DeploymentEntry
from .following import names_served, standings
from .records import DeploymentRecord
from .settling import as_served, settled
from .store import BrokenDeployment, DeploymentStore
from .token import check_token, resolve_token

if TYPE_CHECKING:
    from .payload import Payload
    from .signature import Signature


class DeploymentService:
    """The deployments of one project; `waiting` is told of anything that takes seconds.

    `tracker` names the tracker whose registry new ones come from, when that is not the stack's.
    """

    def __init__(
        self,
        project: Project | None = None,
        stack: str | None = None,
        *,
        tracker: str | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self.project = project or find_project()
        self._stack = stack
        self._tracker = tracker
        self._waiting = waiting or (lambda _: None)
        self._deployers: dict[str, ModelDeployer] = {}

    @cached_property
    def store(self) -> DeploymentStore:
        """The deployments on disk."""
        return DeploymentStore(self.project.state_dir)

    def deploy(
        self,
        reference: str,
        name: str | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        workers: int = 1,
        token: str | None = None,
        max_body: int = DEFAULT_MAX_BODY,
        wait: bool = True,
        ready_within: float = DEFAULT_READY_WITHIN,
        ignore_requirements: bool = False,
    ) -> DeploymentRecord:
        """Serve a version of a model from now on; when any part of it fails nothing is left behind.

        `token` is a reference to a secret, `max_body` in bytes, `ready_within` in seconds.
        """
        model = parse(reference).name
        name = name_for(model) if name is None else check_name(name, "deployment")
        check_address(host, port)
        listen(host, port).close()  # what is wrong with the address is said before anything is fetched
        making.check_numbers(workers, max_body, ready_within)
        token = check_token(token)
        self._check_free(name)
        secret = resolve_token(token)
        stack = StackService(self.project).active(self._stack)[0].name
        store = DeploymentStore(ensure_state_dir(self.project))
        registry = self._registry(stack, self._tracker or "")
        version = resolve(registry, reference)
        deployer = self._deployer(stack)
        with store.changing(name):
            self._check_free(name)
            making.remove(store, deployer, name)  # what a killed command left
            with making.undone_on_failure(store, deployer, name):
                folder = store.new_folder(name)
                self._waiting(f"fetching {version.reference}")
                entry = DeploymentEntry(
                    name, version.name, version.version, reference, folder, making.fetch(registry, version, folder),
                    host=host, port=port, workers=workers, max_body=max_body, ready_within=ready_within, token=token,
                    stack=stack, tracker=self._tracker or "", created=making.now(),
                )  # fmt: skip
                notes = making.examined(deployer, entry.model_dir, ignore=ignore_requirements)
                entry = making.with_origin(entry)
                store.write(entry)
                self._waiting(f"starting {name}")
                command = f"mlx model deploy {reference} --name {name}"
                with making.in_time(ready_within, command):
                    serving = deployer.start(making.spec_of(entry, secret, port=port), wait=wait)
                entry = replace(entry, served_port=serving.port or 0)
                store.write(entry)
        exposed = exposure(host, has_token=token is not None)
        return views.shown(entry, serving, deployer).noted(*notes, *([exposed] if exposed else []))

    def list(self, *, follow: bool = True) -> builtins.list[DeploymentRecord]:
        """Return every deployment by name; to `follow` aliases, their registries are asked for 2 s at most."""
        seen = []
        for item in self.store.read_all():
            deployer = self._deployer("" if isinstance(item, BrokenDeployment) else item.stack)
            seen.append((item, deployer, deployer.serving(item.folder)))
        served = [as_served(item, now) for item, _, now in seen if isinstance(item, DeploymentEntry)]
        moved = standings(self.project, served) if follow else {}
        return [
            views.broken(item, now, deployer)
            if isinstance(item, BrokenDeployment)
            else views.shown(item, now, deployer, moved.get(item.name))
            for item, deployer, now in seen
        ]

    def get(self, name: str) -> DeploymentRecord:
        """Return one deployment, without asking the registry."""
        return self._shown(self.store.get(name))

    def reachable(self, name: str) -> DeploymentRecord:
        """Return one deployment that answers; raises MlxError with the reason for one that does not."""
        from .asking import check_answers

        found = self.get(name)
        check_answers(found)
        return found

    def describe(self, name: str) -> DeploymentRecord:
        """Return one deployment, and where its alias is now."""
        entry = self.store.get(name)
        deployer = self._deployer(entry.stack)
        serving = deployer.serving(entry.folder)
        standing = standings(self.project, [as_served(entry, serving)]).get(name)
        return views.shown(entry, serving, deployer, standing)

    def entry(self, name: str) -> DeploymentEntry:
        """Return what is kept of one deployment, with the version that it really serves."""
        entry = self.store.get(name)
        return as_served(entry, self._deployer(entry.stack).serving(entry.folder))

    def update(
        self,
        name: str,
        model: str | None = None,
        *,
        workers: int | None = None,
        max_body: int | None = None,
        ready_within: float | None = None,
        ignore_requirements: bool = False,
    ) -> DeploymentRecord:
        """Serve another version, or what the deployment's reference stands for by now, without a failed request.

        With numbers and without a model the version stays, whatever the reference stands for. When the new one does
        not pass its check, the old one goes on and nothing has changed. One that does not run is updated and stays
        as it is.
        """
        from .updating import updated

        store = self.store
        store.check_exists(name)
        with store.changing(name):
            deployer, entry = self._settled(name)
            given = {"workers": workers, "max_body": max_body, "ready_within": ready_within}
            numbers = {key: value for key, value in given.items() if value is not None}
            wanted = replace(entry, reference=model or entry.reference, **numbers)  # type: ignore[arg-type]
            making.check_numbers(wanted.workers, wanted.max_body, wanted.ready_within)
            stays = names_served(model, entry) if model is not None else bool(numbers)
            registry = None if stays else self._registry(entry.stack, entry.tracker)
            done, notes = updated(
                store, registry, deployer, entry, wanted, waiting=self._waiting, ignore=ignore_requirements
            )
        return self._shown(done).noted(*notes)

    def start(self, name: str, *, wait: bool = True, ready_within: float | None = None) -> DeploymentRecord:
        """Serve again what was stopped or has died, on the port it had; `ready_within` in seconds, from now on."""
        from .starting import started

        store = self.store
        store.check_exists(name)
        with store.changing(name):
            deployer, entry = self._settled(name)
            if ready_within is not None:
                making.check_numbers(entry.workers, entry.max_body, ready_within)
                entry = replace(entry, ready_within=ready_within)
                store.write(entry)
            if deployer.serving(entry.folder).state in (*ANSWERS, "starting"):
                return self._shown(entry).noted(f"{name} is running already")
            entry, serving, notes = started(store, deployer, entry, wait=wait, waiting=self._waiting)
        return views.shown(entry, serving, deployer).noted(*notes)

    def stop(self, name: str, *, within: float | None = None) -> DeploymentRecord:
        """Stop serving, after the requests that are being answered, for `within` seconds at most; its files stay."""
        self.store.check_exists(name)
        with self.store.changing(name):
            deployer, entry = self._settled(name)
            before = deployer.serving(entry.folder)
            deployer.stop(entry.folder, within=within)
        notes = [f"{name} was stopped already"] if before.state == "stopped" else []
        return self._shown(entry).noted(*notes)

    def delete(self, name: str) -> None:
        """Stop serving and remove the deployment with its files, also one whose file cannot be read."""
        self.store.check_exists(name)
        with self.store.changing(name):
            try:
                stack = self.store.get(name).stack
            except MlxError:
                stack = ""
            making.remove(self.store, self._deployer(stack), name)

    def log(self, name: str) -> Path:
        """Return the file that a deployment's server writes its log to."""
        self.store.check_exists(name)
        try:
            stack = self.store.get(name).stack
        except MlxError:
            stack = ""
        return self._deployer(stack).log(self.store.folder / name)

    def signature(self, name: str) -> Signature:
        """Return what the deployed model expects."""
        from .signature import read_signature

        return read_signature(self.entry(name).model_dir)

    def predict(
        self, name: str, body: bytes, content_type: str = "application/json", *, timeout: float = 60.0
    ) -> Any:
        """Send data to a deployment and return the JSON that it answers with; see `send` for what is taken."""
        from .payload import from_bytes

        return self.send(
            name,
            lambda signature: from_bytes(body, content_type, signature, what="the data"),
            timeout=timeout,
        )

    def send(self, name: str, payload: Callable[[Signature], Payload], *, timeout: float = 60.0) -> Any:
        """Send what `payload` makes for the model's signature; rows and records are put into MLflow's protocol."""
        from .asking import asked, check_timeout

        check_timeout(timeout)
        return asked(self.reachable(name), self.signature(name), payload, timeout=timeout)

    def version_of(self, reference: str, entry: DeploymentEntry) -> ModelVersion:
        """Return the version that a reference stands for in the registry that a deployment came from."""
        return resolve(self._registry(entry.stack, entry.tracker), reference)

    def _settled(self, name: str) -> tuple[ModelDeployer, DeploymentEntry]:
        entry = self.store.get(name)
        deployer = self._deployer(entry.stack)
        return deployer, settled(self.store, deployer, entry)

    def _shown(self, entry: DeploymentEntry) -> DeploymentRecord:
        deployer = self._deployer(entry.stack)
        return views.shown(entry, deployer.serving(entry.folder), deployer)

    def _check_free(self, name: str) -> None:
        if name in self.store.names():
            raise AlreadyExistsError(
                f"deployment {name!r} already exists", hint=f"mlx deployment update {name} --model REF"
            )

    def _registry(self, stack: str, tracker: str) -> ModelRegistry:
        return open_registry(self.project, stack or None, tracker=tracker or None, waiting=self._waiting)

    def _deployer(self, stack: str) -> ModelDeployer:
        """Return the deployer of a stack; of one that is gone by now, the active one's."""
        if stack not in self._deployers:
            try:
                self._deployers[stack] = open_deployer(self.project, stack or None)
            except NotFoundError:
                self._deployers[stack] = open_deployer(self.project)
        return self._deployers[stack]
