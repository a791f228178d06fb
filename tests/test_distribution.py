"""The sdist and the wheel, built from a littered tree and opened."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_sdist_filename, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = {
    "parcae": ROOT / "kernel/parcae",
    "parcae_adapters": ROOT / "adapters/parcae_adapters",
    "parcae_specs": ROOT / "specs/parcae_specs",
}
CACHES = ("__pycache__", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel is made from the sdist, so the sdist is whole."""
    tree = tmp_path_factory.mktemp("tree") / "parcae"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv*", "dist", *CACHES))
    for folder in ("", "kernel/parcae", "adapters/parcae_adapters", "specs", "specs/parcae_specs"):
        for cache in CACHES:
            (tree / folder / cache).mkdir()
            (tree / folder / cache / "litter.pyc").touch()
    output = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", output, tree],
        check=True,
        capture_output=True,
    )
    return output


@pytest.fixture(scope="module")
def wheel(built: Path) -> set[str]:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(built: Path) -> Message:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


@pytest.fixture(scope="module")
def sdist(built: Path) -> set[str]:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def source_files(package: Path) -> set[str]:
    return {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and not {*CACHES} & {*path.parts}
    }


def test_one_sdist_and_one_pure_wheel_of_this_version_are_built(built: Path) -> None:
    (wheel,) = (path.name for path in built.glob("*.whl"))
    (sdist,) = (path.name for path in built.glob("*.tar.gz"))
    name, version, _, tags = parse_wheel_filename(wheel)
    assert (name, str(version)) == (PROJECT["name"], PROJECT["version"])
    assert {str(tag) for tag in tags} == {"py3-none-any"}
    assert parse_sdist_filename(sdist) == (name, version)


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(wheel: set[str]) -> None:
    info = f"parcae-{PROJECT['version']}.dist-info"
    assert {name for name in wheel if not name.startswith(f"{info}/")} == {
        name for package in PACKAGES.values() for name in source_files(package)
    }
    assert {name.partition("/")[2] for name in wheel if name.startswith(f"{info}/")} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_that_it_is_typed(wheel: set[str], package: str) -> None:
    assert f"{package}/py.typed" in wheel


def test_the_sdist_holds_what_is_listed_and_no_cache(sdist: set[str]) -> None:
    assert {name.partition("/")[0] for name in sdist} == {
        ".ci",
        ".gitignore",
        ".importlinter",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "PKG-INFO",
        "README.md",
        "adapters",
        "conftest.py",
        "kernel",
        "pyproject.toml",
        "requirements",
        "specs",
        "tests",
        "tools",
    }
    assert {name for name in sdist if {*CACHES} & {*name.split("/")}} == set()
    for folder in ("tests", "tools", "requirements"):
        assert source_files(ROOT / folder) <= sdist


def test_the_metadata_tells_python_licence_extras_and_dependencies(metadata: Message) -> None:
    assert metadata["Requires-Python"] == PROJECT["requires-python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("Provides-Extra", ())) == {*PROJECT["optional-dependencies"]}

    asked = [Requirement(text) for text in metadata.get_all("Requires-Dist", ())]

    def installed_with(extra: str) -> set[str]:
        return {r.name for r in asked if r.marker is None or r.marker.evaluate({"extra": extra})}

    base = {"attrs", "cattrs"}
    assert installed_with("") == base
    assert installed_with("sqlite") == base | {"sqlite-utils"}
    assert installed_with("cli") == base | {"sqlite-utils", "click", "rich"}
    assert installed_with("all") >= base | {"sqlite-utils", "click", "rich", "aiohttp", "psycopg"}


def test_the_script_the_verb_and_the_plugin_are_found_by_their_names(built: Path) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        assert archive.read(name).decode() == (
            "[console_scripts]\nparcae = parcae_adapters.cli:main\n\n"
            "[parcae.commands]\nbench = parcae_specs.bench.command:command\n"
            "check = parcae_specs.check:command\n\n"
            "[pytest11]\nparcae = parcae_specs.plugin\n"
        )
