"""Servers that are written down for Docker and Kubernetes: files, checked after they were read again, and a secret."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....config.files import write_atomic
from ....config.yamltext import dump_yaml, load_yaml
from ....errors import AlreadyExistsError, CredentialsError, MlxError, UsageError
from ....secrets.service import SecretService
from ....secrets.value import SecretValue
from ....stacks.listening import is_taken
from ....stacks.servers import DeployRecord, Provider
from .allowed import check_hosts
from .checking import problems
from .compose import compose_project, variable
from .disk import folder_problem
from .entry import ADMIN
from .environment import auth_file
from .image import DATABASE, SECRET_ENVIRONMENT, Served, dockerfile, image_name, label_of
from .kubernetes import kubernetes_secret, manifests
from .options import port_number
from .origin import Origin, origin_of
from .ownership import delete_secret, proof_of, remove
from .places import check_bucket, meant
from .planning import PORTS, secret_name
from .undo import Undo

_KEYS = tuple(SECRET_ENVIRONMENT.values())
_COMPOSE, _MANIFESTS = "compose.yaml", "mlflow.yaml"
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PUBLIC = 0o644  # nothing in it is secret, and the user inside of a container reads it


def serve_by_files(
    name: str,
    provider: Provider,
    options: Mapping[str, str],
    *,
    dry_run: bool,
    confirm: Callable[[str], None],
    taken: Collection[int] = (),
) -> DeployRecord:
    """Write a Compose project or manifests; with `dry_run` only say what they would be. No port of `taken` is chosen."""
    served = _served(name, provider, options)
    folder = meant(options.get("folder", served.label))
    shown = Path(options.get("folder", served.label)).expanduser()
    written = origin_of(folder, (_COMPOSE, _MANIFESTS))
    _check_folder(folder, shown, written, name)
    served = replace(served, port=served.port or _port(written, taken))
    content = compose_files(served) if provider == "docker" else kubernetes_files(served)
    for file, text in content.items():
        check_written(file, text)
    vault = SecretService()
    has_secret = served.secret in vault.names()
    if has_secret:
        _check_secret(vault, served.secret)
    if not dry_run:
        replaced = [
            file for file in content if (folder / file).exists() and _differs(folder / file, content[file])
        ]
        if replaced:
            confirm(f"replace {', '.join(replaced)} in {shown}?")
        _write(folder, content, vault, served.secret, has_secret=has_secret)
    url = f"http://127.0.0.1:{served.port}"
    attributes = {
        "tracking_uri": url,
        "tracking_username": f"<<{served.secret}.username>>",
        "tracking_password": f"<<{served.secret}.password>>",
    }
    commands = _docker_next(served, shown) if provider == "docker" else _kubernetes_next(served, shown)
    flags = " ".join(f"--{key}={shlex.quote(value)}" for key, value in attributes.items())
    return DeployRecord(
        name, "mlflow", provider, dry_run, url=url, secret=served.secret, backend="postgresql",
        artifacts=served.artifacts or "a volume", files=tuple(str(shown / file) for file in content),
        attributes=attributes,
        next=(*commands, f"mlx tracker register {name} --flavor=mlflow {flags}", f"mlx tracker test {name}"),
        notes=_notes(served, provider, has_secret),
    )  # fmt: skip


def compose_files(served: Served) -> dict[str, str]:
    """Return the files of a Compose project by name."""
    return {
        _COMPOSE: _origin(served) + _yaml(compose_project(served)),
        "Dockerfile": dockerfile(served.artifacts),
        "auth.ini": auth_file(_auth_database("database")),
    }


def kubernetes_files(served: Served) -> dict[str, str]:
    """Return the manifests, all in one file, and the Dockerfile of the image."""
    objects = manifests(served, auth_file(_auth_database(f"{served.label}-database")))
    return {
        _MANIFESTS: _origin(served) + "---\n".join(map(_yaml, objects)),
        "Dockerfile": dockerfile(served.artifacts),
    }


def check_written(file: str, text: str) -> None:
    """Read a text again and hold it against its schema; raises MlxError for what Docker or Kubernetes would refuse."""
    wrong: list[str] = []
    if file == _COMPOSE:
        wrong = problems(load_yaml(text, what=file), "compose")
    elif file.endswith(".yaml"):
        for part in text.split("---\n"):
            item: Any = load_yaml(part, what=file)
            kind = item.get("kind") if isinstance(item, dict) else None
            wrong += problems(item, "kubernetes", str(kind))
    if wrong:
        raise MlxError(f"{file} is not what it has to be: {'; '.join(wrong)}")


def _origin(served: Served) -> str:
    return Origin(served.name, served.port).line()


def _check_folder(folder: Path, shown: Path, written: Origin | None, name: str) -> None:
    """Refuse a folder that nothing can be written to, or that another tracker's files are in."""
    problem = folder_problem(folder)
    if problem:
        raise UsageError(f"-x folder={shown}: {problem}")
    if written is not None and written.name != name:
        raise AlreadyExistsError(
            f"{shown} was written for experiment tracker {written.name!r}",
            hint="choose a name that differs in more than capitals and punctuation, or -x folder=FOLDER",
        )


def _port(written: Origin | None, taken: Collection[int]) -> int:
    """Return the port that was written down before, or the first free one: of a tunnel, too, nobody else may have it."""
    if written is not None:
        return written.port
    free = (port for port in PORTS if port not in taken and not is_taken("127.0.0.1", port))
    return next(free, PORTS[0])


def _yaml(data: Mapping[str, Any]) -> str:
    """Write data without aliases, which YAML makes of what is in it twice."""
    return dump_yaml(json.loads(json.dumps(data)))


def _served(name: str, provider: Provider, options: Mapping[str, str]) -> Served:
    label = label_of(name)
    if not label:
        raise UsageError(f"tracker name {name!r} holds no letter or digit that {provider} takes")
    artifacts = options.get("artifacts", "")
    if artifacts and ("://" not in artifacts or artifacts.lower().startswith("file:")):
        raise UsageError(
            f"-x artifacts={artifacts}: a folder of this machine is not one of the container",
            hint="-x artifacts=s3://BUCKET/PATH, or leave it out for a volume",
        )
    if artifacts:
        check_bucket(artifacts)
    namespace = options.get("namespace", "")
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise UsageError(
            f"-x namespace={namespace}: it is up to 63 small letters, digits and hyphens, no hyphen first or last"
        )
    hosts = check_hosts(options.get("allowed_hosts", ""))
    return Served(
        name, secret_name(name), image_name(options.get("image"), f"mlflow-{label}"), artifacts, hosts,
        port_number(options["port"]) if "port" in options else 0, namespace, options.get("storage", "10Gi"),
    )  # fmt: skip


def _write(
    folder: Path, content: Mapping[str, str], vault: SecretService, secret: str, *, has_secret: bool
) -> None:
    with Undo() as undo:
        if not folder.exists():
            undo.note(f"the folder {folder}", lambda: remove(folder, ""))
            folder.mkdir(parents=True)
        if not has_secret:
            values = {key: secrets.token_urlsafe(24) for key in _KEYS}
            for value in values.values():
                SecretValue(value)  # known from now on to everything that masks output
            proof = proof_of(values["secret_key"])
            undo.note(f"secret {secret}", lambda: delete_secret(vault, secret, proof))
            vault.create(secret, {"username": ADMIN, **values})
        for file, text in content.items():
            before = (folder / file).read_bytes() if (folder / file).exists() else None
            undo.note(f"{folder / file}", lambda path=folder / file, before=before: _put_back(path, before))  # type: ignore[misc]
            write_atomic(folder / file, text.encode(), mode=_PUBLIC)
        undo.keep()


def _put_back(path: Path, before: bytes | None) -> None:
    if before is None:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, before, mode=_PUBLIC)


def _check_secret(vault: SecretService, secret: str) -> None:
    """Take a secret of that name that is there already, when it has all the keys."""
    missing = [key for key in ("username", *_KEYS) if key not in vault.get(secret).keys]
    if missing:
        raise CredentialsError(
            f"secret {secret!r} exists and has no {', '.join(missing)}",
            hint=f"mlx secret delete {secret}, or choose another name",
        )


def _differs(path: Path, text: str) -> bool:
    return path.read_bytes() != text.encode()


def _auth_database(host: str) -> str:
    return f"postgresql+psycopg2://{DATABASE}@{host}:5432/{DATABASE}"


def _docker_next(served: Served, folder: Path) -> tuple[str, ...]:
    given = " ".join(f'{variable(key)}="$(mlx secret get {served.secret} {key} --reveal)"' for key in _KEYS)
    return (f"{given} docker compose -f {shlex.quote(str(folder / _COMPOSE))} up -d --wait",)


def _kubernetes_next(served: Served, folder: Path) -> tuple[str, ...]:
    where = f" -n {served.namespace}" if served.namespace else ""
    read = f'"$(mlx secret get {served.secret} "$key" --reveal)"'
    values = f"for key in {' '.join(_KEYS)}; do printf '%s=%s\\n' \"$key\" {read}; done"
    create = f"kubectl create secret generic {kubernetes_secret(served)}{where} --from-env-file=/dev/stdin"
    quoted = shlex.quote(str(folder))
    push = f" && docker push {served.image}" if _is_in_registry(served.image) else ""
    return (
        f"docker build -t {served.image} {quoted}{push}",
        *((f"kubectl create namespace {served.namespace}",) if served.namespace else ()),
        f"{{ {values}; }} | {create}",
        f"kubectl apply -f {shlex.quote(str(folder / _MANIFESTS))}",
        f"kubectl port-forward service/{served.label}{where} {served.port}:5000",
    )


def _is_in_registry(image: str) -> bool:
    return "/" in image


def _notes(served: Served, provider: Provider, has_secret: bool) -> tuple[str, ...]:
    notes = []
    if provider == "kubernetes":
        if not _is_in_registry(served.image):
            notes.append(
                f"{served.image} is in no registry: give it to the cluster with `kind load docker-image {served.image}` "
                f"or `minikube image load {served.image}`, or deploy with -x image=HOST/NAME:TAG"
            )
        notes.append("the port is forwarded for as long as that command runs: type it in another terminal")
    if has_secret:
        notes.append(f"secret {served.secret!r} was there already and is used as it is")
    if served.artifacts:
        scheme = served.artifacts.partition("://")[0]
        notes.append(
            f"the Dockerfile installs what {scheme}:// needs; give the container a role or credentials for the bucket"
        )
    return tuple(notes)
