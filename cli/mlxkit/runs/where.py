"""The language of `--where`: conditions on runs, turned into SQL with bound values.

`metrics.rmse < 0.8 and params.model = ridge`: a field, an operator, a value, several joined by `and`. A key or a
value with blanks is quoted: `metrics."val loss" <= 1e-3`. Nothing that was typed becomes part of the SQL text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..dataclass import dataclass
from ..errors import UsageError, did_you_mean, nearest
from .moments import parse_age, parse_moment
from .records import FINISHED

STATUSES = ("running", *FINISHED)
KEYED = ("metrics", "params", "parameters")
DURATION = "(COALESCE(runs.ended, CASE runs.status WHEN 'running' THEN unixepoch_now() END) - runs.started)"
_COLUMNS = {
    "id": "runs.id", "name": "runs.name", "pipeline": "runs.pipeline", "stack": "runs.stack", "status": "runs.status", "kind": "runs.kind",
    "file": "runs.file", "error": "runs.error", "commit": "json_extract(runs.code, '$.commit')",
}  # fmt: skip
_TEXT = "CASE j.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE j.value END"  # of a parameter
_FIELDS = (*_COLUMNS, "duration", "started", "ended", "tags")
_LARGEST = 2**63 - 1  # whole number that SQLite can hold
_OPERATORS = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "~": "~",
    "like": "like",
}
_TOKEN = re.compile(
    r"""\s*(?: (?P<op><=|>=|==|!=|<>|=|<|>|~) | (?P<word>(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|[^\s=<>!~"'`])+) )""",
    re.VERBOSE,
)
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|`([^`]*)`""")
_EXAMPLE = 'mlx runs list --where "metrics.rmse < 0.8 and status = completed"'


@dataclass(frozen=True)
class Field:
    """What a condition or a sorting is about: a group (`metrics`) with a key, or a column without one."""

    group: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.group}.{self.key}" if self.key else self.group

    @staticmethod
    def parse(text: str) -> Field:
        """Read a field as it is typed; raises UsageError with the nearest one there is."""
        group, dot, rest = text.partition(".")
        group = {"metric": "metrics", "param": "params", "parameter": "parameters", "tag": "tags"}.get(
            group.lower(), group.lower()
        )
        key = _unquoted(rest)
        if group in KEYED and key:
            return Field(group, key)
        if group == "tags" and key:
            return Field("tags", key)
        if not dot and group in _FIELDS:
            return Field(group)
        if group in KEYED:
            raise UsageError(f"which of the {group}? write {group}.NAME", hint=_EXAMPLE)
        known = (*_FIELDS, *(f"{name}.NAME" for name in KEYED))
        near = did_you_mean(group, (*_FIELDS, *KEYED))
        raise UsageError(f"no field {text!r}{near}; there are {', '.join(known)}", hint=_EXAMPLE)

    def expression(self) -> tuple[str, list[Any]]:
        """Return SQL for the field's value, to sort by, with its bound values."""
        if self.group in ("metrics", "params"):
            return (
                "(SELECT value FROM run_measures m WHERE m.run_id = runs.id AND m.kind = ? AND m.key = ?)",
                [self.group.removesuffix("s"), self.key],
            )
        if self.group == "parameters":
            return "(SELECT j.value FROM json_each(runs.parameters) j WHERE j.key = ?)", [self.key]
        if self.group == "tags":
            raise UsageError(
                "runs cannot be sorted by their tags", hint="--sort started, name or metrics.NAME"
            )
        return {"duration": DURATION, "started": "runs.started", "ended": "runs.ended"}.get(
            self.group
        ) or _COLUMNS[self.group], []


@dataclass(frozen=True)
class Condition:
    """One comparison: SQL that is true of the runs wanted, the values bound in it, and what was written.

    `is_text` is a value in quotes, which is never compared as a number.
    """

    field: Field
    sql: str
    values: Sequence[Any]
    operator: str = ""
    value: str = ""
    is_text: bool = False


def parse_where(text: str) -> list[Condition]:
    """Return the conditions of one `--where`; raises UsageError that says where it goes wrong."""
    words = _tokens(text)
    found: list[Condition] = []
    while words:
        if found:
            joint = words.pop(0)
            if joint[1].lower() != "and" or not words:
                raise UsageError(f"{text!r}: expected `and` and a condition at {joint[1]!r}", hint=_EXAMPLE)
        if len(words) < 3 or words[0][0] != "word" or words[1][1].lower() not in _OPERATORS:
            rest = " ".join(word for _, word in words)
            raise UsageError(
                f"{text!r}: expected a field, an operator and a value at {rest!r}", hint=_EXAMPLE
            )
        (_, name), (_, operator), (kind, value) = words[:3]
        if kind != "word":
            raise UsageError(f"{text!r}: expected a value after {operator}", hint=_EXAMPLE)
        del words[:3]
        found.append(_condition(Field.parse(name), _OPERATORS[operator.lower()], value))
    if not found:
        raise UsageError("an empty condition", hint=_EXAMPLE)
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise UsageError(f"{text!r}: cannot read {text[position:].strip()!r}", hint=_EXAMPLE)
        found.append((str(match.lastgroup), str(match[str(match.lastgroup)])))
        position = match.end()
    return found


def _unquoted(text: str) -> str:
    return _QUOTED.sub(
        lambda found: (
            re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2] or "")
            if found[3] is None
            else found[3]
        ),
        text,
    )


def _condition(field: Field, operator: str, written: str) -> Condition:
    value = _unquoted(written)
    is_text = written != value
    made = _comparison(field, operator, value, is_text)
    return replace(made, operator=operator, value=value, is_text=is_text)


def _comparison(field: Field, operator: str, value: str, is_text: bool) -> Condition:
    number = None if is_text else as_number(value)
    if field.group == "metrics":
        return _metric(field, operator, value)
    if field.group == "params":
        return _param(field, operator, value, number)
    if field.group == "parameters":
        return _parameter(field, operator, value, number, is_text)
    if field.group == "tags":
        return _tag(field, operator, value)
    if field.group in ("started", "ended"):
        return Condition(
            field, *_compared(f"runs.{field.group}", _not_a_pattern(field, operator), parse_moment(value))
        )
    if field.group == "duration":
        seconds = number if number is not None else parse_age(value)
        return Condition(field, *_compared(DURATION, _not_a_pattern(field, operator), seconds))
    if field.group == "status" and operator in ("=", "!="):
        check_status(value)
    return Condition(field, *_compared(_COLUMNS[field.group], operator, value))


def check_status(value: str) -> str:
    """Return a status that there is; raises UsageError with the nearest."""
    if value not in STATUSES:
        raise UsageError(
            f"no status {value!r}{did_you_mean(value, STATUSES)}; there are {', '.join(STATUSES)}",
            hint=f"mlx runs list --status {nearest(value, STATUSES) or 'failed'}",
        )
    return value


def _metric(field: Field, operator: str, value: str) -> Condition:
    number = as_number(value)
    if number is None:
        raise UsageError(f"{field} is a number, and {value!r} is none", hint=_EXAMPLE)
    sql, bound = _compared("m.value", _not_a_pattern(field, operator), float(number))
    return _measure(field, f"typeof(m.value) != 'text' AND {sql}", bound)


def _param(field: Field, operator: str, value: str, number: float | None) -> Condition:
    """Params are text: numbers are compared as such where both sides are some."""
    if number is None or operator in ("~", "like"):
        return _measure(field, *_compared("m.value", operator, value))
    sql, bound = _compared("as_number(m.value)", operator, number)
    if operator == "!=":
        return _measure(field, f"(as_number(m.value) IS NULL OR {sql})", bound)
    return _measure(field, sql, bound)


def _measure(field: Field, sql: str, bound: Sequence[Any]) -> Condition:
    return Condition(
        field,
        f"EXISTS (SELECT 1 FROM run_measures m WHERE m.run_id = runs.id AND m.kind = ? AND m.key = ? AND {sql})",
        [field.group.removesuffix("s"), field.key, *bound],
    )


def _parameter(field: Field, operator: str, value: str, number: float | None, is_text: bool) -> Condition:
    """Parameters are of any type: numbers are compared as such where both sides are some, true and false by their names."""
    found, wanted = _TEXT, value
    if not is_text and value.lower() in ("true", "false"):
        found, wanted = f"lower({_TEXT})", value.lower()
    if number is None or operator in ("~", "like"):
        sql, bound = _compared(found, "=" if operator == "!=" else operator, wanted)
    else:
        sql, bound = _compared("as_number(j.value)", "=" if operator == "!=" else operator, number)
    if operator == "!=":  # whatever else it is
        sql = f"NOT COALESCE({sql}, 0)"
    return Condition(
        field,
        f"EXISTS (SELECT 1 FROM json_each(runs.parameters) j WHERE j.key = ? AND {sql})",
        [field.key, *bound],
    )


def _tag(field: Field, operator: str, value: str) -> Condition:
    """`tags = x` has the tag (or `x=...`), `tags.key < v` compares what stands behind `key=`."""
    if field.key:
        start = f"{field.key}="
        number = as_number(value)
        sql, bound = _compared(
            "as_number(substr(t.tag, ?))"
            if number is not None and operator not in ("~", "like")
            else "substr(t.tag, ?)",
            operator,
            value if number is None or operator in ("~", "like") else number,
        )
        return Condition(
            field,
            f"EXISTS (SELECT 1 FROM run_tags t WHERE t.run_id = runs.id AND substr(t.tag, 1, ?) = ? AND {sql})",
            [len(start), start, len(start) + 1, *bound],
        )
    if operator in ("=", "!="):
        sql, bound = has_tag(value)
        return Condition(field, f"{'NOT ' if operator == '!=' else ''}{sql}", bound)
    sql, bound = _compared("t.tag", operator, value)
    return Condition(field, f"EXISTS (SELECT 1 FROM run_tags t WHERE t.run_id = runs.id AND {sql})", bound)


def has_tag(tag: str) -> tuple[str, list[Any]]:
    """Return SQL that is true of runs with a tag, or with a `tag=...` of that name."""
    start = f"{tag}="
    sql = "EXISTS (SELECT 1 FROM run_tags t WHERE t.run_id = runs.id AND (t.tag = ? OR substr(t.tag, 1, ?) = ?))"
    return sql, [tag, len(start), start]


def _compared(sql: str, operator: str, value: Any) -> tuple[str, list[Any]]:
    if operator == "~":  # contains, whatever the case
        return f"instr(lower({sql}), lower(?)) > 0", [str(value)]
    return f"{sql} {operator.upper()} ?", [value]


def _not_a_pattern(field: Field, operator: str) -> str:
    if operator in ("~", "like"):
        raise UsageError(f"{field} is compared with = != < <= > >=, not with {operator}", hint=_EXAMPLE)
    return operator


def as_number(value: Any) -> int | float | None:
    """Return what can be compared as a number, whole ones exactly; SQLite calls it for every row of a comparison."""
    if isinstance(value, (int, float)):
        return value
    with suppress(TypeError, ValueError):
        number = int(value)
        if abs(number) <= _LARGEST:
            return number
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if found != found else found
