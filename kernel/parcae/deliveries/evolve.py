"""Delivery, event → delivery."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from attrs import evolve as replace

from parcae.deliveries.events import (
    Delivered,
    DeliveryDeleted,
    DeliveryDied,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryLost,
    DeliveryOwed,
    DeliveryReleased,
    DeliveryReplayed,
    DeliveryStarted,
    LateAttemptRecorded,
)
from parcae.deliveries.state import Dead, Delivery, Done, Sending, Waiting
from parcae.errors import Corrupt
from parcae.values import StreamId, Token, Version


def fold(stream: StreamId, events: Iterable[DeliveryEvent]) -> Delivery | None:
    """The delivery after ``events``; ``None``: there is none, or none any more.

    Raises:
        Corrupt: no run of this kernel can have written this history.
    """
    found: Delivery | None = None
    for event in events:
        found = evolve(stream, found, event)
    return found


def evolve(stream: StreamId, found: Delivery | None, event: DeliveryEvent) -> Delivery | None:
    """The delivery after ``event``; ``None``: it is deleted.

    Raises:
        Corrupt: the event cannot follow this state.
    """
    if isinstance(event, DeliveryOwed):
        return _owed(stream, found, event)
    if found is None:
        raise Corrupt(f"{type(event).__name__} cannot begin a history of a delivery")
    if isinstance(event, DeliveryDeleted):
        _require(not found.open, found, event)
        return None
    return replace(_apply(found, event), version=Version(found.version + 1))


def _owed(stream: StreamId, found: Delivery | None, event: DeliveryOwed) -> Delivery:
    if found is not None:
        raise Corrupt(f"{stream} is owed already")
    return Delivery(
        id=stream,
        version=Version(1),
        subscription=event.subscription,
        subject=event.subject,
        number=event.number,
        event=event.event,
        body=event.body,
        owed_at=event.at,
        life=event.life,
        state=Waiting(at=event.at),
    )


Later = (
    DeliveryStarted
    | Delivered
    | DeliveryFailed
    | DeliveryLost
    | DeliveryReleased
    | DeliveryDied
    | DeliveryReplayed
    | LateAttemptRecorded
)


def _apply(found: Delivery, event: Later) -> Delivery:
    match event:
        case DeliveryStarted():
            return _started(found, event)
        case Delivered() | DeliveryFailed() | DeliveryLost() | DeliveryReleased():
            return _over(found, event)
        case DeliveryDied():
            _require(found.open, found, event)
            if event.token is not None:
                _require_holder(found, event, event.token)
                found = _heard(found, event.token)
            last = found.last if event.attempt is None else event.attempt
            return replace(found, state=Dead(at=event.at, cause=event.cause), last=last)
        case DeliveryReplayed():
            _require(not isinstance(found.state, Sending), found, event)
            again = Waiting(at=event.at)
            return replace(found, state=again, tries=0, releases=0, replays=found.replays + 1)
        case LateAttemptRecorded():
            return _heard(found, event.token)
        case _:
            assert_never(event)


def _started(found: Delivery, event: DeliveryStarted) -> Delivery:
    _require(isinstance(found.state, Waiting), found, event)
    _require(event.token == found.token + 1, found, event)
    sending = Sending(
        token=event.token,
        worker=event.worker,
        request=event.request,
        since=event.at,
        until=event.until,
    )
    return replace(found, state=sending, token=event.token)


def _over(
    found: Delivery, event: Delivered | DeliveryFailed | DeliveryLost | DeliveryReleased
) -> Delivery:
    _require_holder(found, event, event.token)
    match event:
        case Delivered():
            found = _heard(found, event.token)
            return replace(found, state=Done(at=event.at), last=event.attempt)
        case DeliveryFailed():
            found = _heard(found, event.token)
            again, tries = Waiting(at=event.retry_at), found.tries + 1
            return replace(found, state=again, tries=tries, last=event.attempt)
        case DeliveryLost():
            return replace(found, state=Waiting(at=event.at), tries=found.tries + 1)
        case DeliveryReleased():
            found = replace(_heard(found, event.token), state=Waiting(at=event.at))
            return replace(
                found, releases=found.releases + 1, tries=found.tries + int(event.burned)
            )
        case _:
            assert_never(event)


def _heard(found: Delivery, token: Token) -> Delivery:
    return replace(found, heard=(*found.heard, token))


def _require_holder(found: Delivery, event: DeliveryEvent, token: Token) -> None:
    state = found.state
    _require(isinstance(state, Sending) and state.token == token, found, event)


def _require(condition: bool, found: Delivery, event: DeliveryEvent) -> None:
    if not condition:
        state = type(found.state).__name__
        raise Corrupt(f"{type(event).__name__} cannot follow while {found.id} is {state}")
