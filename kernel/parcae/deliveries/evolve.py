"""Delivery, event → delivery."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

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
    # One copy for each event: what is sent is folded as often as it is looked at.
    return replace(found, version=Version(found.version + 1), **_apply(found, event))


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


Fields = dict[str, Any]
"""What is otherwise after an event."""

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


def _apply(found: Delivery, event: Later) -> Fields:
    match event:
        case DeliveryStarted():
            return _started(found, event)
        case Delivered() | DeliveryFailed() | DeliveryLost() | DeliveryReleased():
            return _over(found, event)
        case DeliveryDied():
            _require(found.open, found, event)
            fields = Fields(state=Dead(at=event.at, cause=event.cause))
            if event.token is not None:
                _require_holder(found, event, event.token)
                fields["heard"] = (*found.heard, event.token)
            if event.attempt is not None:
                fields["last"] = event.attempt
            return fields
        case DeliveryReplayed():
            _require(not isinstance(found.state, Sending), found, event)
            again = Waiting(at=event.at)
            return Fields(state=again, tries=0, releases=0, replays=found.replays + 1)
        case LateAttemptRecorded():
            return Fields(heard=(*found.heard, event.token))
        case _:
            assert_never(event)


def _started(found: Delivery, event: DeliveryStarted) -> Fields:
    _require(isinstance(found.state, Waiting), found, event)
    _require(event.token == found.token + 1, found, event)
    sending = Sending(
        token=event.token,
        worker=event.worker,
        request=event.request,
        since=event.at,
        until=event.until,
    )
    return Fields(state=sending, token=event.token)


def _over(
    found: Delivery, event: Delivered | DeliveryFailed | DeliveryLost | DeliveryReleased
) -> Fields:
    _require_holder(found, event, event.token)
    heard = (*found.heard, event.token)
    match event:
        case Delivered():
            return Fields(state=Done(at=event.at), heard=heard, last=event.attempt)
        case DeliveryFailed():
            again, tries = Waiting(at=event.retry_at), found.tries + 1
            return Fields(state=again, tries=tries, heard=heard, last=event.attempt)
        case DeliveryLost():
            return Fields(state=Waiting(at=event.at), tries=found.tries + 1)
        case DeliveryReleased():
            releases, tries = found.releases + 1, found.tries + int(event.burned)
            again = Waiting(at=event.at)
            return Fields(state=again, heard=heard, releases=releases, tries=tries)
        case _:
            assert_never(event)


def _require_holder(found: Delivery, event: DeliveryEvent, token: Token) -> None:
    state = found.state
    _require(isinstance(state, Sending) and state.token == token, found, event)


def _require(condition: bool, found: Delivery, event: DeliveryEvent) -> None:
    if not condition:
        state = type(found.state).__name__
        raise Corrupt(f"{type(event).__name__} cannot follow while {found.id} is {state}")
