"""mlx-json(7): what `-o json` prints, from the records that commands print."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from ..config.kinds import KINDS
from ..records import SCHEMA_VERSION, Record
from ..stacks.flavors import imported
from .pages import Block, Head, Page, Section, Term, Text

# What is printed by which commands: the record, `[]` after a command that prints a list of them.
PRINTED: Mapping[str, tuple[str, ...]] = {
    "mlxkit.checkup.status:Status": ("status",),
    "mlxkit.checkup.findings:Checkup": ("doctor",),
    "mlxkit.commands.version:Versions": ("version",),
    "mlxkit.pipelines.dryrun:PlannedStep": ("run --dry-run[]",),
    "mlxkit.runs.search:RunListing": ("runs list[]", "run[]"),
    "mlxkit.runs.describe:RunDescription": ("runs describe",),
    "mlxkit.runs.graph:RunGraph": ("runs graph",),
    "mlxkit.runs.compare:Comparison": ("runs compare",),
    "mlxkit.runs.rerun_result:RerunResult": ("runs rerun",),
    "mlxkit.runs.records:PipelineRecord": ("pipeline list[]",),
    "mlxkit.runs.records:ArtifactListing": ("artifact list[]",),
    "mlxkit.runs.artifact_uses:ArtifactDescription": ("artifact describe",),
    "mlxkit.models.records:ModelRecord": ("model list[]",),
    "mlxkit.models.records:VersionRecord": ("model versions[]", "model register"),
    "mlxkit.models.promotion:Promotion": ("model promote", "model rollback"),
    "mlxkit.models.moves:Move": ("model history[]",),
    "mlxkit.models.comparison:Comparison": ("model compare",),
    "mlxkit.models.lineage:Lineage": ("model lineage",),
    "mlxkit.deployments.records:DeploymentRecord": ("deployment list[]", "deployment describe", "model deploy"),
    "mlxkit.records:StackRecord": ("stack list[]",),
    "mlxkit.stacks.service:StackDetail": ("stack describe",),
    "mlxkit.stacks.service:Choice": ("stack get",),
    "mlxkit.stacks.service:Validation": ("stack validate",),
    "mlxkit.records:ComponentRecord": tuple(f"{kind.command} list[]" for kind in KINDS.values()),
    "mlxkit.stacks.servers:ServerRecord": ("tracker status[]",),
    "mlxkit.commands.flavor:FlavorRecord": ("flavor list[]",),
    "mlxkit.secrets.records:SecretListing": ("secret list[]", "secret get"),
    "mlxkit.secrets.records:StoreRecord": ("secret where[]",),
}  # fmt: skip
# The field whose own keys stand at the top.
_SPREAD = {"RunListing": "run", "RunDescription": "run", "RunGraph": "run"}
_LEFT_OUT = {"RunGraph": ("kind", "file", "parameters", "metadata", "code", "environment", "tags")}


def json_page() -> Page:
    """Return the page of every record."""
    return Page(
        "mlx-json", 7, "what -o json prints",
        (
            Section("DESCRIPTION", (Text(_WHAT), Text(_ERRORS))),
            Section("RECORDS", tuple(_records())),
            Section("SEE ALSO", (Text("mlx(1)"),)),
        ),
    )  # fmt: skip


def keys_of(target: str) -> dict[str, str]:
    """Return the top-level keys of a record, `schema_version` left out, with what they hold."""
    record = imported(target)
    spread = _SPREAD.get(record.__name__)
    found: dict[str, str] = {}
    for item in fields(record):
        if item.name == spread:
            found |= _keys(_class_of(record, item.name))
        elif "inline" not in item.name:
            found[item.name] = _type(str(item.type))
    found |= _COMPUTED.get(record.__name__, {})
    return {name: text for name, text in found.items() if name not in _LEFT_OUT.get(record.__name__, ())}


def _records() -> Iterator[Block]:
    for target, commands in PRINTED.items():
        record = imported(target)
        shown = ", ".join(
            f"`mlx {command.removesuffix('[]')}`{' (a list)' * command.endswith('[]')}"
            for command in commands
        )
        yield Head(record.__name__)
        yield Text(f"{shown}. {' '.join(inspect.cleandoc(record.__doc__ or '').split())}")
        yield from (Term(name, text) for name, text in keys_of(target).items())


def _class_of(record: type[Any], name: str) -> type[Record]:
    module = inspect.getmodule(record)
    annotation = str(next(item.type for item in fields(record) if item.name == name))
    found: type[Record] = vars(module)[annotation]
    return found


def _keys(record: type[Record]) -> dict[str, str]:
    found = {item.name: _type(str(item.type)) for item in fields(record)}
    return found | _COMPUTED.get(record.__name__, {})


def _type(annotation: str) -> str:
    """Say in the words of JSON what a field holds."""
    may_be_null = "None" in annotation
    kind = annotation.replace("| None", "").strip()
    for start, word in _WORDS.items():
        if kind.startswith(start):
            return word + (", or null" if may_be_null else "")
    return "an object" + (", or null" if may_be_null else "")


_WORDS = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "tuple": "a list", "Sequence": "a list",
    "Mapping": "an object", "dict": "an object", "State": "text", "ServerState": "text", "Kind": "text", "Any": "any value", "Literal": "text",
}  # fmt: skip
_COMPUTED = {
    "RunRecord": {
        "started": "text", "ended": "text, or null while it runs", "duration": "a number, or null while it runs",
    },
    "RunDescription": {"tracker_urls": "a list"},
}  # fmt: skip
_WHAT = (
    f"With `-o json` (or MLX_OUTPUT=json) a command prints one JSON value on standard output: an object, or a list of them. "
    f"Every object at the top has `schema_version`, now {SCHEMA_VERSION}. Keys are only ever added within a version, so "
    "read those that you know and leave the others. Times are ISO 8601 in UTC, durations seconds, sizes bytes; numbers that "
    "JSON has not (nan, the infinities) are text. The same objects are what the SDK returns: `to_dict()` of a record."
)
_ERRORS = (
    "An error is then an object on standard error with `error` (its kind), `message`, `hint` (what to type next, or null) "
    "and `exit_code`."
)
