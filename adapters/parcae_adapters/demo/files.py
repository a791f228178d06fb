"""Which files there are, and names that survive JSON whatever bytes they are made of."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from attrs import define, frozen

CHUNK = 1 << 20
"""Bytes that are held in memory at once, however large a file is."""

OF_OTHERS = frozenset(("site-packages", "dist-packages", "__pycache__"))
"""Folders inside the standard library that are not of it."""


class NotAFile(OSError):
    """What was a regular file when it was listed is none any more."""


@frozen
class Candidate:
    """A file to archive, how large it was when it was listed, and whether it may be read."""

    path: str
    size: int
    readable: bool = True


@define
class Found:
    """What a walk through a folder found.

    Attributes:
        files: regular files, and symbolic links to such, in a stable order.
        left_out: how many entries are neither, or could not be looked at.
        more: there are more files than the limit.
    """

    files: list[Candidate]
    left_out: int = 0
    more: bool = False


def standard_library() -> Path:
    """The folder of the running interpreter's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def discover(
    folder: Path, limit: int, *, without: Path, skipped: frozenset[str] = frozenset()
) -> Found:
    """The first ``limit`` files below ``folder``.

    Args:
        folder: where to look. Linked folders are not entered, so a loop is no danger.
        limit: how many files at the most.
        without: this folder is not entered: what is archived into must not be archived.
        skipped: folders of these names are not entered.
    """
    found = Found([])
    for path in _walk(folder, _identity(str(without)), skipped, found):
        size = _size(path)
        if size is None:
            found.left_out += 1
        elif len(found.files) >= limit:
            found.more = True
            break
        else:
            found.files.append(Candidate(path, size, os.access(path, os.R_OK)))
    return found


def _walk(
    folder: Path, without: tuple[int, int] | None, skipped: frozenset[str], found: Found
) -> Iterator[str]:
    def unreadable(_: OSError) -> None:
        found.left_out += 1

    for parent, folders, names in os.walk(os.path.abspath(folder), onerror=unreadable):
        folders[:] = sorted(
            name
            for name in folders
            if name not in skipped and _identity(os.path.join(parent, name)) != without
        )
        yield from (os.path.join(parent, name) for name in sorted(names))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _size(path: str) -> int | None:
    """The size of a regular file; ``None``: it is none, or leads nowhere."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def open_file(path: str) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        NotAFile: it is something else by now, such as a pipe, which would block for ever.
        OSError: it is gone, or may not be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotAFile(f"not a regular file any more: {to_text(path)}")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def chunks(path: str) -> Iterator[bytes]:
    """The content of a file, piece by piece."""
    with open_file(path) as source:
        while chunk := source.read(CHUNK):
            yield chunk


def name_of(path: str) -> str:
    """A short name for the file at ``path``, the same in every run."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def to_text(path: str) -> str:
    """``path`` as text that JSON can hold: bytes that are not UTF-8 become ``%XX``."""
    return os.fsencode(path).replace(b"%", b"%25").decode("utf-8", "percent")


def from_text(text: str) -> str:
    """The path that :func:`to_text` was given."""
    return os.fsdecode(unquote_to_bytes(text))


def _percent(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"%{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("percent", _percent)
