"""Everything that a store says it holds, as text that two stores can be compared by."""

from __future__ import annotations

import re

from parcae.change import AnyEvent
from parcae.ports import Query, Recorded, Store
from parcae.values import Position

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
SEED = re.compile(r"\bseed=\d+")

Contents = tuple[str, ...]
"""One line an event, in the log's order, then one a job, with its blobs."""


async def events(store: Store) -> list[Recorded[AnyEvent]]:
    """The whole log."""
    found: list[Recorded[AnyEvent]] = []
    while page := await store.log(after=found[-1].position if found else Position(0)):
        found.extend(page)
    return found


async def contents(store: Store) -> Contents:
    """What ``store`` holds. Jobs are numbered as they appear, for chance has named them."""
    lines = [
        f"{one.position} {one.stream} {one.version} {one.event}" for one in await events(store)
    ]
    jobs, cursor = [], ""
    while True:
        page = await store.find(Query(limit=500, cursor=cursor))
        for stored in page.jobs:
            names = ["payload", *(f"result/{phase.name}" for phase in stored.job.spec.phases)]
            late = [f"late/{token}" for token in range(1, stored.job.token + 1)]
            jobs.append(f"{stored} {await store.blobs(stored.job.id, [*names, *late])}")
        cursor = page.cursor
        if not cursor:
            break
    # Newest first: the oldest job was admitted first, in both of two stores.
    return _anonymous((*lines, *reversed(jobs)))


def _anonymous(lines: Contents) -> Contents:
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found.group(), f"job{len(numbers) + 1}")

    return tuple(SEED.sub("seed=?", ID.sub(number, line)) for line in lines)
