"""Which system calls to strike at, and what a victim must have left behind when it was struck."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from parcae.errors import ParcaeError
from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.crash.contents import Contents, contents
from parcae_specs.crash.recovery import recover
from parcae_specs.crash.script import WAVES, chance
from parcae_specs.crash.victim import Role, Strike

Counts = Mapping[tuple[Role, str], int]
"""How many calls of each name a thread of the undisturbed victim makes."""

FEW = 400
"""Calls. So many idle ones take no time worth mentioning."""


@frozen(order=True)
class Point:
    """The call of that number, name and thread."""

    role: Role
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.role}-{self.call}-{self.number}"


@frozen
class Round:
    """Victims that can share one strace.

    Attributes:
        limits: at which count strace strikes, by the name of the call.
        points: where they are struck.
    """

    limits: Mapping[str, int]
    points: Sequence[Point]

    def strikes(self, tries: int = 1) -> Sequence[Strike]:
        """One for each point."""
        return [
            Strike(
                name=str(one),
                role=one.role,
                call=one.call,
                idle=self.limits[one.call] - one.number,
                tries=tries,
            )
            for one in self.points
        ]

    def inject(self, what: str, times: int = 1) -> Sequence[str]:
        """What strace is to do at the limits, so many times."""
        return [
            f"{call}:{what}:when={limit}..{limit + times - 1}"
            for call, limit in self.limits.items()
        ]


def every(counts: Counts, calls: Sequence[str]) -> Sequence[Point]:
    """All calls of these names."""
    return sorted(
        Point(role, call, number)
        for (role, call), count in counts.items()
        for number in range(1, count + 1)
        if call in calls
    )


def sample(points: Sequence[Point], size: int, seed: int) -> Sequence[Point]:
    """Some points: of every thread and call the first and the last, and others by chance."""
    kinds: dict[tuple[Role, str], list[Point]] = {}
    for one in points:
        kinds.setdefault((one.role, one.call), []).append(one)
    chosen = {end for many in kinds.values() for end in (many[0], many[-1])}
    rest = [one for one in points if one not in chosen]
    more = random.Random(seed).sample(rest, max(0, min(size - len(chosen), len(rest))))
    return sorted((*chosen, *more))[: max(size, 0)]


def rounds(points: Sequence[Point], counts: Counts, width: int) -> Iterator[Round]:
    """Spread points over as few rounds as make few idle calls, ``width`` points at the most each.

    A victim that is to be struck in the thread that writes must not be struck before, in the one
    that opens: so the limit is beyond the calls of that one.
    """
    rare = [one for one in points if _count(counts, one.call) <= FEW]
    if rare:
        names = {one.call for one in rare}
        yield Round({name: _count(counts, name) + 1 for name in names}, rare)
    often = sorted(set(points) - set(rare))
    for role, call in sorted({(one.role, one.call) for one in often}):
        mine = [one for one in often if (one.role, one.call) == (role, call)]
        least = counts.get(("opening", call), 0) + 1
        for start in range(0, len(mine), width):
            chunk = mine[start : start + width]
            yield Round({call: max(least, chunk[-1].number)}, chunk)


def _count(counts: Counts, call: str) -> int:
    return max(count for (_, name), count in counts.items() if name == call)


@frozen
class Answers:
    """What a victim was told before it was struck.

    Attributes:
        last: the number of the last call that was answered; 0: none was.
        ended: it came to the end of the script.
        error: what it died of, where it was not killed.
    """

    last: int
    ended: bool
    error: str


def answers(folder: Path) -> Answers:
    """What the victim in ``folder`` left."""
    path, died = folder / "answers", folder / "error"
    said = path.read_text().split() if path.exists() else []
    last = max((int(one) for one in said if one != "end"), default=0)
    return Answers(last, "end" in said, died.read_text() if died.exists() else "")


def _begun(last: int) -> int:
    """How many calls may have been made when ``last`` was the last to be answered."""
    done = 0
    for wave in WAVES:
        if done > last:
            break
        done += len(wave.calls)
    return done


JOB = re.compile(r"\bjob\d+\b")
LANE = re.compile(r"lane=Lane\(queue='([^']*)'")
ORDER = re.compile(r"^\d+ |\bplace=\d+")


def alike(one: Contents, other: Contents) -> bool:
    """Whether two stores hold the same, but for the order of what came at once.

    A call that fails is repeated after others of its wave, which did not: that is lawful, and no
    store promises an order of what nobody waited for.
    """
    return one == other or _unordered(one) == _unordered(other)


def _unordered(found: Contents) -> Sequence[str]:
    names, counts = dict[str, str](), Counter[str]()
    for line in found:
        job, lane = JOB.search(line), LANE.search(line)
        if "Submitted(" in line and job is not None and lane is not None:
            counts[lane.group(1)] += 1
            names[job.group()] = f"{lane.group(1)} {counts[lane.group(1)]}"
    told = (JOB.sub(lambda job: names.get(job.group(), job.group()), line) for line in found)
    return sorted(ORDER.sub("", line) for line in told)


async def examine(folder: Path, versions: Sequence[Contents], *, whole: bool) -> Sequence[str]:
    """What is wrong with the store of a victim, one sentence each; ``whole``: it should be ready.

    S27: everything that was answered is there. S23: whatever else is there is a whole number of
    the calls that had begun. Nothing owed is lost: it all comes to its end.
    """
    told, clock = answers(folder), ManualClock(WAVES[-1].at)
    try:
        store = SqliteStore(folder / "db", clock=clock, entropy=chance(), durability="normal")
    except ParcaeError as error:
        return [f"the store cannot be opened: {error}"]
    try:
        found = await contents(store)
        least, most = told.last, len(versions) - 1 if whole else _begun(told.last)
        least = most if whole else least
        held = [index for index, one in enumerate(versions) if one == found]
        if whole and not held and alike(versions[-1], found):
            held = [most]
        wrong = [] if held else ["S23: it holds what the store never held between two calls"]
        if held and not least <= held[-1]:
            wrong.append(f"S27: {least} calls were answered, it holds {held[-1]}")
        if held and held[0] > most:
            wrong.append(f"S23: {most} calls had begun, it holds {held[0]}")
        return [*wrong, *await recover(store, clock)]
    except ParcaeError as error:
        return [f"the store cannot be read: {error}"]
    finally:
        await store.close()
