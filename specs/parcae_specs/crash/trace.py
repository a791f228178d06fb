"""What a victim did to its disk, call by call, as strace saw it from outside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from parcae_specs.crash.strace import READS, WRITES
from parcae_specs.crash.victim import Role


@frozen
class Create:
    """A file that was not there before."""

    path: str


@frozen
class Write:
    """Bytes, from an offset on."""

    path: str
    offset: int
    data: bytes


@frozen
class Truncate:
    """The file now ends there."""

    path: str
    size: int


@frozen
class Unlink:
    """The name is gone."""

    path: str


@frozen
class Sync:
    """Whatever was done to the file, or to the names in the folder, is on the disk."""

    path: str


@frozen
class Said:
    """The client has heard the answer to this call."""

    number: int


Operation = Create | Write | Truncate | Unlink | Sync | Said

_PATH, _HEX = r"<((?:\\x..)+)(?:\([^)]*\))?>", r"\"((?:\\x..)*)\""
_WRITE = re.compile(rf"pwrite64\(\d+{_PATH}, {_HEX}, \d+, (\d+)\) += \d")
_SYNC = re.compile(rf"f(?:data)?sync\(\d+{_PATH}\) += 0")
_TRUNCATE = re.compile(rf"ftruncate\(\d+{_PATH}, (\d+)\) += 0")
_UNLINK = re.compile(rf"unlink(?:at)?\((?:AT_FDCWD[^,]*, )?{_HEX}[^)]*\) += 0")
_OPEN = re.compile(rf"openat\([^,]*, {_HEX}, [A-Z_|]*O_CREAT[^)]*\) += \d")
_SAID = re.compile(rf"write\(\d+{_PATH}, {_HEX}, \d+\) += \d")


def operations(trace: Path, folder: Path) -> Sequence[Operation]:
    """What was done to the files of ``folder``, in order, and what was said meanwhile."""
    there: set[str] = set()
    found: list[Operation] = []
    for operation in _operations(_lines(trace), str(folder)):
        if isinstance(operation, Create):
            if operation.path in there:
                continue
            there.add(operation.path)
        elif isinstance(operation, Unlink):
            there.discard(operation.path)
        found.append(operation)
    return found


def counts(trace: Path) -> Mapping[tuple[Role, str], int]:
    """How many calls of each name the opening thread made, and how many the writing one."""
    calls: Counter[tuple[int, str]] = Counter()
    opener = 0
    for thread, line in _lines(trace):
        name = line.split("(", 1)[0]
        if name in (*WRITES, *READS):
            calls[thread, name] += 1
        elif isinstance(_operation(line), Said):
            # The thread that opened the store is the one that hears the answers.
            opener = thread
    others = {thread for thread, _ in calls} - {opener}
    writer = max(others, key=lambda one: calls[one, "pwrite64"])
    roles: dict[int, Role] = {opener: "opening", writer: "writing"}
    return {(roles[t], name): count for (t, name), count in calls.items() if t in roles}


def _operations(lines: Iterable[tuple[int, str]], folder: str) -> Iterator[Operation]:
    for _, line in lines:
        operation = _operation(line)
        if isinstance(operation, Said) or (operation and operation.path.startswith(folder)):
            yield operation


def _operation(line: str) -> Operation | None:
    if found := _WRITE.match(line):
        return Write(_text(found[1]), int(found[3]), _bytes(found[2]))
    if found := _SYNC.match(line):
        return Sync(_text(found[1]))
    if found := _TRUNCATE.match(line):
        return Truncate(_text(found[1]), int(found[2]))
    if found := _UNLINK.match(line):
        return Unlink(_text(found[1]))
    if found := _OPEN.match(line):
        return Create(_text(found[1]))
    found = _SAID.match(line)
    if found and _text(found[1]).endswith("/answers") and _bytes(found[2]) != b"end\n":
        return Said(int(_bytes(found[2])))
    return None


def _lines(trace: Path) -> Iterator[tuple[int, str]]:
    """Each call in one line, where it ended, with its thread."""
    begun: dict[int, str] = {}
    with trace.open() as file:
        for line in file:
            thread, call = line.split(None, 1)
            if call.endswith("<unfinished ...>\n"):
                begun[int(thread)] = call[: -len(" <unfinished ...>\n")]
                continue
            if call.startswith("<..."):
                call = begun.pop(int(thread)) + call.split(" resumed>", 1)[1]
            yield int(thread), call


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _text(escaped: str) -> str:
    return _bytes(escaped).decode()
