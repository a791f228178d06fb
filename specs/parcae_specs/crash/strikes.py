"""Death and failure at system calls: run it at many points, and examine what is left."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from parcae_specs.crash import strace, trace
from parcae_specs.crash.contents import Contents
from parcae_specs.crash.points import Counts, Point, answers, examine, rounds
from parcae_specs.crash.victim import Strike

KILL = "signal=SIGKILL"
TRIES = 30
"""How often the client of a victim with a failing disk makes a call, at the most."""
WIDTH = 16
"""Points in one round, of a call that is made often."""


@frozen
class Struck:
    """What came of striking.

    Attributes:
        points: how many there were.
        by_call: how many victims were in fact struck, by the name of the call.
        missed: those that came to their end, for the call was not made this time.
        wrong: what was wrong, one sentence each.
    """

    points: int = 0
    by_call: Mapping[str, int] = field(factory=dict)
    missed: int = 0
    wrong: Sequence[str] = ()


def undisturbed(folder: Path) -> Counts:
    """How many calls a victim makes that nobody strikes."""
    path = strace.record(folder, Strike(name="undisturbed"))
    counts = trace.counts(path)
    path.unlink()
    shutil.rmtree(folder / "undisturbed")
    return counts


def kill(
    folder: Path, points: Sequence[Point], counts: Counts, versions: Sequence[Contents]
) -> Struck:
    """Kill a victim at each point, just before the call; S23 and S27 hold for what is left."""

    def judge(mine: Path) -> Sequence[str]:
        told = answers(mine)
        if told.error:
            return [f"it died of itself: {told.error}"]
        return asyncio.run(examine(mine, versions, whole=told.ended))

    return _strike(folder, points, counts, judge, KILL)


def fail(
    folder: Path,
    points: Sequence[Point],
    counts: Counts,
    versions: Sequence[Contents],
    error: str,
    times: int = 1,
) -> Struck:
    """Fail the call at each point, and those of its name that follow, so many in all.

    Whoever repeats what was not answered gets all of it done.
    """

    def judge(mine: Path) -> Sequence[str]:
        told = answers(mine)
        if told.error or not told.ended:
            return [f"it gave up: {told.error or 'without a word'}"]
        return asyncio.run(examine(mine, versions, whole=True))

    return _strike(folder, points, counts, judge, f"error={error}", TRIES, times)


def _strike(
    folder: Path,
    points: Sequence[Point],
    counts: Counts,
    judge: Callable[[Path], Sequence[str]],
    what: str,
    tries: int = 1,
    times: int = 1,
) -> Struck:
    struck: Counter[str] = Counter()
    missed, wrong = 0, list[str]()
    for one in rounds(points, counts, WIDTH):
        strace.run(folder, one.strikes(tries), inject=one.inject(what, times))
        for point in one.points:
            mine = folder / str(point)
            if what == KILL and answers(mine).ended:
                missed += 1
            else:
                struck[point.call] += 1
            wrong += [f"{what} at {point}: {why}" for why in judge(mine)]
            shutil.rmtree(mine)
    return Struck(len(points), struck, missed, wrong)
