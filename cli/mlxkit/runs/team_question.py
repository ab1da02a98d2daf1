"""A search for runs as a question to a tracker: narrower than everything, never narrower than what is wanted.

What fits is looked at again with the conditions as they were written, so the answer is that of `mlx runs list`. What
cannot be asked without reading everybody's every run is refused by its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..errors import NotFoundError, UsageError
from ..stacks.tags import COMMIT, KIND, PIPELINE, RUN_ID, RUN_NAME, STACK, TAGS
from ..stacks.teams import Asked, Subject, TeamQuestion
from .moments import parse_moment
from .search import RunFilter
from .where import Condition, Field, as_number, check_status, parse_where

MOST = 1_000  # runs of one page
_FEWEST = 100
_TAGGED = {
    "id": RUN_ID,
    "name": RUN_NAME,
    "pipeline": PIPELINE,
    "stack": STACK,
    "kind": KIND,
    "commit": COMMIT,
}
_SORTED = "started, ended, name or metrics.NAME"


def question_of(wanted: RunFilter, limit: int) -> TeamQuestion:
    """Return the question for a search; raises UsageError for what no tracker can be asked."""
    simple = {PIPELINE: wanted.pipeline, STACK: wanted.stack}
    asked = [Asked("tag", key, "=", value) for key, value in simple.items() if value is not None]
    if wanted.status is not None:
        asked.append(_status("=", wanted.status))
    if wanted.since is not None:
        asked.append(Asked("attribute", "started", ">=", wanted.since))
    if wanted.until is not None:
        asked.append(Asked("attribute", "started", "<", wanted.until))
    asked += [_has_tag(tag) for tag in wanted.tags]
    for text in wanted.where:
        asked += [found for item in parse_where(text) for found in _condition(item)]
    falls = (wanted.sort or "-").startswith("-") != wanted.is_reversed
    return TeamQuestion(asked, _order(wanted.sort), falls, page=min(max(limit, _FEWEST), MOST))


def _condition(item: Condition) -> Sequence[Asked]:
    field, operator = item.field, item.operator
    if field.group == "metrics":
        return [Asked("metric", _key(field), operator, float(item.value))]
    if field.group == "params":
        return [
            _text(
                "param", _key(field), item, is_number=not item.is_text and as_number(item.value) is not None
            )
        ]
    if field.group == "tags":
        return _tag(item)
    if field.group == "status":
        if operator not in ("=", "!="):
            raise _refused(f"{field} with {operator}", "= and !=")
        return [_status(operator, item.value)]
    if field.group in ("started", "ended"):
        return [Asked("attribute", field.group, operator, parse_moment(item.value))]
    if field.group not in _TAGGED:
        known = (*_TAGGED, "status", "started", "ended", "tags", "metrics.NAME", "params.NAME")
        raise _refused(str(field), ", ".join(known))
    if operator in ("<", "<=", ">", ">="):
        raise _refused(f"{field} with {operator}", "= != ~ and like")
    return [_text("tag", _TAGGED[field.group], item)]


def _text(subject: Subject, key: str, item: Condition, *, is_number: bool = False) -> Asked:
    """Compare a text; where it is compared as a number, 0.10 with 0.1, any value is asked for."""
    if item.operator == "~":
        return Asked(subject, key, "like", f"%{item.value}%")
    if item.operator == "like" or (item.operator in ("=", "!=") and not is_number):
        return Asked(subject, key, item.operator, item.value)
    return Asked(subject, key)


def _tag(item: Condition) -> Sequence[Asked]:
    if item.field.key:
        return [_in_tags(f'"{_quoted(item.field.key)}=')]
    if item.operator == "!=":  # true of runs without any tag, too
        return []
    if item.operator == "=":
        return [_has_tag(item.value)]
    return [_in_tags("" if item.operator not in ("~", "like") else _quoted(item.value))]


def _has_tag(tag: str) -> Asked:
    return _in_tags(f'"{_quoted(tag)}')


def _in_tags(part: str) -> Asked:
    return Asked("tag", TAGS, "like", f"%{part}%")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _status(operator: str, status: str) -> Asked:
    if check_status(status) == "interrupted":
        raise UsageError(
            "no tracker knows that a run was interrupted: it says killed, or running until the run's machine says more",
            hint="mlx runs list --team --status killed",
        )
    return Asked("attribute", "status", operator, status)


def _order(sort: str | None) -> Asked:
    field = Field.parse(sort.removeprefix("-")) if sort else Field("started")
    if field.group == "metrics":
        return Asked("metric", _key(field))
    if field.group == "name":
        return Asked("tag", RUN_NAME)
    if field.group not in ("started", "ended"):
        raise UsageError(
            f"a tracker cannot sort runs by {field}; it sorts by {_SORTED}",
            hint="mlx runs list --team --sort started",
        )
    return Asked("attribute", field.group)


def _key(field: Field) -> str:
    if not re.fullmatch(r"[\w\-./ :]+", field.key):
        raise NotFoundError(f"no run has {field}: a tracker takes no such name", hint="mlx runs list --team")
    return field.key


def _refused(what: str, possible: str) -> UsageError:
    return UsageError(
        f"a tracker cannot be asked for {what}, only for {possible}",
        hint="mlx runs list, without --team, for the runs of this project",
    )
