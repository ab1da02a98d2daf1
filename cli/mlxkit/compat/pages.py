"""Lists as ZenML's client gives them: a page at a time, narrowed by `name="startswith:train"`, sorted by `asc:created`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ..errors import UsageError, did_you_mean
from ..runs.pages import OPERATORS, Comparison, PageRequest

T = TypeVar("T")
_SAYS_NOTHING = ("hydrate", "include_full_metadata", "include_python_packages")
_SORTS = {"created": "started", "updated": "started", "start_time": "started", "end_time": "ended"}


class Page(Generic[T]):
    """One page of a list: `items`, how many there are in all (`total`), which page it is (`index`), and `max_size`."""

    def __init__(self, items: Sequence[T], total: int, wanted: PageRequest) -> None:
        self.items = list(items)
        self.total = total
        self.index = wanted.page
        self.max_size = wanted.size
        self.total_pages = -(-total // wanted.size)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: Any) -> Any:
        return self.items[position]

    def __repr__(self) -> str:
        return f"<page {self.index} of {self.total_pages}: {self.items!r}>"


class Listing:
    """What one of the client's lists takes: its filters by ZenML's names, with the column that each is about."""

    def __init__(self, function: str, filters: Mapping[str, str], sorts: Sequence[str], hint: str) -> None:
        self._function = function
        self._filters = filters
        self._sorts = sorts
        self._hint = hint

    def page(
        self, given: Mapping[str, Any], find: Callable[[PageRequest], tuple[int, Sequence[T]]]
    ) -> Page[T]:
        """Read the arguments of a call and return the page that they ask for; raises UsageError."""
        left = {key: value for key, value in given.items() if value is not None and key not in _SAYS_NOTHING}
        page, size = (self._count(left, key, default) for key, default in (("page", 1), ("size", 20)))
        sort, is_falling = self._sorting(str(left.pop("sort_by", "desc:created")))
        if str(left.pop("logical_operator", "and")).rpartition(".")[2].lower() != "and":
            raise UsageError(
                f"{self._function}(logical_operator=...) is not supported by mlx: all filters hold"
            )
        comparisons = [item for key, value in left.items() for item in self._comparisons(key, value)]
        wanted = PageRequest(comparisons, sort, is_falling, page, size)
        total, found = find(wanted)
        return Page(found, total, wanted)

    def _count(self, given: dict[str, Any], key: str, default: int) -> int:
        value = given.pop(key, default)
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"{self._function}({key}={value!r}): it is a number from 1 on")
        return value

    def _sorting(self, text: str) -> tuple[str, bool]:
        direction, colon, name = text.partition(":")
        if not colon:
            direction, name = "asc", text
        column = _SORTS.get(name, self._filters.get(name, name))
        if direction not in ("asc", "desc") or column not in self._sorts:
            known = [*(key for key, value in _SORTS.items() if value in self._sorts), *self._sorts]
            raise UsageError(
                f"{self._function}(sort_by={text!r}) is not supported by mlx: asc: or desc: and one of "
                + ", ".join(dict.fromkeys(known))
            )
        return column, direction == "desc"

    def _comparisons(self, key: str, value: Any) -> list[Comparison]:
        if key not in self._filters:
            near = did_you_mean(key, [*self._filters, "size", "page", "sort_by"])
            raise UsageError(
                f"{self._function}({key}=...) is not supported by mlx{near}; it narrows by "
                + ", ".join(self._filters),
                hint=self._hint,
            )
        column = self._filters[key]
        values = value if key == "tags" and isinstance(value, (list, tuple)) else [value]
        return [self._comparison(key, column, getattr(item, "name", item)) if column == "tag"
                else self._comparison(key, column, item) for item in values]  # fmt: skip

    def _comparison(self, key: str, column: str, value: Any) -> Comparison:
        text = str(getattr(value, "value", value))
        operator, colon, rest = text.partition(":")
        if colon and operator in OPERATORS:
            return Comparison(column, operator, rest)
        if colon and operator in ("oneof", "gt", "gte", "lt", "lte", "in"):
            raise UsageError(
                f"{self._function}({key}={text!r}) is not supported by mlx: there are {', '.join(OPERATORS)}"
            )
        return Comparison(column, "equals", text)


def only(function: str, given: Mapping[str, Any]) -> None:
    """Refuse by name what a call was given beside what it takes, unless it says nothing here."""
    for key, value in given.items():
        if value is not None and key not in _SAYS_NOTHING:
            raise UsageError(f"{function}({key}=...) is not supported by mlx")


RUNS = Listing(
    "list_pipeline_runs",
    {
        "id": "id", "name": "name", "pipeline": "pipeline", "pipeline_name": "pipeline", "status": "status",
        "stack": "stack", "tag": "tag", "tags": "tag",
    },
    ("id", "name", "pipeline", "status", "stack", "started", "ended"),
    "mlx runs list --where ...",
)  # fmt: skip
ARTIFACTS = Listing(
    "list_artifact_versions",
    {
        "id": "id", "name": "name", "artifact": "name", "artifact_name": "name", "version": "version", "type": "type",
        "pipeline": "pipeline", "pipeline_run": "run", "run": "run", "tag": "tag", "tags": "tag",
    },
    ("id", "name", "version", "type", "started"),
    "mlx artifact list",
)  # fmt: skip
