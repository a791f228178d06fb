"""The archive: whoever lets go takes only what is his own, whoever else comes or goes meanwhile."""

import os
import random
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from parcae_adapters.demo.archive import Archive, Changed, digest_of, unpacked

CONTENT = b"threads\n" * 1_000
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def files_in(archive: Archive) -> list[Path]:
    return sorted(path for path in archive.folder.rglob("*") if path.is_file())


def test_given_content_when_it_is_kept_then_it_unpacks_to_the_same(archive: Archive) -> None:
    blob = archive.keep(DIGEST, "me", [CONTENT[:100], CONTENT[100:]], writer=1)

    assert b"".join(unpacked(blob)) == CONTENT
    assert digest_of(unpacked(blob)) == DIGEST
    assert files_in(archive) == [blob] == [*archive.blobs()]
    assert DIGEST in str(blob)


def test_given_empty_content_then_it_has_a_blob_as_well(archive: Archive) -> None:
    blob = archive.keep(sha256().hexdigest(), "me", [], writer=1)

    assert [*unpacked(blob)] == []


def test_given_a_kept_blob_when_it_is_kept_again_then_nothing_is_read(archive: Archive) -> None:
    def read() -> bytes:
        raise AssertionError("read")

    blob = archive.keep(DIGEST, "me", [CONTENT], writer=1)

    assert archive.keep(DIGEST, "me", (read() for _ in range(1)), writer=2) == blob
    assert archive.keep(DIGEST, "you", (read() for _ in range(1)), writer=1).samefile(blob)


def test_given_a_shared_blob_when_one_lets_go_then_it_stays_until_the_last(
    archive: Archive,
) -> None:
    archive.keep(DIGEST, "one", [CONTENT], writer=1)
    other = archive.keep(DIGEST, "other", [CONTENT], writer=1)

    assert archive.let_go(DIGEST, "one") is False
    assert digest_of(unpacked(other)) == DIGEST
    assert archive.let_go(DIGEST, "one") is False
    assert archive.let_go(DIGEST, "other") is True
    assert files_in(archive) == []
    assert not other.parent.exists()


def test_given_nothing_when_somebody_lets_go_then_nothing_happens(archive: Archive) -> None:
    assert archive.let_go(DIGEST, "me") is True


def test_given_content_that_changed_since_its_digest_then_nothing_is_kept(
    archive: Archive,
) -> None:
    with pytest.raises(Changed):
        archive.keep(DIGEST, "me", [CONTENT, b"more"], writer=1)

    assert files_in(archive) == []


def test_given_a_writer_that_was_killed_half_way_then_the_next_one_removes_what_it_left(
    archive: Archive,
) -> None:
    left = archive.folder / "parts" / "me.1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")

    blob = archive.keep(DIGEST, "me", [CONTENT], writer=2)

    assert files_in(archive) == [blob]


def test_given_a_writer_that_was_killed_half_way_then_its_undo_removes_what_it_left(
    archive: Archive,
) -> None:
    left = archive.folder / "parts" / "me.1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")

    archive.let_go(DIGEST, "me")

    assert files_in(archive) == []


def test_given_a_file_system_without_links_then_each_owner_has_a_copy(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("links are not supported")

    monkeypatch.setattr(os, "link", refuse)
    one = archive.keep(DIGEST, "one", [CONTENT], writer=1)
    other = archive.keep(DIGEST, "other", [CONTENT], writer=1)

    assert not one.samefile(other)
    assert digest_of(unpacked(other)) == DIGEST


def test_given_a_damaged_blob_then_unpacking_says_so(archive: Archive) -> None:
    blob = archive.keep(DIGEST, "me", [CONTENT], writer=1)
    blob.write_bytes(blob.read_bytes()[:-9])

    with pytest.raises(OSError, match="cut short"):
        digest_of(unpacked(blob))


def test_given_a_folder_that_somebody_removes_this_very_moment_then_it_is_made_again(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, moments = os.replace, [1, 2]

    def too_late(part: Path, blob: Path) -> None:
        if moments:
            moments.pop()
            blob.parent.rmdir()
        replace(part, blob)

    monkeypatch.setattr(os, "replace", too_late)

    assert digest_of(unpacked(archive.keep(DIGEST, "me", [CONTENT], writer=1))) == DIGEST


def test_given_a_writer_whose_part_a_later_one_removed_then_it_fails(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def fenced(part: Path, blob: Path) -> None:
        part.unlink()
        replace(part, blob)

    monkeypatch.setattr(os, "replace", fenced)

    with pytest.raises(FileNotFoundError):
        archive.keep(DIGEST, "me", [CONTENT], writer=1)
    assert files_in(archive) == []


def test_given_many_owners_that_come_and_go_at_once_then_what_each_keeps_is_there(
    archive: Archive,
) -> None:
    faults: list[BaseException] = []

    def come_and_go(owner: str) -> None:
        chance = random.Random(owner)
        try:
            for writer in range(60):
                blob = archive.keep(DIGEST, owner, [CONTENT], writer=writer)
                assert digest_of(unpacked(blob)) == DIGEST
                if chance.random() < 0.9:
                    archive.let_go(DIGEST, owner)
            archive.let_go(DIGEST, owner)
        except BaseException as fault:  # noqa: BLE001 - told to the test, whatever it is
            faults.append(fault)

    threads = [threading.Thread(target=come_and_go, args=(f"owner-{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert files_in(archive) == []
