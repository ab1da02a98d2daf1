"""What changes a step's key, and what does not."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from mlxkit.pipelines.fingerprint import cache_key, code_parts, explain

from .conftest import Project


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_the_parts_name_what_a_step_reaches(project: Project) -> None:
    assert set(project.parts()) == {
        "step", "function helpers.normalise", "function helpers.scale", "constant helpers.FACTOR",
        "function deep.floor", "class deep.Floor", "class deep.Base",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("module", "old", "new", "part"),
    [
        ("train", "* scale(x)", "+ scale(x)", "step"),
        ("train", "x: float", "x: int", "step"),
        ("helpers", "floor(x) / 2", "floor(x) / 3", "function helpers.normalise"),
        ("helpers", "x * FACTOR", "FACTOR - x", "function helpers.scale"),
        ("helpers", "FACTOR = 3", "FACTOR = 3.0", "constant helpers.FACTOR"),
        ("helpers", "FACTOR = 3", "FACTOR = True", "constant helpers.FACTOR"),
        ("deep", "return Floor()", "return 1 + Floor()", "function deep.floor"),
        ("deep", "max(", "min(", "class deep.Floor"),
        ("deep", "limit = 1", "limit = 2", "class deep.Base"),
    ],
)
def test_a_change_in_what_a_step_reaches_changes_its_key(
    project: Project, module: str, old: str, new: str, part: str
) -> None:
    before = project.parts()
    project.replace(module, old, new)
    after = project.parts()
    assert changed(before, after) == {part}
    assert cache_key(before) != cache_key(after)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("helpers", "    return floor", "    # a comment\n\n    return floor"),
        ("helpers", "    return floor", '    """What it does."""\n    return floor'),
        ("helpers", "floor(x) / 2", "(  floor( x )/2 )"),
        ("helpers", "    return x\n", "    return -x\n"),
        ("helpers", "def unrelated", "OTHER = 1\n\ndef another():\n    pass\n\ndef unrelated"),
        ("deep", "    limit = 1", '    """A base."""\n\n    limit = 1  # one'),
        (
            "deep",
            "            return max",
            '            "not a docstring"\n            pass\n            return max',
        ),
        ("train", "import helpers\n", "\n\n# moved\nimport helpers\n"),
    ],
)
def test_a_change_that_does_nothing_does_not_change_the_key(
    project: Project, module: str, old: str, new: str
) -> None:
    before = project.parts()
    project.replace(module, *(text.replace("            ", "        ") for text in (old, new)))
    assert project.parts() == before


def test_the_order_of_definitions_does_not_matter(project: Project) -> None:
    project.write(
        helpers="def b():\n    return a()\n\ndef a():\n    return 1\n\nclass C:\n    def m(self): ...\n    def k(self): ...\n"
    )
    project.write(train="from helpers import C, b\ndef train():\n    return b(), C\n")
    before = project.parts()
    project.write(
        helpers="class C:\n    def k(self): ...\n    def m(self): ...\n\ndef a():\n    return 1\n\ndef b():\n    return a()\n"
    )
    assert project.parts() == before


def test_the_order_of_fields_matters(project: Project) -> None:
    project.write(train="class C:\n    a: int\n    b: int\ndef train():\n    return C\n")
    before = project.parts()
    project.write(train="class C:\n    b: int\n    a: int\ndef train():\n    return C\n")
    assert changed(before, project.parts()) == {"class train.C"}


def test_our_own_decorators_and_their_options_are_not_code(project: Project) -> None:
    keys = set()
    for decorator in (
        "",
        "@step",
        "@step(enable_cache=False, retries=3)",
        "@mlxkit.step(name='x')",
        "@renamed",
    ):
        project.write(
            train=f"import mlxkit\nfrom mlxkit import step\nfrom mlxkit import step as renamed\n{decorator}\ndef train(x):\n    return x\n"
        )
        keys.add(project.key())
    assert len(keys) == 1


def test_a_decorator_of_the_project_is_code(project: Project) -> None:
    source = """
        import functools

        def twice(f):
            @functools.wraps(f)
            def wrapper(*args):
                return f(*args) * {factor}
            return wrapper

        @twice
        def helper(x):
            return x + {term}

        def train(x):
            return helper(x)
    """
    project.write(train=source.format(factor=2, term=1))
    before = project.parts()
    project.write(train=source.format(factor=3, term=1))
    assert any("twice" in part for part in changed(before, project.parts()))
    project.write(train=source.format(factor=2, term=2))
    assert changed(before, project.parts()) == {"function train.helper"}


@pytest.mark.parametrize(
    "use",
    [
        "functools.partial(inner, 1)()", "[inner(y) for y in (1,)]", "(lambda: inner(1))()", "{'a': inner}['a'](1)", "inner.__call__(1)",
        "sorted([1], key=inner)", "nested()", "TABLE['f'](1)", "Worker().work()", "Worker.make()", "cached(1)", "BOUND(1)", "PARTIAL()",
        "DEFAULT()", "Thing(1).value", "closure()", "loaded()", "relative_star(1)", "Meta", "ITEMS[0][0](1)",
    ],
)  # fmt: skip
def test_a_helper_is_found_however_it_is_reached(project: Project, use: str) -> None:
    project.write(
        inner="def inner(y):\n    return y\n",
        star="from inner import inner as relative_star\n",
        train=f"""
        import functools
        from dataclasses import dataclass
        from inner import inner
        from star import *

        TABLE = {{"f": inner}}
        ITEMS = [(inner, 1)]

        def nested():
            def deeper():
                return inner(1)
            return deeper()

        class Worker:
            def work(self):
                return inner(1)
            @classmethod
            def make(cls):
                return inner(1)

        @functools.lru_cache
        def cached(x):
            return inner(x)

        BOUND = Worker().work
        PARTIAL = functools.partial(inner, 1)
        DEFAULT = lambda f=inner: f(1)

        @dataclass
        class Thing:
            x: int
            @property
            def value(self):
                return inner(self.x)

        def make():
            held = inner
            def closure():
                return held(1)
            return closure
        closure = make()

        def loaded():
            from inner import inner as late
            return late(1)

        class Meta(type, metaclass=type):
            rule = inner

        def train(x):
            return {use}
        """,
    )
    before = project.parts()
    project.write(inner="def inner(y):\n    return y + 1\n")
    assert changed(before, project.parts()) == {"function inner.inner"}, before


@pytest.mark.parametrize(
    "line",
    [
        "from late import fn", "from late import fn as f; fn = f", "import late; fn = late.fn", "import late as l; fn = l.fn", "from pkg import late2 as m; fn = m.fn",
        "import pkg.late2; fn = pkg.late2.fn", "from pkg.late2 import fn", "from pkg import exported as fn", "from nspace import mod; fn = mod.fn",
        "from pkg.star import fn",
    ],
)  # fmt: skip
def test_an_import_inside_a_function_is_followed_without_importing(project: Project, line: str) -> None:
    body = "import sys\nfrom {deepest} import base\nsys.imported_by_accident = True\nVALUE = 1\ndef fn(x):\n    return base(x) + VALUE\ndef other():\n    return 1\n"
    project.write(
        deepest="def base(x):\n    return x\n", late=body.format(deepest="deepest"), pkg____init__="from .late2 import fn as exported\n",
        pkg__late2=body.format(deepest="deepest"), pkg__star="from .late2 import *\n", nspace__mod=body.format(deepest="deepest"),
        train=f"def train(x):\n    {line}\n    return fn(x)\n",
    )  # fmt: skip
    (project.root / "pkg" / "__init__.py").write_text("from .late2 import fn as exported\n")
    before = project.parts()
    assert not hasattr(sys, "imported_by_accident")
    assert {"function deepest.base"} < set(before) and any(part.endswith(".VALUE") for part in before), before
    assert not any("other" in part for part in before)
    project.write(deepest="def base(x):\n    return -x\n")
    assert changed(before, project.parts()) == {"function deepest.base"}


def test_a_module_that_happens_to_be_imported_gives_the_same_key(project: Project) -> None:
    project.write(
        late="N = [1]\ndef fn():\n    return N\n",
        train="def train():\n    import late\n    return late.fn()\n",
    )
    before = project.key()
    module = project.load()
    assert module.train() == [1] and "late" in sys.modules
    assert cache_key(code_parts(module.train, project.root)) == before


def test_a_module_that_is_passed_around_counts_whole(project: Project) -> None:
    project.write(train="import helpers\ndef train():\n    return vars(helpers)\n")
    before = project.parts()
    assert "module helpers" in before
    project.replace("helpers", "    return x\n", "    return -x\n")
    assert changed(before, project.parts()) == {"module helpers"}


def test_recursion_between_functions_ends(project: Project) -> None:
    project.write(
        train="def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n != 0 and even(n - 1)\ndef train(n):\n    return even(n) or train(n)\n"
    )
    assert set(project.parts()) >= {"step", "function train.even", "function train.odd"}


def test_a_chain_of_two_thousand_helpers_needs_no_deep_stack(project: Project) -> None:
    chain = (
        "".join(f"def f{n}(x):\n    return f{n + 1}(x)\n" for n in range(2000))
        + "def f2000(x):\n    return x\n"
    )
    project.write(train=chain + "def train(x):\n    return f0(x)\n")
    assert len(project.parts()) == 2002


def test_the_script_has_the_same_key_run_or_imported(project: Project) -> None:
    code = "\nif __name__ == '__main__':\n    from mlxkit.pipelines.fingerprint import *\n    from pathlib import Path\n    print(cache_key(code_parts(train, Path('.'))))\n"
    project.write(
        train="import enum\nfrom dataclasses import dataclass\n@dataclass\nclass Config:\n    lr: float = 1\nclass Mode(enum.Enum):\n    A = 1\nCONFIG = Config()\nMODE = Mode.A\n"
        "def helper():\n    return CONFIG, MODE\ndef train():\n    return helper()\n" + code
    )
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=project.root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == project.key()


def test_code_of_python_itself_and_of_mlx_is_not_followed(project: Project) -> None:
    project.write(
        train="import json, logging, mlxkit\nfrom pathlib import Path\nfrom mlxkit import log_metadata\ndef train(p: Path):\n    log_metadata({})\n    return json.dumps(str(p)), logging, mlxkit\n"
    )
    assert set(project.parts()) == {"step"}


def test_packages_count_by_version(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy

    project.write(
        train="import numpy as np\nfrom sklearn.linear_model import Ridge\nMODEL = Ridge()\ndef train():\n    import yaml\n    return np.zeros(1), MODEL, yaml\n"
    )
    before = project.parts()
    assert before["package numpy"] == numpy.__version__
    assert {"package numpy", "package sklearn", "package yaml"} < set(
        before
    ) and "unknown" not in before.values()
    monkeypatch.setattr(numpy, "__version__", "99.0")
    assert explain(before, project.parts()) == [
        f"package numpy changed from {before['package numpy']} to 99.0"
    ]


def test_installed_code_inside_the_project_folder_is_a_package(project: Project) -> None:
    (project.root / ".venv" / "site-packages").mkdir(parents=True)
    (project.root / ".venv" / "site-packages" / "vendored.py").write_text(
        "__version__ = '1.2'\ndef fn():\n    return 1\n"
    )
    sys.path.insert(0, str(project.root / ".venv" / "site-packages"))
    try:
        project.write(train="import vendored\ndef train():\n    return vendored.fn()\n")
        assert project.parts() | {"step": ""} == {"package vendored": "1.2", "step": ""}
    finally:
        sys.path.remove(str(project.root / ".venv" / "site-packages"))


def test_functions_without_source_count_by_their_code() -> None:
    def typed(source: str) -> Any:
        module = types.ModuleType("__main__")
        exec(compile(source, "<stdin>", "exec"), module.__dict__)
        return module.__dict__["train"]

    root = Path("/nowhere")
    one = code_parts(
        typed("K = 1\ndef helper(x):\n    return x\ndef train(x):\n    return helper(x) + K\n"), root
    )
    assert {part.split()[0] for part in one} == {"step", "function", "constant"}
    assert (
        code_parts(
            typed(
                "K = 1\n\n# moved\ndef helper(x):\n    return x\ndef train(x):\n    return helper(x) + K\n"
            ),
            root,
        )
        == one
    )
    two = code_parts(
        typed("K = 1\ndef helper(x):\n    return -x\ndef train(x):\n    return helper(x) + K\n"), root
    )
    three = code_parts(
        typed("K = 2\ndef helper(x):\n    return x\ndef train(x):\n    return helper(x) + K\n"), root
    )
    assert [len(changed(one, other)) for other in (two, three)] == [1, 1]


def test_a_notebook_cell_has_source(monkeypatch: pytest.MonkeyPatch) -> None:
    import linecache

    def cell(source: str, name: str) -> Any:
        monkeypatch.setitem(linecache.cache, name, (len(source), None, source.splitlines(True), name))
        module = types.ModuleType("__main__")
        exec(compile(source, name, "exec"), module.__dict__)
        return module.__dict__["train"]

    one = code_parts(cell("def train(x):\n    return x\n", "<ipython-input-1>"), Path("/nowhere"))
    two = code_parts(
        cell("# again\ndef train(x):\n    '''Doc.'''\n    return x\n", "<ipython-input-2>"), Path("/nowhere")
    )
    assert one == two and not one["step"].startswith("code")


def test_a_file_that_was_edited_after_its_import_does_not_stand_for_the_running_code(
    project: Project,
) -> None:
    module = project.load()
    before = code_parts(module.train, project.root)
    fresh = project.load()
    project.replace("train", "* scale(x)", "+ scale(x)")
    stale = code_parts(fresh.train, project.root)
    assert stale["step"].startswith("code ")
    assert project.parts()["step"] not in (stale["step"], before["step"])


def test_a_class_that_was_edited_after_its_import_does_not_stand_for_the_running_code(
    project: Project,
) -> None:
    fresh = project.load()
    before = project.parts()
    fresh = project.load()
    project.replace("deep", "max(", "min(")
    stale = code_parts(fresh.train, project.root)
    edited = project.parts()
    assert len({parts["class deep.Floor"] for parts in (before, stale, edited)}) == 3


def test_a_class_that_a_call_made_counts_by_what_it_has(project: Project) -> None:
    source = "class Base:\n    limit = 1\n    def m(self):\n        return 1\nMade = type('Made', (Base,), {'rate': 2, 'fn': lambda self: 3})\ndef train():\n    return Made\n"
    project.write(train=source)
    before = project.parts()
    for old, new, part in (
        ("limit = 1", "limit = 0", "class train.Base"),
        ("'rate': 2", "'rate': 0", "class train.Made"),
        ("self: 3", "self: 0", "class train.Made"),
    ):
        project.replace("train", old, new)
        assert changed(before, project.parts()) == {part}
        project.replace("train", new, old)


def test_two_closures_of_one_function_are_told_apart(project: Project) -> None:
    source = "def make(k):\n    def inner(x):\n        return x * k\n    return inner\nA, B = make(2), make({})\ndef train(x):\n    return A(x) + B(x)\n"
    project.write(train=source.format(3))
    before = project.key()
    project.write(train=source.format(4))
    assert project.key() != before


def test_the_order_of_parts_is_always_the_same(project: Project) -> None:
    assert list(project.parts()) == sorted(project.parts())


def test_a_callable_object_can_be_a_step(project: Project) -> None:
    project.write(
        train="import functools\nclass Trainer:\n    def __call__(self, x):\n        return x\n    def fit(self, x):\n        return x\ntrain = Trainer()\nbound = train.fit\npart = functools.partial(train.fit, 1)\n"
    )
    for name in ("train", "bound", "part"):
        before = project.parts(function=name)
        project.replace("train", "return x", "return -x")
        assert project.parts(function=name) != before, name
        project.replace("train", "return -x", "return x")


def test_importing_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys\nfrom mlxkit.pipelines.fingerprint import code_parts\nfrom pathlib import Path\ndef train():\n    import numpy\n    return numpy\nprint(code_parts(train, Path('.')).keys(), sorted({'numpy', 'importlib.metadata', 'cloudpickle', 'pickle', 'subprocess'} & set(sys.modules)))\n"
    (tmp_path / "train.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "dict_keys(['package numpy', 'step']) []"


@pytest.mark.parametrize("is_loaded", [True, False])
def test_code_that_a_step_is_given_counts_like_code_that_it_names(project: Project, is_loaded: bool) -> None:
    project.write(train="def train(model, fn):\n    return fn(model.apply(1))\n")

    def parts() -> dict[str, str]:
        module = project.load()
        if is_loaded:
            __import__("deep"), __import__("helpers")
        return code_parts(module.train, project.root, ["deep:Floor", "helpers:scale", "json:dumps"])

    before = parts()
    assert set(before) == {
        "step",
        "class deep.Floor",
        "class deep.Base",
        "function helpers.scale",
        "constant helpers.FACTOR",
    }
    project.replace("deep", "max(", "min(")
    assert changed(before, parts()) == {"class deep.Floor"}


def test_code_of_the_script_that_a_step_is_given_counts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts(body: str) -> dict[str, str]:
        project.write(
            script=f"class Model:\n    def fit(self):\n        return {body}\n",
            train="def train(m):\n    return m.fit()\n",
        )
        train = project.load().train
        script = project.load("script")
        monkeypatch.setitem(sys.modules, "__main__", script)
        script.__name__ = script.Model.__module__ = "__main__"
        return code_parts(train, project.root, ["__main__/script:Model", "__main__/script:Gone"])

    assert changed(parts("1"), parts("2")) == {"class script.Model"}
