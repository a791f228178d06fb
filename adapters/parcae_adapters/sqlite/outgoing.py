"""From a selection of deliveries to what a rule is shown of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parcae.deliveries import Delivery
from parcae.outbox import BODY, sendable
from parcae.ports import Deliverable, Spent
from parcae.values import Instant, JobId, StreamId
from parcae_adapters.sqlite import statements as sql
from parcae_adapters.sqlite.rows import exact
from parcae_adapters.sqlite.tables import Tables

Parts = dict[str, Any]


def deliverable(tables: Tables, wanted: Deliverable, now: Instant) -> Parts:
    """What this very request holds already; if that is nothing, what is due."""
    tables.flush()
    names = tables.query(sql.SENDER, (wanted.worker, wanted.request))
    if not names:
        subscriptions, seal = tables.listening()
        due: list[tuple[int, JobId]] = []
        for name in sendable(subscriptions, seal):
            room = wanted.room.get(name, wanted.each)
            if room:
                due += tables.connection.execute(sql.OUTGOING, (name, exact(now), room))
        names = [name for _, name in sorted(due)[: wanted.limit]]
    found = _loaded(tables, map(StreamId, names))
    found = {**found, **_behind(tables, found.values(), itself=True)}
    # Who is sent may be the head in place of the one that was found: both have their bodies.
    blobs = tables.blobs(map(JobId, found))
    return {
        "deliveries": found,
        "blobs": {key: data for key, data in blobs.items() if key[1] == BODY},
    }


def named(tables: Tables, names: Iterable[StreamId]) -> dict[StreamId, Delivery]:
    """These, and of ordered subscriptions who is open behind them."""
    found = _loaded(tables, names)
    return {**found, **_behind(tables, found.values(), itself=False)}


def spent(tables: Tables, wanted: Spent) -> Parts:
    """Those that ended before."""
    before = (exact(wanted.delivered_before), exact(wanted.dead_before))
    names = tables.query(sql.SPENT, (*before, wanted.limit))
    return {"deliveries": _loaded(tables, map(StreamId, names))}


def _loaded(tables: Tables, names: Iterable[StreamId]) -> dict[StreamId, Delivery]:
    found = ((name, tables.aggregate(name)) for name in names)
    return {name: one for name, one in found if isinstance(one, Delivery)}


def _behind(
    tables: Tables, deliveries: Iterable[Delivery], *, itself: bool
) -> dict[StreamId, Delivery]:
    """Of ordered subscriptions the first open one of the same subject."""
    subscriptions, _ = tables.listening()
    names: dict[StreamId, None] = {}
    for one in deliveries:
        to = subscriptions.get(one.subscription)
        if to is None or not to.ordered:
            continue
        lane = (one.subscription, one.subject, "" if itself else one.id)
        names.update((StreamId(name), None) for name in tables.query(sql.HEAD, lane))
    return _loaded(tables, names)
