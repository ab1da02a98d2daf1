"""Say in words what differs between two sets of parts."""

from __future__ import annotations

from collections.abc import Mapping

INCOMPARABLE = "cannot be compared: it "
_CODE = ("function", "class", "constant", "module")
_NOUNS = {"function": "helper"}
_FIXED = {"step": "the code of the step changed", "cache_salt": "the cache salt changed"}


def explain(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return a sentence for each part that is not the same, the step's own code first."""
    names = sorted({*old, *new}, key=lambda name: (name != "step", name))
    sentences = [
        _sentence(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    ]
    return list(dict.fromkeys(sentences))


def _sentence(name: str, before: str | None, after: str | None) -> str:
    kind, _, rest = name.partition(" ")
    if name in _FIXED:
        return _FIXED[name]
    if kind == "package":
        return _package(rest, before, after)
    if kind in _CODE:
        rest = rest.partition("#")[0]
        what = f"{_NOUNS.get(kind, kind)} `{rest if kind == 'module' else rest.rpartition('.')[2]}`"
        if before is None:
            return f"{what} is used now"
        if after is None:
            return f"{what} is no longer used"
        if after.startswith(INCOMPARABLE):
            return f"{what} {after.rpartition(' ')[0]}"
        return f"{what} changed"
    if before is None:
        return f"{name} is new"
    return f"{name} is gone" if after is None else f"{name} changed"


def _package(name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"package {name} is used now"
    return (
        f"package {name} is no longer used"
        if after is None
        else f"package {name} changed from {before} to {after}"
    )
