"""The observer: every event against the guarantees, knowing nothing of what the kernel keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve as replace

from parcae import deliveries as d
from parcae.values import Instant
from parcae_specs.explorer.outgoing.world import Ghost, Row, World
from parcae_specs.explorer.watch import Violation


class Broken(Exception):
    """A guarantee does not hold."""

    def __init__(self, guarantee: str, message: str) -> None:
        super().__init__(message)
        self.violation = Violation(guarantee, message)


def require(condition: bool, guarantee: str, message: str) -> None:
    """A guarantee that has to hold here.

    Raises:
        Broken: it does not.
    """
    if not condition:
        raise Broken(guarantee, message)


def watch(row: Row, events: Sequence[d.DeliveryEvent], world: World, now: Instant) -> Ghost:
    """What is known of a delivery after ``events``.

    Raises:
        Broken: one of them must not have happened.
    """
    ghost = row.ghost
    for event in events:
        match event:
            case d.DeliveryStarted():
                ghost = _started(ghost, event, row, world, now)
            case d.Delivered() | d.DeliveryFailed() | d.DeliveryReleased() | d.DeliveryLost():
                ghost = _settled(ghost, event, now)
            case d.DeliveryDied():
                ghost = _died(ghost, event, now)
            case d.DeliveryReplayed():
                held = ghost.until is not None and now < ghost.until
                require(not held, "S3", "it is replayed beside its sender")
                ghost = replace(ghost, over=False, ended_at=None, burned=0, until=None)
            case d.LateAttemptRecorded():
                require(event.token not in ghost.heard, "S25", "heard twice under one token")
                ghost = replace(ghost, heard=ghost.heard | {event.token})
            case _:
                pass
    return ghost


def _started(ghost: Ghost, event: d.DeliveryStarted, row: Row, world: World, now: Instant) -> Ghost:
    held = ghost.until is not None and now < ghost.until
    require(not held, "S3", "given to a second sender while the first may be sending it")
    require(event.token > ghost.token, "S3", "a token is given again")
    require(not ghost.over, "S15", "begun after it was recorded as over, and nobody replayed it")
    require(not world.seal.closed, "S15", "begun after the seal")
    require(ghost.burned < d.TRIES, "S19", f"begun after {d.TRIES} tries")
    require(world.subscription.disabled_at is None, "S15", "begun although nothing is to be sent")
    require(not world.subscription.removed, "S15", "begun for a subscription that is removed")
    same = ghost.life == world.subscription.life
    require(same, "S15", "begun for another subscription of the same name")
    ours = row.delivery
    if world.subscription.ordered:
        front = [
            one.delivery.number
            for one in world.rows
            if not one.ghost.over and one.delivery.subject == ours.subject
        ]
        require(ours.number == min(front), "S15", "begun before what happened before it")
    return replace(ghost, token=event.token, until=event.until)


def _settled(
    ghost: Ghost,
    event: d.Delivered | d.DeliveryFailed | d.DeliveryReleased | d.DeliveryLost,
    now: Instant,
) -> Ghost:
    require(event.token == ghost.token, "S4", "a sender counts that holds it no more")
    require(ghost.until is not None, "S4", "a lease is settled twice")
    if isinstance(event, d.DeliveryLost):
        over = ghost.until is not None and ghost.until <= now
        require(over, "S3", "a lease is taken for lost that is not over")
        return replace(ghost, until=None, burned=ghost.burned + 1)
    ghost = replace(ghost, until=None, heard=ghost.heard | {event.token})
    if isinstance(event, d.Delivered):
        return replace(ghost, over=True, ended_at=now)
    if isinstance(event, d.DeliveryFailed):
        require(event.retry_at > now, "S19", "tried again without a wait")
    burns = not isinstance(event, d.DeliveryReleased) or event.burned
    ghost = replace(ghost, burned=ghost.burned + int(burns))
    require(ghost.burned < d.TRIES, "S19", f"to be tried again after {d.TRIES} tries")
    return ghost


def _died(ghost: Ghost, event: d.DeliveryDied, now: Instant) -> Ghost:
    held = ghost.until is not None and now < ghost.until
    require(not held or event.token == ghost.token, "S4", "given up beside its sender")
    require(not ghost.over, "S1", "it ends twice")
    heard = ghost.heard if event.token is None else ghost.heard | {event.token}
    return replace(ghost, over=True, ended_at=now, until=None, heard=heard)


def gone(row: Row, now: Instant, kept: timedelta) -> None:
    """A delivery is deleted.

    Raises:
        Broken: it should be there.
    """
    ended = row.ghost.ended_at
    require(row.ghost.over and ended is not None, "S22", "deleted before it has ended")
    assert ended is not None
    require(ended + kept <= now, "S22", "deleted before its retention is over")
