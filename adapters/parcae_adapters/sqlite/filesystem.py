"""Whether a folder lies on this machine: SQLite's locks do not reach across a network."""

from __future__ import annotations

import os
from pathlib import Path

NETWORK = frozenset(
    {
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fuse.ceph",
        "fuse.davfs2",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb2",
        "smb3",
        "smbfs",
    }
)
"""The names, in a table of mounts, of file systems that several machines can share.

Not ``9p``: sandboxes and virtual machines show their own local disks under that name.
"""

MOUNTS = Path("/proc/self/mounts")


def network_filesystem(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The network file system that ``folder`` lies on; ``None``: none, or nobody can tell.

    Args:
        folder: an absolute path without symbolic links.
        mounts: the table of mounts, in the format of Linux; elsewhere there is none to read.
    """
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return None
    where = os.fsencode(folder)
    longest, found = b"", b""
    for line in lines:
        fields = line.split(b" ")
        point = _unescaped(fields[1]) if len(fields) >= 3 else b""
        # Where several are mounted on one point, the last one is what is seen.
        if point and _holds(point, where) and len(point) >= len(longest):
            longest, found = point, fields[2]
    kind = found.decode("ascii", "replace")
    return kind if kind in NETWORK else None


def _holds(point: bytes, where: bytes) -> bool:
    return point == b"/" or where == point or where.startswith(point + b"/")


def _unescaped(field: bytes) -> bytes:
    """The kernel writes a blank as ``\\040``, and so on."""
    for escaped, plain in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n")):
        field = field.replace(escaped, plain)
    return field.replace(b"\\134", b"\\")
