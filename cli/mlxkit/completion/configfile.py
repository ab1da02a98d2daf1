"""The names in `mlx.yaml`, found by a scan of its text: no YAML library would be read in within the time of a TAB.

The scan knows block style, flow style, quotes and comments. What it does not understand it leaves out.
"""

from __future__ import annotations

_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def names_in(text: str, section: str) -> list[str]:
    """Return the keys of a section of the file: `stacks`, `experiment_trackers`, ..."""
    lines = text.removeprefix("\ufeff").splitlines()
    whole = "\n".join(lines)
    if whole.lstrip().startswith("{"):
        return _flow_keys(whole.lstrip(), section)
    for number, line in enumerate(lines):
        key, colon, rest = line.partition(":")
        if colon and _unquoted(key) == section and not line[:1].isspace():
            rest = rest.strip()
            if rest.startswith("{"):
                return _flow_keys("\n".join([rest, *lines[number + 1 :]]))
            return _block_keys(lines[number + 1 :])
    return []


def _block_keys(lines: list[str]) -> list[str]:
    """Return the keys on the outermost level of the indented lines that come first."""
    found: list[str] = []
    depth = 0
    for line in lines:
        text = line.lstrip(" ")
        if not text or text[0] in "#\t":
            continue
        indent = len(line) - len(text)
        if indent == 0:
            break
        depth = depth or indent
        if indent == depth:
            key, colon, rest = text.partition(":")
            if colon and (not rest or rest[0] in " \t\r"):
                found.append(_unquoted(key))
    return _names(found)


def _flow_keys(text: str, section: str = "") -> list[str]:
    """Return the keys of the flow map that `text` begins with, or of the map that is its value for `section`."""
    found: list[str] = []
    path: list[str] = []
    wanted = 2 if section else 1
    word = key = quote = before = ""
    is_comment = is_escaped = False
    for at, character in enumerate(text):
        if quote:
            word += character
            if is_escaped or (character == "\\" and quote == '"'):
                is_escaped = not is_escaped
            elif character == quote:
                quote = ""
        elif is_comment:
            is_comment = character != "\n"
        elif character in "\"'" and not word.strip():
            quote = word = character
        elif character == "#" and (not before or before.isspace()):
            is_comment = True
        elif character in "{[":
            path.append(key)
            word = key = ""
        elif character in "}]":
            path.pop()
            word = key = ""
            if not path:
                break
        elif character == ",":
            word = key = ""
        elif character == ":" and (before in ("'", '"') or text[at + 1 : at + 2].strip() == ""):
            key, word = _unquoted(word), ""
            if len(path) == wanted and (not section or path[1] == section):
                found.append(key)
        else:
            word += character
        before = character
    return _names(found)


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _names(found: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(found) if name and _NAME.issuperset(name)]
