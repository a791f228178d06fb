"""The copy that is mutated: the kernel laid out as ``src/parcae``, and the tests beside it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

MUTMUT = "mutmut==3.8.1"
NEEDS = ("attrs", "cattrs", "hypothesis", "pytest", "pytest-timeout", "sqlite-utils")
"""What the tests need, each in the version that is installed here."""

TESTS = (
    "admission answers assess blocking codec compensation decide_claims decide_ending "
    "decide_forward decide_operator decide_reconcile decide_undo definitions errors evolve folds "
    "golden handle lifecycle pinned refusals retry retry_keys saga spec state timing "
    "unbounded values"
).split()
"""Those that look at the kernel and take seconds: a mutant should not live long."""

MODULES = (
    "decide/* evolve.py compensation.py retry.py timing.py admission.py handle.py saga.py state.py "
    "lifecycle.py"
).split()
"""What decides. The rest carries values to and fro, and is tested by what carries them."""

CONFIGURATION = f"""\
[tool.mutmut]
source_paths = ["src"]
only_mutate = {[f"src/parcae/{one}" for one in MODULES]}
also_copy = ["specs", "adapters", "tests"]
pytest_add_cli_args_test_selection = ["tests"]
pytest_add_cli_args = ["-x", "-q", "-p", "no:cacheprovider"]
use_git_change_detection = false
track_dependencies = false
# On a busy machine a test may be slow without being caught in anything.
timeout_constant = 60.0

[tool.pytest]
addopts = ["--import-mode=importlib"]
pythonpath = ["src", "specs", "adapters"]
timeout = "120"
markers = ["slow", "alone"]
"""


class Missing(Exception):
    """Something that a mutation run needs is not here."""


def lay(folder: Path, root: Path) -> None:
    """Copy into ``folder`` what mutmut needs of the repository at ``root``.

    Raises:
        Missing: the tests are not here: they come with the sources, not with the package.
    """
    if not (root / "tests").is_dir():
        raise Missing(f"there is no {root / 'tests'}: run this at the top of the sources")
    ignored = shutil.ignore_patterns("__pycache__")
    for package, place in (
        ("parcae", folder / "src" / "parcae"),
        ("parcae_adapters", folder / "adapters" / "parcae_adapters"),
        ("parcae_specs", folder / "specs" / "parcae_specs"),
    ):
        shutil.copytree(_home(package), place, ignore=ignored)
    shutil.copytree(root / "specs" / "golden", folder / "specs" / "golden")
    (folder / "tests").mkdir()
    for name in ("conftest", *(f"test_{one}" for one in TESTS)):
        found = root / "tests" / f"{name}.py"
        if found.is_file():
            shutil.copy(found, folder / "tests")
    (folder / "pyproject.toml").write_text(CONFIGURATION, encoding="utf-8")


def _home(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def equip(folder: Path) -> Path:
    """An environment of its own: what mutmut brings along has no place in anybody else's."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = [MUTMUT, *(f"{name}=={version(name)}" for name in NEEDS)]
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted]
    subprocess.run(pip, check=True)
    return folder / "bin"
