"""The environments of the make targets, made for real in a small project that needs no network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "clotho"
version = "1.0"
"""

# A build backend of its own, so that nothing has to be fetched: the wheel holds one empty module.
BACKEND = """\
import zipfile

METADATA = "Metadata-Version: 2.1\\nName: clotho\\nVersion: 1.0\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: clotho\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"


def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "clotho-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("clotho.py", "")
        wheel.writestr("clotho-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("clotho-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("clotho-1.0.dist-info/RECORD", "")
    return name


build_wheel = build_editable
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND)
    (root / "requirements").mkdir()
    (root / "requirements/demo.txt").write_text("# nothing\n")
    return root


def bootstrap(
    checkout: Path, *, without: tuple[str, ...] = ("ensurepip",), path: str = os.defpath
) -> subprocess.CompletedProcess[str]:
    """Run it with a Python that lacks the modules in `without`; ensurepip takes seconds to run."""
    blind = checkout.parent / "blind"
    blind.mkdir(exist_ok=True)
    # Only the Python that runs the script is blind: the one it makes is isolated, or has its own.
    hidden = dict.fromkeys(without)
    (blind / "sitecustomize.py").write_text(f"import sys\nsys.modules.update({hidden})\n")
    return subprocess.run(
        ["sh", str(checkout / "tools/python"), str(checkout / "tools/bootstrap.py"), "demo"],
        env={
            "HOME": str(checkout.parent),
            "PATH": path,
            "PIP_NO_INDEX": "1",
            "PYTHON": sys.executable,
            "PYTHONPATH": str(blind),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def assert_whole(checkout: Path) -> None:
    subprocess.run([checkout / ".venv-demo/bin/python", "-c", "import clotho"], check=True)


def test_given_a_whole_environment_when_asked_again_then_nothing_is_done(checkout: Path) -> None:
    first = bootstrap(checkout, without=())
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    assert first.stderr.startswith("parcae: making .venv-demo with Python 3.")
    assert_whole(checkout)

    again = bootstrap(checkout, without=())
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_given_half_an_environment_when_bootstrapped_then_it_is_made_anew(checkout: Path) -> None:
    half = checkout / ".venv-demo"
    (half / "bin").mkdir(parents=True)
    (half / "bin/python").symlink_to(sys.executable)
    (half / "leftover").touch()

    result = bootstrap(checkout)

    assert result.returncode == 0, result.stderr
    assert not (half / "leftover").exists()
    assert_whole(checkout)


def test_given_a_failed_build_when_its_cause_is_gone_then_it_recovers(checkout: Path) -> None:
    lock = checkout / "requirements/demo.txt"
    lock.write_text("lachesis==1.0\n")
    failed = bootstrap(checkout)
    assert failed.returncode != 0
    assert "lachesis" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("parcae: .venv-demo is not ready, see above")

    lock.write_text("# nothing\n")
    assert bootstrap(checkout).returncode == 0
    assert_whole(checkout)


def test_given_a_stamp_when_the_lock_the_project_or_the_place_changes_then_it_no_longer_holds(
    checkout: Path,
) -> None:
    assert "making" in bootstrap(checkout).stderr

    with (checkout / "requirements/demo.txt").open("a") as lock:
        lock.write("# changed\n")
    assert "making" in bootstrap(checkout).stderr

    with (checkout / "pyproject.toml").open("a") as pyproject:
        pyproject.write("# changed\n")
    assert "making" in bootstrap(checkout).stderr

    moved = checkout.rename(checkout.with_name("moved"))
    assert "making" in bootstrap(moved).stderr
    assert_whole(moved)


def test_given_a_whole_environment_when_its_python_is_gone_then_it_is_made_anew(
    checkout: Path,
) -> None:
    assert bootstrap(checkout).returncode == 0
    (checkout / ".venv-demo/bin/python").unlink()

    assert bootstrap(checkout).returncode == 0
    assert_whole(checkout)


def test_given_no_ensurepip_when_the_host_has_pip_then_that_one_installs(checkout: Path) -> None:
    result = bootstrap(checkout)

    assert result.returncode == 0, result.stderr
    assert_whole(checkout)
    assert not list((checkout / ".venv-demo/bin").glob("pip*"))


def test_given_no_pip_at_all_when_uv_is_there_then_uv_installs(
    checkout: Path, tmp_path: Path
) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert uv, "the development environment holds uv"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").symlink_to(uv)

    result = bootstrap(
        checkout, without=("ensurepip", "pip"), path=f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}"
    )

    assert result.returncode == 0, result.stderr
    assert_whole(checkout)


def test_given_nothing_that_installs_when_bootstrapped_then_one_line_names_the_package(
    checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "dirname"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))

    result = bootstrap(checkout, without=("ensurepip", "pip"), path=str(tmp_path / "bin"))

    assert result.returncode != 0
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    making, advice = result.stderr.splitlines()
    assert making.startswith("parcae: making")
    assert advice == (
        f"parcae: Python {version} can install nothing: install python{version}-venv "
        "(Debian, Ubuntu) or uv, then repeat"
    )


def find_python(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", ROOT / "tools/python", "-c", "print('ran')"],
        env={"PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_given_an_old_python3_when_a_newer_one_has_a_number_then_the_newer_one_runs(
    tmp_path: Path,
) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    new = tmp_path / "python3.12"
    new.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    new.chmod(0o755)

    result = find_python(tmp_path)

    assert (result.returncode, result.stdout) == (0, "ran\n")


def test_given_no_python_that_is_new_enough_then_one_line_says_so(tmp_path: Path) -> None:
    result = find_python(tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        "parcae: no Python 3.11 or newer found: install one, or name it with "
        "PYTHON=/path/to/python\n"
    )

    (tmp_path / "python3").symlink_to(sys.executable)
    named = find_python(tmp_path, PYTHON="/nowhere/python")
    assert named.returncode == 1
    assert named.stderr == (
        "parcae: PYTHON=/nowhere/python does not run, or is older than Python 3.11\n"
    )
