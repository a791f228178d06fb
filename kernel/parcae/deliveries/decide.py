"""Command, delivery → events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from parcae.deliveries.commands import (
    DeleteDelivery,
    DeliveryCommand,
    Release,
    Replay,
    Report,
    Start,
)
from parcae.deliveries.events import (
    Delivered,
    DeliveryDeleted,
    DeliveryDied,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryLost,
    DeliveryReleased,
    DeliveryReplayed,
    DeliveryStarted,
    Died,
    LateAttemptRecorded,
)
from parcae.deliveries.policy import RELEASES, TRIES, is_success, next_try
from parcae.deliveries.state import Dead, Delivery, Done, Sending, Waiting
from parcae.errors import Reason, Rejected
from parcae.values import Instant, Token


def decide(found: Delivery, command: DeliveryCommand, now: Instant) -> tuple[DeliveryEvent, ...]:
    """What ``command`` brings about; empty: it is so already, or the very command was obeyed.

    Raises:
        Rejected: the command is not lawful; nothing changes.
    """
    return tuple(_decide(found, command, now))


def _decide(found: Delivery, command: DeliveryCommand, now: Instant) -> Iterator[DeliveryEvent]:
    match command:
        case Start():
            yield from _start(found, command, now)
        case Report():
            yield from _report(found, command, now)
        case Release():
            yield from _release(found, command, now)
        case Replay():
            if found.held(now):
                raise _rejected(found, command, Reason.HELD, "it is being sent")
            yield from _lost(found, now)
            yield DeliveryReplayed(at=now, by=command.by)
        case DeleteDelivery():
            yield _deleted(found, command, now)
        case _:
            assert_never(command)


def _start(found: Delivery, command: Start, now: Instant) -> Iterator[DeliveryEvent]:
    state = found.state
    if isinstance(state, Sending) and now < state.until:
        if (state.worker, state.request) == (command.worker, command.request):
            return
        raise _rejected(found, command, Reason.HELD, "it is being sent")
    if not found.open:
        raise _rejected(found, command, Reason.UNLAWFUL, "it has ended")
    if isinstance(state, Waiting) and now < state.at:
        raise _rejected(found, command, Reason.NOT_DUE, f"it is to be sent at {state.at}")
    lost = tuple(_lost(found, now))
    yield from lost
    if lost and found.tries + 1 >= TRIES:
        yield DeliveryDied(at=now, cause=Died.EXHAUSTED)
        return
    yield DeliveryStarted(
        at=now,
        token=Token(found.token + 1),
        worker=command.worker,
        request=command.request,
        until=now + command.lease,
    )


def _lost(found: Delivery, now: Instant) -> Iterator[DeliveryEvent]:
    """Its sender has had its time: whether it was sent is unknown, so it is sent again."""
    state = found.state
    if isinstance(state, Sending) and state.until <= now:
        yield DeliveryLost(at=now, token=state.token)


def _report(found: Delivery, command: Report, now: Instant) -> Iterator[DeliveryEvent]:
    token, attempt = command.token, command.attempt
    if not _holds(found, command, token):
        # Evidence, once a token: it may have been delivered although nobody was told in time.
        if token not in found.heard:
            yield LateAttemptRecorded(at=now, token=token, attempt=attempt)
        return
    tries = found.tries + 1
    if is_success(attempt):
        yield Delivered(at=now, token=token, attempt=attempt)
    elif tries >= TRIES:
        yield DeliveryDied(at=now, cause=Died.EXHAUSTED, token=token, attempt=attempt)
    else:
        retry_at = next_try(now, tries, attempt.retry_after, found.id, found.replays)
        yield DeliveryFailed(at=now, token=token, retry_at=retry_at, attempt=attempt)


def _release(found: Delivery, command: Release, now: Instant) -> Iterator[DeliveryEvent]:
    if not _holds(found, command, command.token):
        return
    burned = found.releases >= RELEASES
    if burned and found.tries + 1 >= TRIES:
        yield DeliveryDied(at=now, cause=Died.EXHAUSTED, token=command.token)
        return
    yield DeliveryReleased(at=now, token=command.token, burned=burned)


def _holds(found: Delivery, command: DeliveryCommand, token: Token) -> bool:
    """Whether ``token`` is current; expired or not: nobody else holds it."""
    if not 1 <= token <= found.token:
        raise _rejected(found, command, Reason.UNKNOWN_TOKEN, f"nobody was given token {token}")
    return isinstance(found.state, Sending) and found.state.token == token


def _deleted(found: Delivery, command: DeleteDelivery, now: Instant) -> DeliveryEvent:
    state = found.state
    if not isinstance(state, Done | Dead):
        raise _rejected(found, command, Reason.UNLAWFUL, "it has not ended")
    if now < state.at + command.retention:
        raise _rejected(found, command, Reason.RETAINED, "it ended too short a while ago")
    return DeliveryDeleted(at=now)


def given_up(found: Delivery, now: Instant) -> tuple[DeliveryEvent, ...]:
    """What becomes of one whose subscription is removed; whoever is sending it may finish."""
    if not found.open or found.held(now):
        return ()
    return (*_lost(found, now), DeliveryDied(at=now, cause=Died.UNSUBSCRIBED))


def _rejected(found: Delivery, command: DeliveryCommand, reason: Reason, why: str) -> Rejected:
    message = f"{found.id}: {why}"
    return Rejected(reason, message, command=type(command).__name__)
