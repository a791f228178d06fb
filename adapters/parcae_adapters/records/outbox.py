"""Subscriptions, deliveries and the seal, as plain values. No secret is among them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from parcae.change import AggregateEvent
from parcae.deliveries import (
    Attempt,
    Dead,
    Delivered,
    DeliveryDied,
    DeliveryFailed,
    DeliveryLost,
    DeliveryReleased,
    DeliveryReplayed,
    DeliveryStarted,
    LateAttemptRecorded,
    due_at,
    webhook_id,
)
from parcae.outbox_engine import Watched
from parcae.ports import Recorded
from parcae.seal import Seal
from parcae.subscriptions import Subscription
from parcae.telling import tell_aggregate
from parcae.values import Instant
from parcae_adapters.records.jobs import Record, iso


def origin(url: str) -> str:
    """Where an address is, without the rest of it, which is often a secret itself."""
    found = urlsplit(url)
    return f"{found.scheme}://{found.netloc.rpartition('@')[2]}/…"


def subscription(one: Subscription, now: Instant, *, whole: bool = True) -> Record:
    """A subscription; ``whole``: with its address as it is."""
    return {
        "name": one.name,
        "version": one.version,
        "url": one.url if whole else origin(one.url),
        "types": list(one.filter.types),
        "kinds": list(one.filter.kinds),
        "queues": list(one.filter.queues),
        "streams": list(one.filter.streams),
        "ordered": one.ordered,
        "secrets": len(one.signed_with(now)),
        "state": _state(one),
        "disabled_at": iso(one.disabled_at),
    }


def _state(one: Subscription) -> str:
    if one.active:
        return "active"
    return "gone" if one.gone else "disabled"


def delivery(watched: Watched) -> Record:
    """A delivery, and what came of its last try."""
    one = watched.delivery
    return {
        "id": webhook_id(one.id),
        "subscription": one.subscription,
        "state": str(watched.standing),
        "subject": one.subject,
        "number": one.number,
        "event": one.event,
        "owed_at": iso(one.owed_at),
        "due_at": iso(due_at(one)),
        "ended_at": iso(one.ended_at),
        "cause": str(one.state.cause) if isinstance(one.state, Dead) else None,
        "tries": one.tries,
        "replays": one.replays,
        "last": attempt(one.last),
    }


def attempt(one: Attempt | None) -> Record | None:
    """What came of one try."""
    if one is None:
        return None
    return {
        "status": one.status,
        "error": one.error or None,
        "seconds": round(one.latency.total_seconds(), 6),
        "retry_after_seconds": None if one.retry_after is None else one.retry_after.total_seconds(),
        "excerpt": one.excerpt,
    }


def attempts(history: Sequence[Recorded[AggregateEvent]]) -> list[Record]:
    """What happened to a delivery since it was owed, in order."""
    return [_attempted(one) for one in history[1:]]


def _attempted(one: Recorded[AggregateEvent]) -> Record:
    event = one.event
    made: Attempt | None = None
    if isinstance(event, Delivered | DeliveryFailed | DeliveryDied | LateAttemptRecorded):
        made = event.attempt
    return {
        "at": iso(event.at),
        "what": _WHAT.get(type(event), "other"),
        "says": tell_aggregate(event),
        "attempt": attempt(made),
    }


_WHAT = {
    DeliveryStarted: "taken",
    Delivered: "delivered",
    DeliveryFailed: "failed",
    DeliveryLost: "lost",
    DeliveryReleased: "given back",
    DeliveryDied: "dead",
    DeliveryReplayed: "replayed",
    LateAttemptRecorded: "late",
}


def seal(one: Seal) -> Record:
    """The seal."""
    return {
        "sealed": one.closed,
        "since": iso(one.since),
        "by": one.by,
        "reason": one.reason,
    }
