"""A disk that loses its power: what was synced is there; of what was not, any part.

Harsher than most disks are: every write, and every name that was made or removed, may survive
without those before it, and the last of them torn, some of its sectors old and some new.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from attrs import field, frozen

from parcae_specs.crash.trace import Create, Operation, Said, Sync, Truncate, Unlink, Write

SECTOR = 512
"""Bytes that a disk writes wholly or not at all."""

Change = Write | Truncate


@frozen(eq=False)
class File:
    """One file, whatever its name: what is surely on the disk, and what was done to it since."""

    synced: bytearray = field(factory=bytearray)
    pending: list[Change] = field(factory=list)

    def sync(self) -> None:
        """Nothing is pending any more."""
        for change in self.pending:
            _apply(self.synced, change)
        self.pending.clear()

    def torn(self, survivors: Sequence[Change], chance: random.Random | None) -> bytes:
        """What is found if of the pending only these survived, the last one in part."""
        found = bytearray(self.synced)
        for change in survivors[:-1] if chance else survivors:
            _apply(found, change)
        if chance and survivors:
            last = survivors[-1]
            for part in _sectors(last) if isinstance(last, Write) else [last]:
                if chance.random() < 0.5:
                    _apply(found, part)
        return bytes(found)


def _apply(content: bytearray, change: Change) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    end = change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.data


def _sectors(write: Write) -> Sequence[Change]:
    """``write`` in parts that lie in one sector each."""
    parts: list[Change] = []
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        data = write.data[start - write.offset : stop - write.offset]
        parts.append(Write(write.path, start, data))
        start = stop
    return parts


class Disk:
    """What a folder holds, while a recording goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._names: dict[str, File] = {}
        self._synced_names: dict[str, File] = {}
        # Names made (with their file) or removed since the folder was last synced.
        self._renamed: list[tuple[str, File | None]] = []
        self.said = 0

    def do(self, operation: Operation) -> None:
        """The next thing that happened."""
        match operation:
            case Said():
                self.said = max(self.said, operation.number)
            case Sync() if operation.path == self._folder:
                self._synced_names, self._renamed = dict(self._names), []
            case Create():
                self._names[operation.path] = file = File()
                self._renamed.append((operation.path, file))
            case Unlink():
                self._names.pop(operation.path, None)
                self._renamed.append((operation.path, None))
            case Sync():
                if operation.path in self._names:
                    self._names[operation.path].sync()
            case Write() | Truncate():
                if operation.path in self._names:
                    self._names[operation.path].pending.append(operation)

    def crash(self, into: Path, chance: random.Random, share: float) -> None:
        """Write what is left after a power loss: of what was not synced, about this share."""
        names = dict(self._synced_names)
        for path, file in self._renamed:
            if chance.random() < share:
                names.pop(path, None)
                if file is not None:
                    names[path] = file
        for path, file in names.items():
            survivors = [one for one in file.pending if chance.random() < share]
            torn = chance if chance.random() < 0.5 else None
            # The shared memory means nothing after a restart; it is left as it happens to be.
            (into / Path(path).name).write_bytes(file.torn(survivors, torn))
