"""Command, subscription → events. What is so already is not recorded again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from parcae.errors import Reason, Rejected
from parcae.subscriptions.commands import (
    Disable,
    Enable,
    Rotate,
    SetSubscription,
    SubscriptionCommand,
    Unsubscribe,
)
from parcae.subscriptions.events import (
    SecretRotated,
    SubscriptionDisabled,
    SubscriptionEnabled,
    SubscriptionEvent,
    SubscriptionRemoved,
    SubscriptionSet,
)
from parcae.subscriptions.state import Subscription
from parcae.values import Instant, hours

MOST = 1_000
"""Subscriptions in one store: each commit is held against all of them."""
SECRETS = 5
"""Secrets of one subscription that count at once."""
OVERLAP = hours(24)
"""For how long a secret still counts after another took its place, unless told."""


def decide(
    name: str, found: Subscription | None, command: SubscriptionCommand, now: Instant
) -> tuple[SubscriptionEvent, ...]:
    """What ``command`` brings about; empty: it is so already.

    Raises:
        Rejected: there is no such subscription, or it has too many secrets.
    """
    return tuple(_decide(name, found, command, now))


def _decide(
    name: str, found: Subscription | None, command: SubscriptionCommand, now: Instant
) -> Iterator[SubscriptionEvent]:
    by = command.by
    if isinstance(command, SetSubscription):
        yield from _set(found, command, now)
        return
    if found is None or found.removed:
        message = f"there is no subscription {name!r}"
        raise Rejected(Reason.NOT_FOUND, message, command=type(command).__name__)
    match command:
        case Rotate():
            yield _rotated(found, command, now)
        case Disable():
            if found.disabled_at is None:
                yield SubscriptionDisabled(at=now, gone=command.gone, by=by)
        case Enable():
            if found.disabled_at is not None:
                yield SubscriptionEnabled(at=now, by=by)
        case Unsubscribe():
            yield SubscriptionRemoved(at=now, by=by)
        case _:
            assert_never(command)


def _set(
    found: Subscription | None, command: SetSubscription, now: Instant
) -> Iterator[SubscriptionEvent]:
    there = found if found is not None and not found.removed else None
    wanted = (command.url, command.filter, command.ordered)
    if there is not None and (there.url, there.filter, there.ordered) == wanted:
        return
    yield SubscriptionSet(
        at=now,
        url=command.url,
        filter=command.filter,
        ordered=command.ordered,
        secret=None if there is not None else command.secret,
        by=command.by,
    )


def _rotated(found: Subscription, command: Rotate, now: Instant) -> SecretRotated:
    if any(one.blob.digest == command.secret.digest for one in found.secrets):
        message = "expected a secret that the subscription has not had before"
        raise Rejected(Reason.BAD_INPUT, message, command="Rotate")
    if len(found.signed_with(now)) >= SECRETS:
        message = f"{found.name!r} is signed with {SECRETS} secrets already: let one of them expire"
        raise Rejected(Reason.TOO_LARGE, message, command="Rotate")
    overlap = OVERLAP if command.overlap is None else command.overlap
    return SecretRotated(at=now, secret=command.secret, until=now + overlap, by=command.by)
