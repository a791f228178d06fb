"""Power loss: a recording is cut off anywhere, and what a disk may be left with is opened again."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from parcae.errors import ParcaeError
from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.crash import strace, trace
from parcae_specs.crash.contents import Contents, contents
from parcae_specs.crash.disk import Disk
from parcae_specs.crash.recovery import recover
from parcae_specs.crash.script import WAVES, chance
from parcae_specs.crash.victim import Durability, Strike

SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""Of what was not synced: how much survives."""
THOROUGH = 25
"""Every so many images all that is left is brought to its end, too."""


@frozen
class Losses:
    """What the images of one durability came to.

    Attributes:
        images: how many.
        lost: how many of them lack how many of the calls that were answered.
        corrupt: how many cannot be opened or read, or hold what the store never held.
        wrong: what was wrong with them, one sentence each.
    """

    images: int = 0
    lost: Mapping[int, int] = field(factory=dict)
    corrupt: int = 0
    wrong: Sequence[str] = ()

    @property
    def losing(self) -> int:
        """How many images lack anything that was answered."""
        return sum(count for lost, count in self.lost.items() if lost)


def record(folder: Path, durability: Durability) -> Sequence[trace.Operation]:
    """Play the script, and what it does to the disk."""
    strike = Strike(name=durability, durability=durability)
    traced = strace.record(folder, strike)
    found = trace.operations(traced, folder / durability)
    traced.unlink()
    return found


async def lose(
    folder: Path,
    durability: Durability,
    versions: Sequence[Contents],
    *,
    images: int,
    seed: int,
) -> Losses:
    """Cut a recording off at ``images`` places, and open what is left with the real store."""
    random_ = random.Random(seed)
    recording, disk = record(folder, durability), Disk(folder / durability)
    cuts = Counter(random_.choices(range(len(recording)), k=images))
    known = {content: index for index, content in enumerate(versions)}
    lost: Counter[int] = Counter()
    wrong: list[str] = []
    number = 0
    for index, operation in enumerate(recording):
        disk.do(operation)
        for _ in range(cuts[index]):
            share, number = SHARES[number % len(SHARES)], number + 1
            image = folder / "image"
            image.mkdir()
            disk.crash(image, random_, share)
            try:
                held, why = await _opened(image, known, thorough=number % THOROUGH == 0)
            finally:
                shutil.rmtree(image)
            if held is None:
                wrong.append(f"{durability}, cut after operation {index}, {share:.0%} left: {why}")
            else:
                lost[max(0, disk.said - held)] += 1
    return Losses(images, lost, len(wrong), wrong)


async def _opened(
    image: Path, known: Mapping[Contents, int], *, thorough: bool
) -> tuple[int | None, str]:
    """How many of the script's calls the image holds; ``None``: it is damaged, and how."""
    clock = ManualClock(WAVES[-1].at)
    try:
        store = SqliteStore(image / "db", clock=clock, entropy=chance(), durability="normal")
    except ParcaeError as error:
        return None, f"{type(error).__name__} when opened: {error}"
    try:
        found = await contents(store)
        faults = [*await store.audit()]
        if thorough and not faults:
            faults += await recover(store, clock)
    except ParcaeError as error:
        return None, f"{type(error).__name__} when read: {error}"
    finally:
        await store.close()
    if faults:
        return None, faults[0]
    return known.get(found), "it holds what the store never held"
