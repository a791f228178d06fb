"""A content-addressed archive that several processes change at once, without locks.

A blob is a folder named after the SHA-256 of its content. In it stands one hard link for each file
that has this content, and all of them are the same compressed data on disk. So the file system
counts who shares a blob: whoever lets go removes only his own link, and the content is gone
with the last one. Nobody ever decides whether *others* still need it, so no two can race. The worst
that can come of two at the same moment is the same content twice on disk.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from parcae_adapters.demo.files import CHUNK

SUFFIX = ".gz"
LEVEL = 6


class Changed(Exception):
    """The content is not what the digest says: the file was written to in between."""


@frozen
class Archive:
    """An archive in ``folder``, which need not exist yet."""

    folder: Path

    def blob(self, digest: str, owner: str) -> Path:
        """Where the content with ``digest`` is kept for ``owner``."""
        return self.folder / "blobs" / digest[:2] / digest / f"{owner}{SUFFIX}"

    def keep(self, digest: str, owner: str, content: Iterable[bytes], writer: object) -> Path:
        """Keep ``content`` for ``owner``. Done once, it does nothing the second time.

        Args:
            digest: the SHA-256 of the content.
            owner: whose it is; a name that file systems take.
            content: read only where nobody else keeps the same.
            writer: who writes, so that a writer that was given up, but lives, disturbs nobody.

        Raises:
            Changed: the content has another digest. Nothing is kept.
        """
        blob = self.blob(digest, owner)
        if blob.exists() or _share(blob):
            return blob
        part = self._fresh_part(owner, writer)
        try:
            _compress(content, part, digest)
            if not _share(blob):
                _publish(part, blob)
        finally:
            part.unlink(missing_ok=True)
        return blob

    def let_go(self, digest: str, owner: str) -> bool:
        """Remove what is kept for ``owner``, and say whether the content is gone with it.

        It may be there, half there or not there: afterwards it is not.
        """
        for part in self._parts(owner):
            part.unlink(missing_ok=True)
        blob = self.blob(digest, owner)
        blob.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: somebody shares it
            blob.parent.rmdir()
        return not blob.parent.exists()

    def blobs(self) -> Iterator[Path]:
        """Everything that is kept, once for each owner."""
        return (self.folder / "blobs").rglob(f"*{SUFFIX}")

    def _fresh_part(self, owner: str, writer: object) -> Path:
        for left in self._parts(owner):  # of a writer that was killed
            left.unlink(missing_ok=True)
        part = self.folder / "parts" / f"{owner}.{writer}"
        part.parent.mkdir(parents=True, exist_ok=True)
        return part

    def _parts(self, owner: str) -> Iterator[Path]:
        return (self.folder / "parts").glob(f"{owner}.*")


def unpacked(blob: Path) -> Iterator[bytes]:
    """The content of a blob, piece by piece.

    Raises:
        OSError: it is not there, or damaged.
    """
    try:
        with gzip.open(blob) as packed:
            while chunk := packed.read(CHUNK):
                yield chunk
    except EOFError as error:
        raise gzip.BadGzipFile(f"cut short: {blob}") from error


def digest_of(content: Iterable[bytes]) -> str:
    """The SHA-256 of ``content``, in hexadecimal."""
    digest = hashlib.sha256()
    for chunk in content:
        digest.update(chunk)
    return digest.hexdigest()


def _share(blob: Path) -> bool:
    """Link ``blob`` to what another owner keeps, if there is one and it stays long enough."""
    others: list[Path] = []
    with suppress(FileNotFoundError):
        others = sorted(blob.parent.iterdir())
    for other in others:
        # It may be gone by now, have too many links, or the file system knows none.
        with suppress(OSError):
            os.link(other, blob)
            return True
    return blob.exists()


def _compress(content: Iterable[bytes], part: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with (
        part.open("wb") as raw,
        # Neither name nor time inside: the same content always gives the same bytes.
        gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as packed,
    ):
        for chunk in content:
            digest.update(chunk)
            packed.write(chunk)
    if digest.hexdigest() != expected:
        raise Changed("the file was changed while it was archived")


def _publish(part: Path, blob: Path) -> None:
    with part.open("rb") as written:
        os.fsync(written.fileno())
    while True:
        try:
            blob.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, blob)
            return
        except (FileNotFoundError, FileExistsError):
            # Somebody let go of the last link, and of the folder with it, this very moment: before
            # the move, or before ``mkdir`` had looked whether what is there already is a folder.
            if not part.exists() or blob.parent.is_file():
                raise
