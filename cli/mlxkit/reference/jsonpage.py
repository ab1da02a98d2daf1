"""mlx-json(7): what `-o json` prints, from the records that commands print."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from ..config.kinds import KINDS
from ..records import SCHEMA_VERSION, Record
from ..stacks.flavors import imported
from .jsontypes import inside, said
from .pages import Block, Head, Page, Section, Term, Text

# What is printed by which commands: the record, `[]` after a command that prints a list of them.
PRINTED: Mapping[str, tuple[str, ...]] = {
    "mlxkit.checkup.status:Status": ("status",),
    "mlxkit.checkup.findings:Checkup": ("doctor",),
    "mlxkit.commands.version:Versions": ("version",),
    "mlxkit.pipelines.dryrun:PlannedStep": ("run --dry-run[]",),
    "mlxkit.pipelines.detached.submission:Submission": ("run --detach",),
    "mlxkit.runs.search:RunListing": ("runs list[]", "run[]"),
    "mlxkit.runs.team:TeamListing": ("runs list --team[]",),
    "mlxkit.runs.team:TeamDescription": ("runs describe --team",),
    "mlxkit.runs.describe:RunDescription": ("runs describe",),
    "mlxkit.runs.graph:RunGraph": ("runs graph",),
    "mlxkit.runs.compare:Comparison": ("runs compare",),
    "mlxkit.runs.rerun_result:RerunResult": ("runs rerun",),
    "mlxkit.runs.records:PipelineRecord": ("pipeline list[]",),
    "mlxkit.runs.pipelines:PipelineDetail": ("pipeline describe",),
    "mlxkit.runs.records:ArtifactListing": ("artifact list[]",),
    "mlxkit.runs.artifact_uses:ArtifactDescription": ("artifact describe",),
    "mlxkit.pipelines.cache_entries:CacheListing": ("cache list[]", "cache clear[]"),
    "mlxkit.pipelines.cache_checks:CacheProblem": ("cache verify[]",),
    "mlxkit.pipelines.cache_stats:CacheStats": ("cache stats",),
    "mlxkit.models.records:ModelRecord": ("model list[]",),
    "mlxkit.models.records:ModelDescription": ("model describe",),
    "mlxkit.models.records:VersionRecord": ("model versions[]", "model describe NAME:VERSION", "model register"),
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
    "mlxkit.integrations.ray.check:RayCheck": ("orchestrator test",),
    "mlxkit.checkup.store_probe:StoreProbe": ("artifact-store test",),
    "mlxkit.stacks.servers:ServerRecord": ("tracker status[]",),
    "mlxkit.commands.flavor:FlavorRecord": ("flavor list[]",),
    "mlxkit.secrets.records:SecretListing": ("secret list[]", "secret get"),
    "mlxkit.secrets.records:StoreRecord": ("secret where[]",),
}  # fmt: skip
# The field whose own keys stand at the top.
_SPREAD = {
    "RunListing": "run", "RunDescription": "run", "RunGraph": "run", "PipelineDetail": "pipeline", "ModelDescription": "model",
    "TeamListing": "run", "TeamDescription": "listing",
}  # fmt: skip
_LEFT_OUT = {
    "RunGraph": ("kind", "file", "parameters", "metadata", "code", "environment", "tags"),
    "OutputRecord": ("name", "inline"),
}
# What is printed otherwise than the field says: outputs by their names, versions from and to.
_PRINTED_AS = {("StepRecord", "outputs"): "Mapping[str, OutputRecord]"}
_RENAMED = {("Move", "previous"): "from", ("Move", "version"): "to"}
_STEP = re.compile(r"[.\[]")


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
    return {path: text for path, text in paths_of(target).items() if not _STEP.search(path)}


def paths_of(target: str) -> dict[str, str]:
    """Return every key of a record and of the records inside it: `steps[].name` is the name of each of the steps."""
    return _paths(imported(target))


def _paths(record: type[Record]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in fields(record):
        annotation = _PRINTED_AS.get((record.__name__, item.name), str(item.type))
        name = _RENAMED.get((record.__name__, item.name), item.name)
        below = inside(annotation, record)
        if item.name == _SPREAD.get(record.__name__) and below:
            found |= _paths(below[1])
            continue
        found[name] = said(annotation, record)
        if below:
            found[name] += f". {_told(below[1])}"
            found |= {f"{name}{below[0]}.{path}": text for path, text in _paths(below[1]).items()}
    found |= _COMPUTED.get(record.__name__, {})
    left_out = _LEFT_OUT.get(record.__name__, ())
    return {path: text for path, text in found.items() if _STEP.split(path)[0] not in left_out}


def _told(record: type[Record]) -> str:
    """Return what a record says of itself."""
    return " ".join(inspect.cleandoc(record.__doc__ or "").split())


def _records() -> Iterator[Block]:
    for target, commands in PRINTED.items():
        record = imported(target)
        shown = ", ".join(
            f"`mlx {command.removesuffix('[]')}`{' (a list)' * command.endswith('[]')}"
            for command in commands
        )
        yield Head(record.__name__)
        yield Text(f"{shown}. {_told(record)}")
        yield from (Term(name, text) for name, text in paths_of(target).items())


_COMPUTED = {
    "RunRecord": {
        "started": "text", "ended": "text, or null while it runs", "duration": "a number, or null while it runs",
    },
    "StepRecord": {"started": "text", "ended": "text", "duration": "a number"},
    "RunDescription": {"tracker_urls": "a list of texts"},
}  # fmt: skip
_WHAT = (
    f"With `-o json` (or MLX_OUTPUT=json) a command prints one JSON value on standard output: an object, or a list of them. "
    f"Every object at the top has `schema_version`, now {SCHEMA_VERSION}. Keys are only ever added within a version, so "
    "read those that you know and leave the others. Below, `steps[].name` is the key `name` of each object in the list `steps`, "
    "and NAME stands for any key: a name that is yours. Times are ISO 8601 in UTC, durations seconds, sizes bytes; numbers that "
    "JSON has not (nan, the infinities) are text. The same objects are what the SDK returns: `to_dict()` of a record."
)
_ERRORS = (
    "An error is then an object on standard error with `error` (its kind), `message`, `hint` (what to type next, or null) "
    "and `exit_code`."
)
