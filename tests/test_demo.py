"""The demo as it is typed: real files, real processes, real kills."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARCAE = [sys.executable, "-m", "parcae_adapters.cli"]

pytestmark = [pytest.mark.slow]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARCAE_")}
    roots = (str(ROOT / folder) for folder in ("kernel", "adapters"))
    return {**kept, "PYTHONPATH": os.pathsep.join(roots)}


def parcae(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PARCAE, *map(str, args)],
        env=environment(),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


# Not even root can read this one.
UNREADABLE = Path("/proc/self/mem")


def plant(folder: Path) -> int:
    """Make thirty files, and some that are none; how many can be read."""
    (folder / "sub").mkdir(parents=True)
    for number in range(18):
        (folder / f"file{number:02}.txt").write_text(f"{number}\n" * (number + 1) * 50)
    for name in ("empty1", "empty2", "sub/empty3"):
        (folder / name).touch()
    for name in ("same1", "same2", "sub/same3"):
        (folder / name).write_text("the same content\n" * 20)
    odd = (b"bad\xff\xfename", b"new\nline \x1b[31m", b"100%25.txt", "grüße.txt".encode())
    readable = 18 + 3 + 3 + 1
    for raw in odd:
        # Some file systems take no name that is not UTF-8.
        with suppress(OSError):
            Path(os.fsdecode(bytes(folder) + b"/" + raw)).write_bytes(raw * 11)
            readable += 1
    (folder / "linked").symlink_to("file01.txt")
    (folder / "unreadable").symlink_to(UNREADABLE)
    (folder / "loop").symlink_to("loop")
    (folder / "sub" / "up").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    return readable


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("demo") / "files"
    return folder, plant(folder)


@pytest.fixture(scope="module")
def folder(planted: tuple[Path, int]) -> Path:
    return planted[0]


@pytest.fixture(scope="module")
def played(folder: Path) -> subprocess.CompletedProcess[str]:
    return parcae("demo", folder, "--into", folder / "into", "--json")


@pytest.fixture(scope="module")
def document(played: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    document = json.loads(played.stdout)
    assert isinstance(document, dict)
    return document


def workers_of(database: Path) -> list[str]:
    listed = subprocess.run(
        ["ps", "-eww", "-o", "args"],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    return [line for line in listed.stdout.splitlines() if f"--db={database}" in line]


def test_given_odd_files_when_they_are_archived_then_every_job_ends_and_all_is_well(
    played: subprocess.CompletedProcess[str],
    document: Mapping[str, Any],
    planted: tuple[Path, int],
) -> None:
    _, readable = planted
    assert played.returncode == 0, played.stderr
    assert document["files"] == document["jobs"] == readable + UNREADABLE.exists()
    assert document["by_status"] == {
        "completed": readable - 3,
        "compensated": 1,
        "quarantined": 1,
        "cancelled": 1,
        **({"failed": 1} if UNREADABLE.exists() else {}),
    }
    assert document["verified"] == readable - 3
    assert document["fsck"]["clean"] is True
    assert document["fsck"]["findings"] == []
    assert document["fsck"]["jobs"] == document["jobs"]


def test_given_the_demo_then_its_document_has_exactly_these_keys(
    document: Mapping[str, Any],
) -> None:
    assert [*document] == [
        "files",
        "jobs",
        "by_status",
        "leases_lost",
        "attempts",
        "verified",
        "fsck",
        "seconds",
    ]


def test_given_the_demo_then_one_worker_was_killed_and_three_by_their_job(
    played: subprocess.CompletedProcess[str], document: Mapping[str, Any]
) -> None:
    assert document["leases_lost"] >= 4
    assert document["attempts"] >= document["jobs"] + 3
    assert played.stderr.count("gets a SIGKILL") == 1
    assert played.stderr.count("takes its place") >= 3
    assert "Traceback" not in played.stderr


def jobs_of(played: subprocess.CompletedProcess[str], folder: Path) -> list[dict[str, Any]]:
    assert played.returncode == 0
    listed = parcae("list", "--db", folder / "into" / "jobs.db", "--jsonl", "--limit", "100")
    return [json.loads(line) for line in listed.stdout.splitlines()]


def test_given_the_demo_when_its_jobs_are_listed_then_each_cause_is_told(
    played: subprocess.CompletedProcess[str], folder: Path
) -> None:
    causes = {job["status"]: job["cause"] for job in jobs_of(played, folder)}

    assert causes == {
        "completed": None,
        "compensated": "handler error",
        "quarantined": "poison",
        "cancelled": "cancelled by request",
        **({"failed": "attempts exhausted"} if UNREADABLE.exists() else {}),
    }


def test_given_the_demo_then_nothing_runs_any_more_and_the_tree_was_not_changed(
    played: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert played.returncode == 0
    assert workers_of(folder / "into" / "jobs.db") == []
    assert sorted(path.name for path in (folder / "into").iterdir() if path.is_dir()) == ["archive"]


def test_given_a_demo_when_another_is_to_go_there_then_it_is_refused(
    played: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert played.returncode == 0
    again = parcae("demo", folder, "--into", folder / "into")

    assert again.returncode == 5
    assert again.stdout == ""
    assert "holds a demo already" in again.stderr


def test_given_a_few_files_when_it_ends_then_it_says_what_happened_and_what_to_type(
    tmp_path: Path,
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for number in range(2):
        (files / f"file{number}").write_text(f"{number}" * (number + 1))
    result = parcae("demo", files, "--into", tmp_path / "into")

    assert result.returncode == 0, result.stderr
    assert "1 of 2 files are archived" in result.stdout
    assert "Its worker was lost in phase pack" in result.stdout
    assert "folded again: clean" in result.stdout
    assert f"export PARCAE_DB={tmp_path / 'into' / 'jobs.db'}" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr


def test_given_an_empty_folder_then_there_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = parcae("demo", tmp_path / "empty", "--into", tmp_path / "into", "--json")

    document = json.loads(result.stdout)
    assert result.returncode == 0
    assert (document["files"], document["jobs"], document["by_status"]) == (0, 0, {})


@pytest.mark.parametrize("name", ["file", "nowhere"])
def test_given_no_folder_then_it_says_so_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    result = parcae("demo", tmp_path / name, "--into", tmp_path / "into")

    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "into").exists()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo whose workers are at work."""
    files = tmp_path / "files"
    files.mkdir()
    for number in range(20):
        (files / f"file{number}").write_text(f"{number}" * (number + 1))
    database = tmp_path / "into" / "jobs.db"
    process = subprocess.Popen(
        [*PARCAE, "demo", str(files), "--into", str(database.parent)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            over = time.monotonic() + 20
            while not workers_of(database) and time.monotonic() < over:
                time.sleep(0.05)
            assert workers_of(database)
            yield process
        finally:
            process.kill()


def wait_until_gone(database: Path) -> None:
    over = time.monotonic() + 20
    while workers_of(database) and time.monotonic() < over:
        time.sleep(0.05)
    assert workers_of(database) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_given_a_demo_when_it_is_interrupted_then_its_workers_go_first(
    started: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    started.send_signal(number)
    output, errors = started.communicate(timeout=20)

    assert started.returncode == 130
    assert workers_of(tmp_path / "into" / "jobs.db") == []
    assert output == ""
    assert errors.splitlines()[-1] == "parcae: interrupted"
    assert "Traceback" not in errors


def test_given_a_demo_when_it_is_killed_then_its_workers_end_by_themselves(
    started: subprocess.Popen[str], tmp_path: Path
) -> None:
    started.kill()

    wait_until_gone(tmp_path / "into" / "jobs.db")


def test_given_workers_that_cannot_start_then_the_demo_says_why(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "file").write_text("content")
    broken = tmp_path / "broken" / "parcae_adapters" / "worker"
    broken.mkdir(parents=True)
    (broken.parent / "__init__.py").write_text(
        f"__path__.append({str(ROOT / 'adapters' / 'parcae_adapters')!r})"
    )
    (broken / "__init__.py").write_text("raise ImportError('no worker today')")
    path = os.pathsep.join(map(str, (tmp_path / "broken", ROOT / "kernel")))
    result = subprocess.run(
        [*PARCAE, "demo", tmp_path / "files", "--into", tmp_path / "into"],
        env={**environment(), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert "no worker today" in result.stderr
    assert "Traceback" not in result.stderr
