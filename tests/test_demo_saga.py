"""The demo's saga in virtual time: what becomes of files that are gone, changed or in trouble."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcae import Cause, Engine, Job, Status
from parcae.state import Ended
from parcae_adapters.clock import ManualClock
from parcae_adapters.demo.archive import Archive
from parcae_adapters.demo.files import Candidate, to_text
from parcae_adapters.demo.play import Role, assign
from parcae_adapters.demo.report import Summary, sum_up
from parcae_adapters.demo.saga import File, archive_file, jobs
from parcae_adapters.demo.trouble import Trouble
from parcae_adapters.memory import MemoryStore
from parcae_adapters.testing import run_until_idle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def run(folder: Path, files: Sequence[tuple[str, Trouble | None]]) -> tuple[list[Job], Summary]:
    async def main() -> tuple[list[Job], Summary]:
        engine = Engine(MemoryStore(clock=ManualClock()))
        ids = []
        for name, trouble in files:
            file = File(to_text(str(folder / name)), str(folder / "archive"), trouble)
            ids.append((await engine.submit(archive_file(file))).job_id)
        await run_until_idle(engine, jobs)
        summary = await sum_up(engine, {}, folder / "archive")
        summary.files = len(files)
        return [await engine.show(job_id) for job_id in ids], summary

    return asyncio.run(main())


def test_given_two_files_of_one_content_then_they_share_a_blob(folder: Path) -> None:
    for name in ("one", "other"):
        (folder / name).write_text("same")

    found, summary = run(folder, [("one", None), ("other", None)])

    assert [job.status for job in found] == [Status.COMPLETED, Status.COMPLETED]
    one, other = Archive(folder / "archive").blobs()
    assert one.parent == other.parent
    assert summary.well
    assert summary.verified == 2


def test_given_a_failure_after_packing_then_the_blob_is_gone_again(folder: Path) -> None:
    (folder / "file").write_text("content")

    (job,), summary = run(folder, [("file", Trouble.FAILS_AFTER_PACKING)])

    assert job.status is Status.COMPENSATED
    assert [undo.phase for undo in job.undos] == ["pack"]
    assert [*Archive(folder / "archive").blobs()] == []
    assert summary.well


def test_given_a_failure_after_packing_when_another_file_shares_the_blob_then_it_stays(
    folder: Path,
) -> None:
    for name in ("fails", "stays"):
        (folder / name).write_text("same")

    (fails, stays), summary = run(folder, [("fails", Trouble.FAILS_AFTER_PACKING), ("stays", None)])

    assert (fails.status, stays.status) == (Status.COMPENSATED, Status.COMPLETED)
    assert len([*Archive(folder / "archive").blobs()]) == 1
    assert summary.well
    assert summary.verified == 1


@pytest.mark.parametrize("make", ["nothing", "folder"])
def test_given_a_file_that_is_gone_then_the_job_fails_at_once_and_says_so(
    folder: Path, make: str
) -> None:
    if make == "folder":
        (folder / "gone").mkdir()

    (job,), summary = run(folder, [("gone", None)])

    assert (job.status, job.starts) == (Status.FAILED, 1)
    assert job.error is not None
    assert job.error.type.endswith("NotAFile" if make == "folder" else "FileNotFoundError")
    assert summary.well
    assert [one.path for one in summary.failed] == [to_text(str(folder / "gone"))]


def test_given_a_file_that_cannot_be_read_then_the_job_fails_in_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "locked").write_text("content")

    def locked(_: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("parcae_adapters.demo.files.open_file", locked)

    (job,), summary = run(folder, [("locked", None)])

    assert isinstance(job.state, Ended)
    assert (job.status, job.state.cause) == (Status.FAILED, Cause.HANDLER_ERROR)
    assert job.starts == 1
    assert summary.well


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes no such names")
def test_given_a_name_that_is_not_utf8_then_it_is_archived(folder: Path) -> None:
    name = b"bad\xff\xfe\n%name".decode("utf-8", "surrogateescape")
    (folder / name).write_text("content")

    (job,), summary = run(folder, [(name, None)])

    assert job.status is Status.COMPLETED
    assert summary.well


def test_given_a_blob_that_is_damaged_afterwards_then_the_summary_says_so(folder: Path) -> None:
    (folder / "file").write_text("content")

    async def main() -> Summary:
        engine = Engine(MemoryStore(clock=ManualClock()))
        file = File(to_text(str(folder / "file")), str(folder / "archive"))
        await engine.submit(archive_file(file))
        await run_until_idle(engine, jobs)
        (blob,) = Archive(folder / "archive").blobs()
        blob.write_bytes(b"damaged")
        (blob.parent / "stray.gz").write_bytes(b"")
        summary = await sum_up(engine, {}, folder / "archive")
        summary.files = 1
        return summary

    summary = asyncio.run(main())

    assert not summary.well
    assert summary.verified == 0
    assert len(summary.problems) == 2
    assert summary.document()["fsck"]["findings"] == summary.problems


def test_given_a_troubled_file_that_is_gone_then_what_was_planned_did_not_come_about(
    folder: Path,
) -> None:
    (folder / "spoiled").write_text("content")

    async def main() -> Summary:
        engine = Engine(MemoryStore(clock=ManualClock()))
        cast: dict[Trouble, Role] = {}
        for name, trouble in (
            ("spoiled", Trouble.FAILS_AFTER_PACKING),
            ("gone", Trouble.LOSES_ITS_WORKER),
        ):
            file = File(to_text(str(folder / name)), str(folder / "archive"), trouble)
            handle = await engine.submit(archive_file(file))
            cast[trouble] = Role(file.path, handle.job_id)
        await run_until_idle(engine, jobs)
        return await sum_up(engine, cast, folder / "archive")

    summary = asyncio.run(main())

    assert [trouble for trouble in Trouble if summary.came_about(trouble)] == [
        Trouble.FAILS_AFTER_PACKING
    ]
    assert summary.failed == []
    assert "FileNotFoundError" in summary.troubled[Trouble.LOSES_ITS_WORKER].error


@given(st.lists(st.integers(0, 5), max_size=40))
def test_given_any_files_then_the_troubled_ones_are_different_and_one_stands_half_way(
    sizes: list[int],
) -> None:
    troubles = assign([Candidate(str(i), size) for i, size in enumerate(sizes)])

    assert len(troubles) == min(len(sizes), len(Trouble))
    assert len({*troubles.values()}) == len(troubles)
    assert all(0 <= index < len(sizes) for index in troubles)
    if sizes:
        assert Trouble.LOSES_ITS_WORKER in troubles.values()


def test_given_files_with_contents_of_their_own_that_can_be_read_then_these_are_chosen() -> None:
    files = [Candidate(str(i), 0 if i % 2 else 7 * i + 1, i % 4 == 0) for i in range(20)]

    assert all(files[index].size and files[index].readable for index in assign(files))
