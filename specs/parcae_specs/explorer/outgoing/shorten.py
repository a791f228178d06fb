"""The shortest name of a world: what no rule looks at is left out, and it is always now."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve as replace

from parcae import deliveries as d
from parcae.seal import Seal
from parcae.subscriptions import Subscription
from parcae.values import Instant, Version
from parcae_adapters.clock import EPOCH
from parcae_specs.explorer.outgoing.world import Ghost, Row, World

NOW = EPOCH + timedelta(days=1_000)
"""What every world calls its present."""
NEVER = EPOCH


def shifted(world: World, by: timedelta, kept: timedelta) -> World:
    """The same world ``by`` later, or earlier, where it is now again."""
    return world._replace(
        rows=tuple(_row(row, by, kept) for row in world.rows),
        subscription=_subscription(world.subscription),
        seal=Seal(since=NOW if world.seal.closed else None),
    )


def _row(row: Row, by: timedelta, kept: timedelta) -> Row:
    return replace(
        row,
        delivery=_delivery(row.delivery, by, kept),
        remind=_ahead(row.remind, by),
        ghost=_ghost(row.ghost, by, kept),
    )


def _ahead(at: Instant | None, by: timedelta) -> Instant | None:
    """How long it has been due already does not matter."""
    return None if at is None else max(at - by, NOW)


def _ended(at: Instant, by: timedelta, kept: timedelta) -> Instant:
    """Nor for how long it may be deleted."""
    return max(at - by, NOW - kept)


def _ghost(ghost: Ghost, by: timedelta, kept: timedelta) -> Ghost:
    ended = None if ghost.ended_at is None else _ended(ghost.ended_at, by, kept)
    return replace(ghost, until=_ahead(ghost.until, by), ended_at=ended)


def _delivery(one: d.Delivery, by: timedelta, kept: timedelta) -> d.Delivery:
    state = one.state
    match state:
        case d.Waiting():
            state = d.Waiting(at=max(state.at - by, NOW))
        case d.Sending():
            state = replace(state, since=NOW, until=max(state.until - by, NOW))
        case d.Done() | d.Dead():
            state = replace(state, at=_ended(state.at, by, kept))
    return replace(one, state=state, version=Version(1), owed_at=NOW, last=None)


def _subscription(one: Subscription) -> Subscription:
    off = None if one.disabled_at is None else NOW
    return replace(one, version=Version(1), disabled_at=off)
