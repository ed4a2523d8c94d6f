"""The house: import directions, pure cores, sizes and names. Each rule is a test over the source."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "grid_models", "hub", "simulators")
PURE_CORES = ("edge/contract", "hub/market", "hub/settlement")
# The one file of hub/market that may talk to a solver in floating point.
FLOAT_ALLOWED: frozenset[str] = frozenset({"hub/market/coupled/highs.py"})
CLOCK_CALLS = frozenset({"now", "today", "utcnow", "monotonic", "perf_counter", "time_ns", "localtime", "gmtime"})
FLOAT_NAMES = frozenset({"float", "float16", "float32", "float64", "double", "complex", "complex128"})
FLOAT_METHODS = frozenset({"mean", "average", "std", "var", "true_divide", "linspace"})
REFUSED_MODULE_NAMES = frozenset(
    {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}
)


def sources(*folders: str) -> list[Path]:
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in files if "node_modules" not in path.parts and "migrations" not in path.parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def floats_and_clocks(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"{line}: the number {node.value!r} is a float"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{line}: `/` makes a float; use `//`"
        if isinstance(node, ast.Name) and node.id in FLOAT_NAMES:
            yield f"{line}: {node.id}"
        if isinstance(node, ast.Attribute) and node.attr in FLOAT_NAMES | FLOAT_METHODS:
            yield f"{line}: .{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS:
            yield f"{line}: .{node.func.attr}() reads a clock"


@pytest.mark.parametrize("core", PURE_CORES)
def test_pure_cores_hold_no_float_and_no_clock(core: str) -> None:
    files = [path for path in sources(core) if name_of(path) not in FLOAT_ALLOWED]
    assert files
    found = [f"{name_of(path)}:{what}" for path in files for what in floats_and_clocks(ast.parse(path.read_text()))]
    # The control channel reports seconds of wall time, which never reach a result.
    found = [row for row in found if not row.startswith("edge/contract/control.py") or "float" not in row]
    assert not found, "\n".join(found)


def test_the_scan_itself_finds_floats_and_clocks() -> None:
    text = "a = 1.5\nb = a / 2\nc = float(1)\nd = np.float64(1)\ne = x.mean()\nf = datetime.now()\n"
    assert len(list(floats_and_clocks(ast.parse(text)))) == 6


def test_import_directions() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("package", [*PACKAGES, "microbalance"])
def test_packages_come_from_this_repository(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve().is_relative_to(ROOT)


def test_the_edge_needs_neither_hub_nor_numpy() -> None:
    code = (
        "import sys, microbalance, edge.cli; "
        "heavy = {'hub', 'simulators', 'grid_models', 'numpy', 'pandapower', 'fastapi', 'sqlalchemy'}; "
        "bad = heavy & set(sys.modules); "
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


def test_files_and_functions_are_short() -> None:
    long = []
    for path in [*sources(*PACKAGES), ROOT / "microbalance.py"]:
        text = path.read_text()
        if text.count("\n") > 600:
            long.append(f"{name_of(path)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                if length > 70:
                    long.append(f"{name_of(path)}:{node.lineno} {node.name}: {length} lines")
    assert not long, "\n".join(long)


def test_modules_have_telling_names() -> None:
    assert not [name_of(path) for path in sources(*PACKAGES) if path.stem in REFUSED_MODULE_NAMES]


def test_no_registry_address_and_no_machine_path_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [
        name for name in listed.split("\0") if name.endswith((".lock", ".json", ".npmrc", ".toml", ".txt", ".cfg"))
    ]
    bad = []
    for name in names:
        path = ROOT / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf8", errors="replace")
        scheme = "http"
        markers = (
            f'"resolved": "{scheme}',
            "--index-url",
            "--extra-index-url",
            f"registry = {scheme}",
            f"registry={scheme}",
        )
        bad += [f"{name}: {marker}" for marker in markers if marker in text]
    assert not bad, "\n".join(bad)
