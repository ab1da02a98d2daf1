"""mlx.yaml(5): the configuration file, from the schema and the flavors that there are."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.document import IMPLICIT
from ..config.kinds import KINDS, Kind
from ..config.model import VERSION
from ..config.names import MAX_LENGTH
from ..config.secret_providers import PROVIDERS, SECTION
from ..stacks.flavors import Attribute, Flavor
from .pages import Block, Code, Head, Page, Section, Term, Text


def config_page(flavors: Sequence[Flavor]) -> Page:
    """Return the page of the file."""
    return Page(
        "mlx.yaml",
        5,
        "stacks and components of mlx",
        (
            Section("DESCRIPTION", (Text(_WHAT), Text(_WHERE), Text(_CHANGES))),
            Section("KEYS", tuple(_keys())),
            Section("NAMES", (Text(_NAMES),)),
            Section("REFERENCES", (Text(_REFERENCES),)),
            Section("FLAVORS", tuple(block for kind in KINDS.values() for block in _kind(kind, flavors))),
            Section("SECRET PROVIDERS", tuple(_providers())),
            Section("EXAMPLES", (Code(tuple(_EXAMPLE.splitlines())),)),
            Section(
                "SEE ALSO", (Text("mlx(1), mlx-component(1), mlx-stack(1), mlx-secret(1), mlx-flavor(1)"),)
            ),
        ),
    )


def _keys() -> list[Block]:
    sections = [
        Term(
            kind.section,
            f"A map of names to components of the kind {kind.title}; each has a `flavor` and the attributes of that flavor.",
        )
        for kind in KINDS.values()
    ]
    kinds = ", ".join(KINDS)
    return [
        Term("version", f"The version of this format: {VERSION}, which it is also without the key."),
        Term("default_stack", "The stack that is used where nobody has chosen another one."),
        *sections,
        Term(
            "stacks",
            f"A map of names to stacks; a stack maps a kind to the name of a component. Kinds: {kinds}.",
        ),
        Term(
            SECTION,
            "A map of names to providers of secrets; each has a `flavor` and the attributes of that flavor. "
            "In the order in which they stand here, they are asked for what this machine has not got.",
        ),
    ]


def _providers() -> list[Block]:
    found: list[Block] = [Text(_PROVIDERS)]
    for flavor in {id(flavor): flavor for flavor in PROVIDERS.values()}.values():
        names = " or ".join(name for name, same in PROVIDERS.items() if same is flavor)
        found += [Head(f"flavor {names}"), Text(f"{flavor.title}.")]
        found += [Term(key, told) for key, told in flavor.attributes.items()]
    return found


def _kind(kind: Kind, flavors: Sequence[Flavor]) -> list[Block]:
    found: list[Block] = []
    for flavor in flavors:
        if flavor.kind != kind.name:
            continue
        found += [Head(f"{kind.section}: flavor {flavor.name}"), Text(flavor.summary)]
        found += [Term(f"{item.name} ({_type(item)})", _told(item)) for item in flavor.attributes]
        if not flavor.attributes:
            found.append(Text("It has no attributes."))
    there = ", ".join(IMPLICIT[kind.name])
    return [*found, Text(f"Without being written down there is: {there}.")]


def _type(item: Attribute) -> str:
    words = {
        "str": "text",
        "bool": "true or false",
        "int": "whole number",
        "float": "number",
        "map": "map",
        "count": "number, or auto",
    }
    return words[item.type] + (", required" if item.required else "")


def _told(item: Attribute) -> str:
    parts = [item.help]
    if item.default not in (None, False):
        parts.append(f"Default: {item.default}.")
    if item.secret:
        parts.append("A credential: write a reference.")
    return " ".join(parts)


_WHAT = (
    "The components that pipelines run with, and the stacks that put them together. The file holds references to "
    "secrets and no secrets, and no paths of one machine: it is meant to be committed."
)
_WHERE = (
    "It is the nearest mlx.yaml upward from the working directory; without one it is the user's own, "
    "$XDG_CONFIG_HOME/mlx/mlx.yaml. MLX_CONFIG names another. `mlx init` writes one with comments."
)
_CHANGES = (
    "`mlx stack` and the commands of the components change the file and leave comments, order and quotes as they are. "
    "An unknown key, a wrong type, a key that is there twice and a name that stands for nothing are errors with the "
    "line and the field."
)
_NAMES = (
    f"A name holds letters, digits, '_', '.' and '-', begins with a letter or a digit, and has at most {MAX_LENGTH} "
    "characters."
)
_REFERENCES = (
    "Wherever the value of an attribute is text, <<secret.key>> stands for a key of a secret; {{secret.key}} means the "
    "same. It is resolved when a component is used, never before. <<secret.key|url>> is the value written for the "
    "inside of an address. See mlx-secret(1)."
)
_PROVIDERS = (
    "A provider is asked only where you have said that it is the right place: `mlx secret trust NAME` once, "
    "MLX_TRUSTED_PROVIDERS in CI, VAULT_ADDR (or BAO_ADDR) with the same server where the entry "
    "brings no login of its own, or in your own mlx.yaml. Any change of "
    "an entry has to be trusted again. Nothing is written to a provider, and what is read there is not kept on disk."
)
_EXAMPLE = """\
version: 1
default_stack: local
experiment_trackers:
  local: {flavor: mlflow}
  team:
    flavor: mlflow
    tracking_uri: https://mlflow.example.com
    tracking_username: <<mlflow_secret.username>>
    tracking_password: <<mlflow_secret.password>>
stacks:
  local: {experiment_tracker: local}
  team: {experiment_tracker: team, model_registry: default}"""
