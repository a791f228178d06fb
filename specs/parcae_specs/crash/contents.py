"""Everything that a store says it holds, as text that two stores can be compared by."""

from __future__ import annotations

import re

from attrs import evolve as replace

from parcae.change import AnyEvent
from parcae.deliveries import Delivery
from parcae.outbox import BODY
from parcae.ports import DeliveryQuery, Named, Query, Recorded, Store
from parcae.values import JobId, Position

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
SEED = re.compile(r"\bseed=\d+")
DIGEST = re.compile(r"(Blob\(name='body', size=\d+, digest=)'\w+'")

Contents = tuple[str, ...]
"""One line an event, in the log's order, then one a job, with its blobs, then what is owed."""


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
    return _anonymous((*lines, *reversed(jobs), *await _outgoing(store)))


async def deliveries(store: Store) -> list[Delivery]:
    """All that are owed or were, in the order of the jobs, and of their events."""
    found: list[Delivery] = []
    query = DeliveryQuery(limit=1_000)
    while True:
        page = await store.deliveries(query)
        found += page.deliveries
        if not page.cursor:
            return sorted(found, key=lambda one: (one.subject, one.number))
        query = replace(query, cursor=page.cursor)


async def _outgoing(store: Store) -> Contents:
    """Who is told, what is owed to them, with its body, and the seal."""
    view = await store.look(Named())
    owed = [
        f"{one} {await store.blobs(JobId(one.id), (BODY,))!r}" for one in await deliveries(store)
    ]
    return (*(f"{one}" for one in view.subscriptions.values()), *owed, f"{view.seal}")


def _anonymous(lines: Contents) -> Contents:
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found.group(), f"job{len(numbers) + 1}")

    # The body of a delivery tells the job's name, so that its digest is by chance, too.
    named = (DIGEST.sub(r"\1?", SEED.sub("seed=?", line)) for line in lines)
    return tuple(ID.sub(number, line) for line in named)
