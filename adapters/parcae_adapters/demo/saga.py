"""What the demo runs: one saga per file, three phases, and the undo of the one that leaves traces.

This is all that an application has to write. Everything else in this package is theatre.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from parcae import Context, Jobs, OnLost, Retry, Timing, minutes, seconds
from parcae_adapters.demo.archive import Archive, digest_of, unpacked
from parcae_adapters.demo.files import chunks, from_text, name_of
from parcae_adapters.demo.trouble import Trouble, meet


@frozen
class File:
    """The arguments of a job: kept as JSON, checked when it is submitted and when it is run.

    Attributes:
        path: of the file; see :func:`~parcae_adapters.demo.files.to_text`.
        archive: the folder of the archive.
        trouble: what the demo has planned for it.
    """

    path: str
    archive: str
    trouble: Trouble | None = None

    @property
    def owner(self) -> str:
        """The name of this file in the archive."""
        return name_of(from_text(self.path))


@frozen
class Digest:
    """What ``digest`` found out."""

    sha256: str
    size: int


@frozen
class Packed:
    """What ``pack`` left in the archive."""

    blob: str
    size: int


jobs = Jobs()

archive_file = jobs.saga(
    "archive-file",
    File,
    # Short, so that a killed worker is missed soon: a demo should not be waited for.
    timing=Timing(
        lease=seconds(2), renewal=seconds(0.5), attempt=minutes(10), cancel_grace=seconds(20)
    ),
    # Workers die often here, and whoever stood beside the victim must not pay for it.
    on_lost=OnLost(times=8),
    retry=Retry(
        max_attempts=10,
        backoff=seconds(0.1),
        cap=seconds(1),
        give_up_on=("FileNotFoundError", "PermissionError", "NotAFile", "Changed"),
    ),
)


@archive_file.phase
def digest(ctx: Context, file: File) -> Digest:
    """Read the file, and give its content a name."""
    meet(file.trouble, ctx, file.archive)
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for chunk in read(ctx, file):
            size += len(chunk)
            yield chunk

    return Digest(digest_of(counted()), size)


@archive_file.phase
def pack(ctx: Context, file: File) -> Packed:
    """Compress it into the archive, unless the archive has that content already."""
    meet(file.trouble, ctx, file.archive)
    found: Digest = ctx.result(digest)
    archive = Archive(Path(file.archive))
    blob = archive.keep(found.sha256, file.owner, read(ctx, file), writer=ctx.token)
    return Packed(str(blob.relative_to(file.archive)), blob.stat().st_size)


@pack.undo(unknown=True)
def unpack(ctx: Context, file: File, packed: Packed | None) -> None:  # noqa: ARG001 - may be unknown
    """Let go of it: the blob goes too, unless another file shares it.

    ``unknown=True``: it can also undo a ``pack`` of which nobody knows how far it got, because a
    worker died in it. Then there is no result, but what it would have left behind is known.
    """
    found: Digest = ctx.result(digest)
    Archive(Path(file.archive)).let_go(found.sha256, file.owner)


@archive_file.phase
def verify(ctx: Context, file: File) -> str:
    """Unpack it again, and compare."""
    meet(file.trouble, ctx, file.archive)
    found: Digest = ctx.result(digest)
    packed: Packed = ctx.result(pack)
    unpacked_digest = digest_of(unpacked(Path(file.archive) / packed.blob))
    if unpacked_digest != found.sha256:
        raise ValueError(f"expected the SHA-256 {found.sha256}, unpacked {unpacked_digest}")
    return found.sha256


def read(ctx: Context, file: File) -> Iterator[bytes]:
    """The file's content; stops as soon as it is asked to, and says how far it is."""
    done = 0
    for chunk in chunks(from_text(file.path)):
        ctx.check_cancelled()
        done += len(chunk)
        ctx.progress(done, note="bytes")
        yield chunk
