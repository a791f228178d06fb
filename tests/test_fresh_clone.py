"""`make demo` and `make test` from a bare clone, in an environment that holds next to nothing."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "PARCAE_IN_CLONE"

pytestmark = [
    pytest.mark.slow,
    # Two environments are installed, and the index may be far away.
    pytest.mark.timeout(600),
    pytest.mark.skipif(INSIDE in os.environ, reason="this is the clone"),
]

# What a host needs to reach its package index; everything else stays outside.
PASSED = ("PATH", "PYTHON", "SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
PASSED_PREFIXES = ("PIP_", "UV_")
PASSED_SUFFIXES = ("_PROXY",)


def passes(variable: str) -> bool:
    return (
        variable in PASSED
        or variable.startswith(PASSED_PREFIXES)
        or variable.upper().endswith(PASSED_SUFFIXES)
    )


def of_pip(home: Path) -> Iterator[tuple[str, str]]:
    """Pip's own settings and downloads lie in the home folder, which the clone does not have."""
    places = (".pip", ".config/pip", "Library/Application Support/pip")
    for setting in (f"{place}/pip.conf" for place in places):
        if (home / setting).is_file():
            yield "PIP_CONFIG_FILE", str(home / setting)
    for cache in (".cache/pip", "Library/Caches/pip"):
        if (home / cache).is_dir():
            yield "PIP_CACHE_DIR", str(home / cache)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    head = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--verify", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    if head.returncode != 0 or not (ROOT / ".git").exists():
        pytest.skip(f"not a git checkout: {head.stderr.strip() or 'the folder holds no .git'}")
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if passes(name)}
    return {**dict(of_pip(Path.home())), **passed, "HOME": str(tmp_path), INSIDE: "1"}


def make(
    clone: Path, environment: dict[str, str], target: str, arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target, f"ARGS={arguments}"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_given_a_bare_clone_when_make_test_is_typed_then_the_tests_run(
    clone: Path, environment: dict[str, str]
) -> None:
    # A part stands for the whole: all of it runs already, around this test.
    result = make(clone, environment, "test", "tests/test_lock.py tests/test_distribution.py")

    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


def test_given_a_bare_clone_when_make_demo_is_typed_then_it_tells_what_became_of_the_files(
    clone: Path, environment: dict[str, str]
) -> None:
    result = make(clone, environment, "demo", "--limit 20 --json")

    assert result.returncode == 0, result.stdout + result.stderr
    # The whole of standard output is the one document.
    assert {
        "files",
        "jobs",
        "by_status",
        "leases_lost",
        "attempts",
        "verified",
        "fsck",
        "seconds",
    } <= json.loads(result.stdout).keys()
