"""The names that a TAB offers, by kind; each comes from a plain file that is read in well under a millisecond."""

from __future__ import annotations

import os

from ..config.nameindex import recall
from .configfile import names_in
from .places import find, read, user_data_dir
from .tree import FLAVORS, IMPLICIT, KINDS, TOPICS

Candidates = list[tuple[str, str]]


class Asked:
    """What is wanted: more about the kind of name, the word that is begun, and the arguments before it."""

    def __init__(self, detail: str, current: str, given: list[str]) -> None:
        self.detail = detail
        self.current = current
        self.given = given


def offered(kind: str, current: str, given: list[str]) -> Candidates:
    """Return what may stand where a value of `kind` is wanted, each with a word about it; raises what goes wrong."""
    name, _, detail = kind.partition(":")
    if name == "choice":
        return [(choice, "") for choice in detail.split()]
    source = _SOURCES.get(name)
    return source(Asked(detail, current, given)) if source else []


def flavors(kind: str = "") -> dict[str, tuple[str, dict[str, tuple[str, str, bool]]]]:
    """Return the flavors of a kind, or of all: name -> help, and its attributes -> type, help and whether it is secret.

    Those of other distributions are known once an ordinary command has listed them.
    """
    found: dict[str, tuple[str, dict[str, tuple[str, str, bool]]]] = {}
    for of in [kind] if kind else KINDS:
        for name, row in FLAVORS.get(of, {}).items():
            found.setdefault(name, row)
    for line in recall(user_data_dir(), "flavors"):
        of, name, *attributes = line.split()
        if kind in ("", of) and name not in found:
            described = [attribute.split("=") for attribute in attributes]
            found[name] = ("", {key: (type, "", mark == "secret") for key, type, mark in described})
    return found


def secrets() -> dict[str, list[str]]:
    """Return the names of the secrets with those of their keys, as the index of secrets has them, a line each."""
    found: dict[str, list[str]] = {}
    keys: list[str] | None = None
    for line in read(os.path.join(user_data_dir(), "secrets.json")).split("\n"):
        text = line.strip().rstrip(",")
        if line.startswith('  "') and text.endswith("{"):
            keys = found[text.split('"')[1]] = []
        elif line.startswith('    "') and keys is not None:
            keys.append(text.strip('"'))
    return found


def _stacks(_: Asked) -> Candidates:
    names = names_in(read(find()[0]), "stacks") if os.path.exists(find()[0]) else []
    return [(name, "stack") for name in names or ["default"]]


def _components(asked: Asked) -> Candidates:
    section = KINDS[asked.detail][0]
    names = names_in(read(find()[0]), section) if os.path.exists(find()[0]) else []
    return [(name, KINDS[asked.detail][1]) for name in dict.fromkeys([*names, *IMPLICIT[asked.detail]])]


def _flavors(asked: Asked) -> Candidates:
    return [(name, help) for name, (help, _) in flavors(asked.detail).items()]


def _attributes(asked: Asked) -> Candidates:
    return [(key, help) for _, known in flavors(asked.detail).values() for key, (_, help, _) in known.items()]


def _secrets(asked: Asked) -> Candidates:
    return [(name, ", ".join(keys)) for name, keys in secrets().items() if name not in asked.given]


def _secret_keys(asked: Asked) -> Candidates:
    return [(key, "") for key in secrets().get(asked.given[0] if asked.given else "", [])]


def _references(_: Asked) -> Candidates:
    """Return references in the spelling that no shell takes apart: `{{secret.key}}`."""
    return [(f"{{{{{name}.{key}}}}}", "") for name, keys in secrets().items() for key in keys]


def _runs(asked: Asked) -> Candidates:
    state = find()[1]
    if not os.path.exists(os.path.join(state, "history.db")):
        return []
    known = [line.partition(" ") for line in recall(state, "runs")]
    found = [("latest", "the newest run")] if known else []
    found += [(run, name) for run, _, name in known]
    found += [(name, "") for _, _, name in known if name and not any(map(str.isspace, name))]
    if not asked.current:
        found = found[:21]
    return [item for item in found if item[0] not in asked.given]


def _indexed(kind: str) -> Candidates:
    return [(name, "") for name in recall(find()[1], kind)]


def _pipelines(_: Asked) -> Candidates:
    return _indexed("pipelines")


def _artifacts(_: Asked) -> Candidates:
    return _indexed("artifacts")


def _models(_: Asked) -> Candidates:
    return [(name, "") for name, _ in _indexed("models") if "@" not in name and ":" not in name]


def _model_versions(asked: Asked) -> Candidates:
    """Return models, and once the name is there their versions and aliases too."""
    known = [item for item in _indexed("models") if item[0] not in asked.given]
    if "@" in asked.current or ":" in asked.current:
        return known
    bare = [item for item in known if "@" not in item[0] and ":" not in item[0]]
    exact = [
        item
        for item in known
        if asked.current and item[0].startswith((f"{asked.current}@", f"{asked.current}:"))
    ]
    return [*bare, *exact]


def _deployments(_: Asked) -> Candidates:
    folder = os.path.join(find()[1], "deployments")
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return [(name, "") for name in names if os.path.lexists(os.path.join(folder, name, "deployment.json"))]


def _pipelines_in(asked: Asked) -> Candidates:
    """Return `FILE:PIPELINE` for the functions of a file that are decorated as pipelines."""
    file, colon, _ = asked.current.rpartition(":")
    if not colon or not file.endswith(".py"):
        return []
    found: Candidates = []
    is_next = False
    for line in read(os.path.expanduser(file)).split("\n"):
        if line.startswith("@pipeline"):
            is_next = True
        elif is_next and line.startswith(("def ", "async def ")):
            name = line.partition("def ")[2].partition("(")[0].strip()
            found += [(f"{file}:{name}", "pipeline")] if name.isidentifier() else []
            is_next = False
    return found


def _topics(_: Asked) -> Candidates:
    return list(TOPICS.items())


_SOURCES = {
    "stack": _stacks,
    "component": _components,
    "flavor": _flavors,
    "attribute": _attributes,
    "secret": _secrets,
    "secret_key": _secret_keys,
    "reference": _references,
    "secret_attribute": _references,
    "run": _runs,
    "pipeline": _pipelines,
    "artifact": _artifacts,
    "model": _models,
    "model_version": _model_versions,
    "deployment": _deployments,
    "pipeline_file": _pipelines_in,
    "topic": _topics,
}
