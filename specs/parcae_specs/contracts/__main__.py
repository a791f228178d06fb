"""More than the tests can wait for: ``python -m parcae_specs.contracts --pairs 1000000``."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from parcae_specs.contracts import interleave, pairs
from parcae_specs.contracts.kit import Kit
from parcae_specs.contracts.reach import LARGER, SMALL, Reached, reachable
from parcae_specs.subject import found
from parcae_specs.worlds import everything


def _enough(wanted: int) -> Iterator[Reached]:
    """States of ever larger jobs, until the commands to put to them are as many as wanted."""
    left, share = wanted, wanted // len(LARGER)
    for admission in SMALL:
        for state in reachable(admission):
            left -= sum(1 for _ in everything(state.stored))
            yield state
    for index, admission in enumerate(LARGER):
        last = index == len(LARGER) - 1
        mine = left if last else min(left, share)
        for state in reachable(admission):
            if mine <= 0:
                break
            number = sum(1 for _ in everything(state.stored))
            mine, left = mine - number, left - number
            yield state


async def _run(kit: Kit, states: list[Reached], interleavings: int) -> None:
    begun = time.monotonic()
    counted = await pairs.run(kit, states)
    took = time.monotonic() - begun
    rate = counted.pairs / took
    print(f"{counted.pairs} pairs of {counted.states} states, {counted.changed} of them changed")
    print(f"{took:.1f} s, {rate:.0f} a second, no disagreement")
    for (command, answer), number in sorted(counted.answers.items()):
        print(f"  {command:17} {answer:28} {number:8}")
    if interleavings:
        begun = time.monotonic()
        number = await interleave.run(kit, states, interleavings)
        print(f"{number} overlaps of two operations in {time.monotonic() - begun:.1f} s")


def main() -> None:
    """Put so many pairs, and so many overlaps, to a store."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.contracts", description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--overlaps", type=int, default=0)
    parser.add_argument("--store", default="parcae_specs.contracts.ours:SQLITE")
    given = parser.parse_args()
    states = list(_enough(given.pairs))
    with tempfile.TemporaryDirectory(prefix="parcae-pairs-") as folder:
        asyncio.run(_run(Kit(found(given.store), Path(folder)), states, given.overlaps))


if __name__ == "__main__":
    main()
