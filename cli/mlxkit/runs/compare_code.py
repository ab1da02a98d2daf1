"""What the code of runs differs in: commits, the project's files, and the parts of each step's cache key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..pipelines.fingerprint.changes import explain
from .code import git_output, top_of
from .records import RunRecord, StepRecord
from .sources import get

FILES = 200  # at most so many files are told
_SHOWN = 12  # characters of a digest
_BLOB = 7  # of git's id of a content: a diff names no more of it
_DIFF = re.compile(r"^diff --git (?:a/.*|\"a/.*\") (?:b/(?P<name>.*)|\"b/(?P<quoted>.*)\")$", re.MULTILINE)
_RENAMED = re.compile(r"^rename from (?P<old>.*)$", re.MULTILINE)
_INDEX = re.compile(r"^index [0-9a-f]+\.\.(?P<blob>[0-9a-f]+)", re.MULTILINE)


def code_of(run: RunRecord) -> dict[str, Any]:
    """Return what a person tells code apart by."""
    code = run.code
    commit = str(code.get("commit") or "")
    found = {
        "commit": commit[:_SHOWN],
        "branch": code.get("branch"),
        "digest": code.get("digest"),
        "file": run.file,
    }
    found["uncommitted"] = ", ".join(sorted(_changed(str(code.get("diff") or ""))))
    return {name: value for name, value in found.items() if value}


def files_of(runs: Sequence[RunRecord], state_dir: Path) -> tuple[list[dict[str, str]], str]:
    """Return, for every run, the project's files that are not the same in all of them, each by git's id of its content.

    The second value says what could not be compared, or is empty.
    """
    commits = [str(run.code.get("commit") or "") for run in runs]
    told_of = [_changed(str(run.code.get("diff") or "")) for run in runs]
    diffs = [{name: blob for name, blob in item.items() if blob is not None} for item in told_of]
    kept = [_kept(run, state_dir) for run in runs]
    tops = [Path(str(run.code["root"])) for run in runs if run.code.get("root")]
    top = next((item for item in tops if item.is_dir()), None) or (top_of(state_dir.parent) if tops else None)
    names = {name for found in (*diffs, *kept) for name in found}
    note = ""
    known = list(dict.fromkeys(filter(None, commits)))
    for commit in known[1:] if top else ():
        told = git_output(top, "diff", "--name-only", "--no-renames", "-z", known[0], commit) if top else None
        if told is None:
            note = f"files are not compared: commit {known[0][:_SHOWN]} or {commit[:_SHOWN]} is not there any more"
        else:
            names |= set(told.decode("utf-8", "replace").split("\0")) - {""}
    chosen = sorted(names)[:FILES]
    if len(names) > FILES:
        note = f"{len(names) - FILES} more files differ"
    blobs = {commit: _blobs(top, commit, chosen) for commit in known} if top and chosen else {}
    found = [{**blobs.get(c, {}), **d, **k} for c, d, k in zip(commits, diffs, kept, strict=True)]
    return [{name: item[name][:_BLOB] for name in chosen if item.get(name)} for item in found], note


def parts_of(steps: Sequence[Mapping[str, StepRecord]]) -> list[dict[str, str]]:
    """Return, for every run, which parts of each step's cache key are not those of the first run that has the step."""
    found: list[dict[str, str]] = [{} for _ in steps]
    for name in dict.fromkeys(name for item in steps for name in item):
        first = next(item[name] for item in steps if name in item)
        keys = {item[name].cache_key if name in item else None for item in steps}
        if len(keys) < 2:
            continue
        for told, item in zip(found, steps, strict=True):
            step = item.get(name)
            if step is None:
                told[name] = "was not called"
            elif step is first:
                told[name] = "compared with"
            else:
                told[name] = "; ".join(explain(first.parts, step.parts)) or "the same"
    return found


def _changed(diff: str) -> dict[str, str | None]:
    """Return the files of a diff, each with git's id of what it became.

    That is "" for one that was deleted, and None where the content is that of the commit: only its mode changed.
    """
    marks = list(_DIFF.finditer(diff))
    found: dict[str, str | None] = {}
    ends = [mark.start() for mark in marks[1:]] + [len(diff)]
    for mark, end in zip(marks, ends, strict=False):
        head = diff[mark.end() : end]
        index, renamed = _INDEX.search(head), _RENAMED.search(head)
        if renamed:  # as runs of before were recorded
            found[renamed["old"]] = ""
        blob = index["blob"] if index else None
        found[mark["name"] or mark["quoted"]] = "" if blob and set(blob) <= {"0"} else blob
    return found


def _kept(run: RunRecord, state_dir: Path) -> dict[str, str]:
    found = {}
    for name, digest in dict(run.code.get("sources") or {}).items():
        content = get(state_dir, digest)
        if content is not None:  # by the rule that git names contents with, so that the two can be compared
            found[name] = hashlib.sha1(
                b"blob %d\0" % len(content) + content, usedforsecurity=False
            ).hexdigest()
    return found


def _blobs(top: Path, commit: str, names: Sequence[str]) -> dict[str, str]:
    told = git_output(top, "--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--", *names)
    found = {}
    for line in (told or b"").decode("utf-8", "replace").split("\0"):
        facts, _, name = line.partition("\t")
        if name:
            found[name] = facts.split()[2]
    return found
