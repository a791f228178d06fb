"""Any folder will do: odd names, loops, pipes, and files that nobody may read."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcae_adapters.demo.files import (
    CHUNK,
    Found,
    NotAFile,
    chunks,
    discover,
    from_text,
    name_of,
    open_file,
    standard_library,
    to_text,
)

NAMES = st.binary(min_size=1, max_size=40).filter(lambda raw: b"\0" not in raw)


@given(NAMES)
def test_given_any_bytes_as_a_name_then_json_brings_them_back(raw: bytes) -> None:
    path = os.fsdecode(raw)

    text = json.loads(json.dumps(to_text(path), ensure_ascii=False).encode())

    assert os.fsencode(from_text(text)) == raw


@given(NAMES, NAMES)
def test_given_two_names_then_they_are_kept_apart(one: bytes, other: bytes) -> None:
    paths = os.fsdecode(one), os.fsdecode(other)

    assert (name_of(paths[0]) == name_of(paths[1])) == (one == other)
    assert (to_text(paths[0]) == to_text(paths[1])) == (one == other)


@pytest.mark.parametrize("name", ["plain.txt", "grüße.txt", "a b/c.txt"])
def test_given_an_ordinary_name_then_its_text_is_the_name(name: str) -> None:
    assert to_text(name) == name


def found_in(folder: Path, found: Found) -> list[str]:
    return [os.path.relpath(file.path, folder) for file in found.files]


def test_given_a_folder_with_loops_and_pipes_then_its_files_are_found_in_order(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("b", "a", "sub/c"):
        (folder / name).write_text(name)
    (folder / "linked").symlink_to("a")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "sub" / "up").symlink_to(folder)
    os.mkfifo(folder / "pipe")

    found = discover(folder, 100, without=tmp_path / "into")

    assert found_in(folder, found) == ["a", "b", "linked", "sub/c"]
    assert [file.size for file in found.files] == [1, 1, 1, 5]
    assert found.left_out == 3
    assert not found.more


def test_given_the_archive_inside_the_folder_then_it_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "blob").touch()
    (tmp_path / "alias").symlink_to("into")

    assert found_in(tmp_path, discover(tmp_path, 9, without=tmp_path / "into")) == ["file"]
    assert found_in(tmp_path, discover(tmp_path, 9, without=tmp_path / "alias")) == ["file"]


def test_given_more_files_than_the_limit_then_the_first_are_taken(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).touch()

    found = discover(tmp_path, 3, without=tmp_path / "into")

    assert found_in(tmp_path, found) == ["0", "1", "2"]
    assert found.more
    assert not discover(tmp_path, 5, without=tmp_path / "into").more


def test_given_the_standard_library_then_what_others_put_there_is_left_out() -> None:
    found = discover(
        standard_library(), 10_000, without=Path("nowhere"), skipped=frozenset({"site-packages"})
    )

    assert len(found.files) > 200
    assert not any("site-packages" in file.path for file in found.files)


def test_given_a_large_file_then_it_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (CHUNK + 1))

    assert [len(chunk) for chunk in chunks(str(tmp_path / "large"))] == [CHUNK, 1]


def test_given_a_file_that_became_a_pipe_then_it_is_refused_and_nobody_waits(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(NotAFile):
        open_file(str(tmp_path / "pipe"))
