"""The actions of the stress: fast and slow, each with its own limit."""

from __future__ import annotations

import random
import sys
import time

from parcae import Context, Jobs, OnLost, Retry, Timing, seconds
from parcae.values import Lane
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.worker import run_worker

QUEUE = "actions"
LIMITS = {"solo": 1, "pair": 2, "crowd": 5}
"""How many executions of an action may be under way at once."""

PACE = {"solo": 0.004, "pair": 0.02, "crowd": 0.05}
"""Seconds that a handler takes, on average."""

TIMING = Timing(lease=seconds(1.5), renewal=seconds(0.4), attempt=seconds(20))
jobs = Jobs()


@jobs.job(
    "act",
    queue=QUEUE,
    timing=TIMING,
    retry=Retry(max_attempts=20, backoff=seconds(0.01), jitter=0, max_releases=100),
    on_lost=OnLost(times=15),
)
def act(ctx: Context, action: str, number: int) -> int:
    """Takes its time; every twentieth fails once."""
    time.sleep(random.expovariate(1 / PACE[action]))
    if number % 20 == 7 and ctx.attempt == 1:
        raise OSError("fails once")
    return number


def lanes() -> dict[Lane, int]:
    """The limit of each lane."""
    return {Lane(queue=QUEUE, key=action): limit for action, limit in LIMITS.items()}


if __name__ == "__main__":
    run_worker(
        lambda: SqliteStore(sys.argv[1]),
        jobs,
        concurrency=6,
        drain=seconds(5),
        reconcile_every=seconds(0.1),
    )
