"""The house rules that can be read off the imports: layers go downward, heavy libraries have one door each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mlxkit

ROOT = Path(mlxkit.__file__).parent

# A package may import from the ones after it, and from those on its own line.
LAYERS = [
    {"commands", "reference", "__main__"},
    {"client", "mlflow", "compat"},
    {"checkup"},
    {"models", "deployments"},
    {"runs", "pipelines"},
    {"artifacts", "stacks", "secrets", "completion"},
    {"config"},
    {"records", "errors", "dataclass", "_version", "__init__"},
]
SOLE_IMPORTERS = {
    "yaml": "config/",
    "keyring": "secrets/",
    "mlflow": "integrations/mlflow/",
    "rich": "commands/",
    "typer": "commands/",
    "click": "nowhere",
    "cryptography": "secrets/",
    "ray": "integrations/ray/",
    "fsspec": "integrations/fsspec/",
    "s3fs": "integrations/fsspec/",
    "gcsfs": "integrations/fsspec/",
    "adlfs": "integrations/fsspec/",
    "boto3": "secrets/",
    "botocore": "secrets/",
}


def imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield (line, absolute dotted name, only for type checkers) of every import in a file."""
    package = ["mlxkit", *path.relative_to(ROOT).parts[:-1]]
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                yield node.lineno, item.name, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            names = [name] if node.module else [f"{name}.{item.name}" for item in node.names]
            for full in names:
                yield node.lineno, full, id(node) in typing_only


def layer_of(name: str) -> int | None:
    for depth, names in enumerate(LAYERS):
        if name in names:
            return depth
    return None


def sources() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if "templates" not in path.parts)


def test_imports_go_downward() -> None:
    wrong = []
    for path in sources():
        here = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if here in ("__init__", "integrations"):  # the lazy door, and what is reached by name
            continue
        for line, name, typing_only in imports(path):
            parts = name.split(".")
            if parts[0] != "mlxkit" or len(parts) < 2 or typing_only:
                continue
            depth, mine = layer_of(parts[1]), layer_of(here)
            assert mine is not None, f"{path}: {here} stands in no layer"
            if parts[1] == "integrations" or (depth is not None and depth < mine):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_have_one_door_each() -> None:
    wrong = []
    for path in sources():
        place = path.relative_to(ROOT).as_posix()
        for line, name, typing_only in imports(path):
            door = SOLE_IMPORTERS.get(name.partition(".")[0])
            if door and not place.startswith(door) and not typing_only:
                wrong.append(f"{place}:{line} imports {name}, whose door is {door}")
    assert not wrong, "\n".join(wrong)


def test_no_module_is_a_drawer_for_everything() -> None:
    names = {path.stem for path in sources()}
    assert not names & {"utils", "helpers", "common", "misc"}


def test_no_module_carries_the_name_of_something_the_door_exports() -> None:
    exported = set(mlxkit.__all__)
    assert not [path for path in ROOT.glob("*.py") if path.stem in exported]
