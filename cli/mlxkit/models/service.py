"""Models of a stack's registry: everything that `mlx model` and `Client().models` can do with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from ..config.paths import Project, find_project
from ..errors import NotFoundError, UsageError, did_you_mean
from ..stacks.registries import ModelRegistry, ModelVersion, open_registry
from . import known
from .deletion import Deletion, keep_moves, plan_deletion
from .metrics import Measured, measured, measured_wholly
from .moves import Move
from .promotion import Promotion, Promotions
from .records import ModelDescription, ModelRecord, VersionRecord, model_record, version_record, without_ours
from .references import find_model, meant, model_name, resolve, versions_of
from .registration import Registration, check_version_tag, checked_tags, register, register_lock
from .stages import held_by
from .tags import VERSION_TAG

if TYPE_CHECKING:
    from ..runs.queries import RunQueries
    from .comparison import Comparison
    from .lineage import Lineage

_MOST_KNOWN = 50  # versions of a model that completion is told of


class ModelService:
    """The models of one project's stack; a reference is `NAME`, `NAME:7`, `NAME:1.0.0` or `NAME@production`."""

    def __init__(
        self,
        project: Project | None = None,
        stack: str | None = None,
        *,
        tracker: str | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self.project = project or find_project()
        self.stack = stack
        self.tracker = tracker
        self._waiting = waiting

    @cached_property
    def registry(self) -> ModelRegistry:
        """The registry of the stack, opened on first use."""
        return open_registry(self.project, self.stack, tracker=self.tracker, waiting=self._waiting)

    def list(self, *, limit: int = 100) -> Sequence[ModelRecord]:
        """Return the models by name, each with the metrics of its version in production, or of its newest."""
        models = self.registry.models(limit=limit)
        if self.stack is None and self.tracker is None and len(models) < limit:
            known.listed(self.project.state_dir, models)
        shown = [held_by(model).get("production", model.latest) for model in models]
        versions = []
        for model, number in zip(models, shown, strict=True):
            if model.newest is not None and number == model.newest.version:
                versions.append(model.newest)
            elif number is not None:
                with suppress(NotFoundError):  # deleted since
                    versions.append(self.registry.version(model.name, number))
        found = dict(zip([item.name for item in versions], measured(self.registry, versions), strict=True))
        return [
            model_record(model, number, found.get(model.name, Measured()))
            for model, number in zip(models, shown, strict=True)
        ]

    def describe(self, reference: str) -> ModelDescription | VersionRecord:
        """Return a model with its versions for a bare name, and else one version."""
        asked = meant(self.registry, reference)
        if not asked.is_bare:
            return self.get(reference)
        model = find_model(self.registry, asked.name)
        versions = self.versions(asked.name)
        shown = held_by(model).get("production", model.latest)
        metrics = next((item.metrics for item in versions if item.version == shown), {})
        return ModelDescription(model_record(model, shown, Measured(metrics)), tuple(versions))

    def get(self, reference: str) -> VersionRecord:
        """Return one version; a bare name is its newest."""
        version = resolve(self.registry, reference)
        return version_record(version, measured_wholly(self.registry, version))

    def versions(self, name: str, *, limit: int = 1000) -> Sequence[VersionRecord]:
        """Return the versions of a model, the newest first."""
        found = versions_of(self.registry, model_name(name, self.registry), limit=limit)
        known.seen(self.project.state_dir, found[:_MOST_KNOWN][::-1])
        return [version_record(*pair) for pair in zip(found, measured(self.registry, found), strict=True)]

    def register(
        self,
        name: str,
        run: str = "latest",
        *,
        step: str | None = None,
        path: str | None = None,
        version_tag: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        queries: RunQueries | None = None,
    ) -> Registration:
        """Make a version from the model that a run logged."""
        done = register(
            self.registry,
            queries or self._queries(),
            model_name(name),
            run,
            step=step,
            path=path,
            version_tag=version_tag,
            description=description,
            tags=tags,
            lock=register_lock(self.project.state_dir),
        )
        known.seen(self.project.state_dir, [done.version])
        return done

    def tag(
        self, reference: str, tags: Mapping[str, str] | None = None, *, remove: Sequence[str] = ()
    ) -> Mapping[str, str]:
        """Set and remove tags of a model (a bare name) or of a version, and return those it has then."""
        changed: dict[str, str | None] = {
            **checked_tags(tags),
            **dict.fromkeys(checked_tags(dict.fromkeys(remove, ""))),
        }
        if not changed:
            raise UsageError("nothing to change", hint=f"mlx model tag {reference} KEY=VALUE")
        name, version, there = self._tagged(reference)
        for key in remove:
            if key not in there:
                raise NotFoundError(f"{reference} has no tag {key!r}{did_you_mean(key, there)}")
        self.registry.set_tags(name, changed, version=version)
        return {key: value for key, value in {**there, **changed}.items() if value is not None}

    def update(
        self, reference: str, *, description: str | None = None, version_tag: str | None = None
    ) -> None:
        """Describe a model (a bare name) or a version anew, or give a version another label."""
        if description is None and version_tag is None:
            raise UsageError("nothing to change", hint=f"mlx model update {reference} --description TEXT")
        asked = meant(self.registry, reference)
        check_version_tag(version_tag)
        if version_tag is not None and asked.is_bare:
            raise UsageError(
                f"{reference!r} names no version to label", hint=f"mlx model versions {asked.name}"
            )
        name, version, _ = self._tagged(reference)
        if description is not None:
            self.registry.set_description(name, description, version=version)
        if version_tag is not None:
            self.registry.set_tags(name, {VERSION_TAG: version_tag}, version=version)

    def plan_deletion(self, reference: str, *, force: bool = False) -> Deletion:
        """Return what deleting would take away; raises InUseError for what is deployed or holds an alias."""
        return plan_deletion(self.registry, self.project, reference, force=force)

    def delete(self, reference: str, *, force: bool = False) -> Deletion:
        """Delete a version, or a model (a bare name) with all of them."""
        found = self.plan_deletion(reference, force=force)
        if found.version is not None:
            keep_moves(self.registry, found.name, found.version)
        self.registry.delete(found.name, version=found.version)
        known.deleted(self.project.state_dir, found.name, found.version)
        return found

    def promote(
        self,
        reference: str,
        to: str,
        *,
        why: str = "",
        conditions: Sequence[str] = (),
        or_first: bool = False,
        dry_run: bool = False,
    ) -> Promotion:
        """Give a version a stage or an alias, if every condition (`val_rmse < @production.val_rmse`) holds.

        With `or_first`, conditions on the holder of that alias are left out while nobody has it.
        """
        done = self._promotions.promote(
            reference, to, why=why, conditions=conditions, or_first=or_first, dry_run=dry_run
        )
        if done.is_changed:
            known.named(self.project.state_dir, done.name, done.alias)
        return done

    def rollback(self, name: str, stage: str, *, why: str = "", dry_run: bool = False) -> Promotion:
        """Give a stage or an alias back to the version that had it before; again, and it walks further back."""
        return self._promotions.rollback(name, stage, why=why, dry_run=dry_run)

    def unset(self, name: str, stage: str, *, why: str = "") -> Move:
        """Take a stage or an alias away from the version that holds it."""
        return self._promotions.unset(name, stage, why=why)

    def history(self, name: str, stage: str | None = None) -> Sequence[Move]:
        """Return the moves of a model's stages and aliases, the newest first."""
        return self._promotions.history(name, stage)

    def compare(self, references: Sequence[str]) -> Comparison:
        """Return what two or more versions differ in, and what they share."""
        from .comparison import compare

        if len(references) < 2:
            raise UsageError("it takes two versions to compare", hint="mlx model compare NAME:1 NAME:2")
        versions = [resolve(self.registry, reference) for reference in references]
        return compare(self.registry, self._queries(), versions)

    def lineage(self, reference: str) -> Lineage:
        """Return the way from a version back to its data, and what serves it on this machine."""
        from .lineage import lineage_of
        from .serving import servers_of

        version = resolve(self.registry, reference)
        return lineage_of(self.registry, self._queries(), version, servers_of(self.project, version))

    @property
    def _promotions(self) -> Promotions:
        return Promotions(self.registry, self.project.state_dir)

    def _queries(self) -> RunQueries:
        from ..runs.history import History
        from ..runs.queries import RunQueries

        return RunQueries(History.to_read(self.project.state_dir))

    def _tagged(self, reference: str) -> tuple[str, int | None, Mapping[str, str]]:
        """Return what a reference to a model or a version names, with the tags that are not ours."""
        asked = meant(self.registry, reference)
        if asked.is_bare:
            return asked.name, None, without_ours(find_model(self.registry, asked.name).tags)
        version: ModelVersion = resolve(self.registry, reference)
        return version.name, version.version, without_ours(version.tags)
