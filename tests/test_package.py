"""The package as a whole: what it ships, what it may import, and what it never does."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import evoprune

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "evoprune"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROGRAMS = [
    *MODULES,
    *(path for folder in ("tools", "benchmarks", "examples", "docs") for path in sorted((ROOT / folder).rglob("*.py"))),
]

SHARED = {"errors", "_types", "_files", "_large", "_version", "_html"}
"""What every room may import."""

MAY_IMPORT = {
    "errors": set(),
    "_types": set(),
    "_version": set(),
    "_files": set(),
    "_large": set(),
    "_html": set(),
    "data": set(),
    "backbones": set(),
    "features": {"data", "backbones"},
    "heads": set(),
    "training": {"data", "heads"},
    "baselines": {"data", "heads", "training"},
    "objectives": {"heads", "training"},
    "problem": {"features", "heads", "training", "objectives"},
    "guidance": {"data", "heads", "training", "problem"},
    "executors": {"data", "backbones", "features", "heads", "training", "objectives", "problem"},
    "search": set(),
    "study": set(),
    "model": {"data", "backbones", "heads", "training", "objectives"},
    "analysis": {"heads"},
    "explanation": {"data", "backbones", "features", "heads", "model", "objectives"},
    "report": {"objectives", "study", "model"},
    "workflow": {
        "data",
        "backbones",
        "features",
        "heads",
        "training",
        "objectives",
        "problem",
        "search",
        "guidance",
        "executors",
        "study",
        "model",
        "analysis",
        "explanation",
        "report",
    },
    "trackers": {"heads", "objectives", "search", "study", "report", "workflow"},
    "experiments": {
        "data",
        "features",
        "heads",
        "training",
        "objectives",
        "problem",
        "search",
        "study",
        "guidance",
        "baselines",
        "analysis",
        "report",
        "workflow",
    },
    "page": {"data", "objectives", "search", "study", "report", "workflow", "experiments"},
}
"""The flow from left to right: room -> the rooms on its left that it knows."""

ROOMS = set(MAY_IMPORT)
MAY_IMPORT |= {
    "cli": ROOMS,
    "sklearn": ROOMS - {"report", "workflow"},
    "__init__": ROOMS - {"report"},
    "__main__": {"cli"},
}

NEVER_IMPORT = {
    "data": {"torch", "pymoo"},
    "heads": {"torch", "pymoo", "sqlite3"},
    "search": {"torch", "sklearn", "sqlite3", "safetensors"},
    "study": {"torch", "pymoo", "sklearn"},
}
"""Packages that a room has no business with."""


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all modules that a file imports, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if node.module == "evoprune":
                yield from (f"evoprune.{alias.name}" for alias in node.names)
            else:
                yield str(node.module)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_a_room_to_its_right(path):
    room = room_of(path)
    assert room in MAY_IMPORT, f"room {room!r} has no place in the flow yet: give it one in MAY_IMPORT"
    imported = {name.split(".")[1] for name in imports(path) if name.startswith("evoprune.")}
    assert imported - {room} <= MAY_IMPORT[room] | SHARED


@pytest.mark.parametrize("room", NEVER_IMPORT)
def test_rooms_keep_to_their_trade(room):
    found = {(path.name, name) for path in (PACKAGE / room).rglob("*.py") for name in imports(path)}
    assert found, f"room {room!r} is gone"
    assert not {(file, name) for file, name in found if name.split(".")[0] in NEVER_IMPORT[room]}


def test_nothing_is_unpickled():
    for path in PROGRAMS:
        names = {name.split(".")[0] for name in imports(path)}
        assert not names & {"cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.module != "pickle", path
                loads = node.module in ("numpy", "torch") and any(alias.name == "load" for alias in node.names)
                assert not loads, f"{path} imports load by itself, where this test does not see its arguments"
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
                # The error by which torch refuses a file with more than tensors in it.
                assert node.attr == "UnpicklingError", f"{path}:{node.lineno}"
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                where = f"{path}:{node.lineno}"
                assert not called.endswith("read_pickle"), where
                if called == "torch.load":
                    assert given.get("weights_only") == "True", where
                if called in ("np.load", "numpy.load"):
                    assert given.get("allow_pickle") == "False", where


def undocumented(path: Path) -> Iterator[str]:
    """Public functions, classes and methods of a file without a docstring."""

    def look(node: ast.AST, within: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if child.name.startswith("_"):
                    continue
                if ast.get_docstring(child) is None:
                    yield f"{within}{child.name}"
                if isinstance(child, ast.ClassDef):
                    yield from look(child, f"{within}{child.name}.")

    tree = ast.parse(path.read_text(encoding="utf-8"))
    if ast.get_docstring(tree) is None:
        yield "the module"
    yield from look(tree, "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_everything_public_is_described(path):
    assert list(undocumented(path)) == []


def packages() -> list[str]:
    return ["evoprune", *(f"evoprune.{path.parent.name}" for path in sorted(PACKAGE.glob("*/__init__.py")))]


@pytest.mark.parametrize("name", packages())
def test_names_in_all_exist(name):
    package = importlib.import_module(name)
    assert len(set(package.__all__)) == len(package.__all__)
    for public in package.__all__:
        thing = getattr(package, public)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), f"{name}.{public} has no docstring"


def test_the_lazy_names_are_those_that_type_checkers_see():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.name: str(node.module).removeprefix("evoprune.")
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == evoprune._HOMES
    assert {*seen, "__version__"} == set(evoprune.__all__)
    assert dir(evoprune) == sorted(evoprune.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Stduy'"):
        evoprune.Stduy  # noqa: B018


def test_the_version_is_written_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    assert importlib.metadata.version("evoprune") == evoprune.__version__
    assert f"## {evoprune.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


IMPORTED_AS = {"PIL": "pillow", "google": "protobuf", "sklearn": "scikit-learn"}


def test_every_package_that_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared = {canonicalize_name(Requirement(line).name) for line in (*project["dependencies"], *extras)}
    for path in MODULES:
        for name in {name.split(".")[0] for name in imports(path)} - sys.stdlib_module_names - {"evoprune"}:
            package = canonicalize_name(IMPORTED_AS.get(name, name))
            # tomllib is part of Python 3.11 and later only.
            assert package in {*declared, "tomllib"}, f"{path} imports {name}, which pyproject.toml does not declare"


def pins() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def installed_by_make() -> set[str]:
    """Names of all packages that `make` asks for, and of what those need, on this Python."""
    lines = (ROOT / "requirements-test.txt").read_text(encoding="utf-8").splitlines()
    waiting = [Requirement(line) for line in ("evoprune", "hatchling", "editables", *lines) if line[0] != "#"]
    found: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and name not in found:
            found.add(name)
            waiting.extend(map(Requirement, importlib.metadata.requires(name) or ()))
    return found - {"evoprune"}


def test_every_package_that_make_installs_has_one_exact_pin():
    constraints = pins()
    for name in installed_by_make():
        assert name in constraints, f"{name} has no pin in constraints.txt"
        apply = [pin for pin in constraints[name] if pin.marker is None or pin.marker.evaluate()]
        assert len(apply) == 1, f"{name} has {len(apply)} pins for this Python"


def test_pins_are_exact_and_of_no_local_build():
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+( ; python_version (<|>=) \"3\.\d+\")?", line), (
            line
        )


WITHOUT_EXTRAS = """
import json, sys
import numpy as np

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torchvision", "timm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import evoprune as ep
from evoprune.training import FAST

X = ep.load_backbone("tiny").extract(np.random.default_rng(0).normal(size=(60, 3, 32, 32)).astype("float32"))
features = ep.from_arrays(X[:40], np.arange(40) % 2, X[40:], np.arange(20) % 2)
recipe = FAST.model_copy(update={"epochs": 1})
result = ep.Study(features, head=ep.Head(4), recipe=recipe, report_seeds=1).run(4)
print(json.dumps([result.evaluations, sorted({n.partition(".")[0] for n in sys.modules} & {"torchvision", "timm"})]))
"""


def test_the_core_runs_without_torchvision_and_timm():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [4, []]


def test_the_wheel_holds_what_the_package_needs(tmp_path):
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--no-index", "--wheel-dir", str(tmp_path), str(ROOT)),
        ],
        check=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"evoprune-{evoprune.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"evoprune-{evoprune.__version__}.dist-info/METADATA").decode()
        weights = archive.getinfo("evoprune/backbones/weights/tiny.safetensors").file_size
        scripts = archive.read(f"evoprune-{evoprune.__version__}.dist-info/entry_points.txt").decode()
    assert {"evoprune/py.typed", "evoprune/backbones/weights/tiny.json", "evoprune/training/_kernel.c"} <= names
    assert {f"evoprune/page/assets/{path.name}" for path in (PACKAGE / "page" / "assets").iterdir()} <= names
    assert weights < 1_500_000
    assert {f"evoprune/{path.relative_to(PACKAGE).as_posix()}" for path in MODULES} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "src"))]
    assert "Requires-Python: >=3.10" in metadata
    assert "evoprune = evoprune.cli:main" in scripts
