"""Subscription, event → subscription."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from attrs import evolve as replace

from parcae.errors import Corrupt
from parcae.subscriptions.events import (
    Secret,
    SecretRotated,
    SubscriptionDisabled,
    SubscriptionEnabled,
    SubscriptionEvent,
    SubscriptionRemoved,
    SubscriptionSet,
)
from parcae.subscriptions.state import Subscription
from parcae.values import Instant, Version


def fold(name: str, events: Iterable[SubscriptionEvent]) -> Subscription | None:
    """The subscription after ``events``; ``None``: nothing has happened to it.

    Raises:
        Corrupt: no run of this kernel can have written this history.
    """
    found: Subscription | None = None
    for event in events:
        found = evolve(name, found, event)
    return found


def evolve(name: str, found: Subscription | None, event: SubscriptionEvent) -> Subscription:
    """The subscription after ``event``.

    Raises:
        Corrupt: the event cannot follow this state.
    """
    if isinstance(event, SubscriptionSet):
        return _set(name, found, event)
    if found is None or found.removed:
        raise Corrupt(f"{type(event).__name__} of a subscription that is not there: {name}")
    found = replace(found, version=Version(found.version + 1))
    match event:
        case SecretRotated():
            return replace(found, secrets=_rotated(found.secrets, event))
        case SubscriptionDisabled():
            return replace(found, disabled_at=event.at, gone=event.gone)
        case SubscriptionEnabled():
            return replace(found, disabled_at=None, gone=False)
        case SubscriptionRemoved():
            return replace(found, removed=True, secrets=())
        case _:
            assert_never(event)


def _set(name: str, found: Subscription | None, event: SubscriptionSet) -> Subscription:
    goes_on = found is not None and not found.removed
    secrets = () if event.secret is None else (Secret(blob=event.secret),)
    return Subscription(
        name=name,
        version=Version(1 if found is None else found.version + 1),
        url=event.url,
        filter=event.filter,
        ordered=event.ordered,
        secrets=found.secrets if found is not None and goes_on else secrets,
        disabled_at=found.disabled_at if found is not None and goes_on else None,
        gone=found.gone if found is not None and goes_on else False,
        life=0 if found is None else found.life + int(found.removed),
    )


def _rotated(secrets: tuple[Secret, ...], event: SecretRotated) -> tuple[Secret, ...]:
    """The new one first; those of before count for a while, and those long over are forgotten."""
    kept = (replace(one, until=_earlier(one.until, event.until)) for one in secrets)
    living = (one for one in kept if one.until is not None and one.until > event.at)
    return (Secret(blob=event.secret), *living)


def _earlier(one: Instant | None, other: Instant) -> Instant:
    return other if one is None else min(one, other)
