"""Whole days and long comparisons: minutes each, so they are collected only for `-m soak` (`make soak`)."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: whole days and long comparisons; run by make soak")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.option.markexpr == "soak" else True


@pytest.fixture(scope="session")
def demo_process() -> ModuleType:
    return load(Path(__file__).parents[1] / "scenario" / "demo_process.py", "demo_process")


@pytest.fixture(scope="session")
def market_modules() -> dict[str, ModuleType]:
    """The builders and the proof of the market's own tests."""
    folder = Path(__file__).parents[1] / "market"
    return {name: load(folder / f"{name}.py", f"soak_market_{name}") for name in ("conftest", "tree_proof")}


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
