"""No-op jobs, a hundred at once, against a plain sqlite3 loop that writes the same rows.

Both commit at ``synchronous=FULL`` to the same folder, in turns, so that only their ratio says
anything.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from attrs import frozen

from parcae_adapters.sqlite import SqliteStore
from parcae_specs.bench.load import AT_ONCE, drive, work
from parcae_specs.bench.plain import Plain


@frozen(kw_only=True)
class Ratio:
    """Rounds of both, in turns.

    Attributes:
        ours: jobs a second, by round.
        plain: the same of the plain loop.
    """

    ours: Sequence[float]
    plain: Sequence[float]

    @property
    def rounds(self) -> Sequence[float]:
        """Ours as a share of the plain loop, by round."""
        return [ours / plain for ours, plain in zip(self.ours, self.plain, strict=True)]

    @property
    def median(self) -> float:
        """The middle of them."""
        return statistics.median(self.rounds)


Load = Callable[[SqliteStore, int], Awaitable[float]]


async def ours(path: Path, load: Load, count: int) -> float:
    """Jobs a second of a store in this process, under ``load``."""
    store = SqliteStore(path)
    try:
        await load(store, 2 * AT_ONCE)
        return count / await load(store, count)
    finally:
        await store.close()


def compare(
    folder: Path, *, rounds: int = 5, count: int = 2_000, with_worker: bool = True
) -> tuple[Ratio, Ratio | None]:
    """The use cases alone, and with a worker and its handlers, each as a share of a plain loop.

    Args:
        folder: an empty one, on the disk that is to be measured.
        rounds: how many turns.
        count: jobs in each, a multiple of a hundred.
        with_worker: measure that, too.
    """
    plain = Plain(folder / "sample.db", count)
    driven, worked, theirs = [], [], []
    for turn in range(rounds):
        driven.append(asyncio.run(ours(folder / f"driven-{turn}.db", drive, count)))
        theirs.append(plain.run(folder / f"plain-{turn}.db"))
        if with_worker:
            worked.append(asyncio.run(ours(folder / f"worked-{turn}.db", work, count)))
    alone = Ratio(ours=driven, plain=theirs)
    return alone, Ratio(ours=worked, plain=theirs) if with_worker else None
