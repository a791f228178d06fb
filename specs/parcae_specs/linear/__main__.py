"""A long history with many kills: ``python -m parcae_specs.linear --operations 1000000``."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from parcae_specs.linear.check import check
from parcae_specs.linear.record import record
from parcae_specs.subject import found

parser = argparse.ArgumentParser(prog="python -m parcae_specs.linear", description=__doc__)
parser.add_argument("--operations", type=int, default=100_000)
parser.add_argument("--kills", type=int, default=100)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--store", default="parcae_specs.contracts.ours:PATIENT")
given = parser.parse_args()

with tempfile.TemporaryDirectory(prefix="parcae-history-") as name:
    begun = time.monotonic()
    history = asyncio.run(
        record(
            found(given.store),
            Path(name),
            calls=given.operations,
            kills=given.kills,
            seed=given.seed,
        )
    )
    recorded = time.monotonic()
    verdict = check(history)
    checked = time.monotonic()
print(f"{verdict.operations} operations, {given.kills} kills, {verdict.events} events")
print(", ".join(f"{number} {how}" for how, number in sorted(verdict.ended.items())))
print(f"of the unknown ones {verdict.came} had been committed")
print(f"recorded in {recorded - begun:.1f} s, checked in {checked - recorded:.1f} s")
