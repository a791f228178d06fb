"""What has happened to a delivery."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from parcae.deliveries.attempt import Attempt
from parcae.values import Blob, Instant, StreamId, Token, Version, WorkerId


class Died(StrEnum):
    """Why nobody tries any more. A closed list."""

    EXHAUSTED = "attempts exhausted"
    UNSUBSCRIBED = "subscription removed"


@frozen(kw_only=True)
class DeliveryOwed:
    """An event was recorded that ``subscription`` matches, in the same commit.

    Attributes:
        at: when.
        subscription: whose.
        subject: the stream of the event.
        number: the version of the event in it.
        event: the name under which the event is stored.
        body: what is sent, by reference; its bytes lie beside the delivery.
        life: that of the subscription, when it was owed.
    """

    at: Instant
    subscription: str
    subject: StreamId
    number: Version
    event: str
    body: Blob
    life: int = 0


@frozen(kw_only=True)
class DeliveryStarted:
    """Somebody has taken it, to send it until ``until``."""

    at: Instant
    token: Token
    worker: WorkerId
    request: str
    until: Instant


@frozen(kw_only=True)
class Delivered:
    """The receiver has taken it."""

    at: Instant
    token: Token
    attempt: Attempt


@frozen(kw_only=True)
class DeliveryFailed:
    """The receiver has not taken it; it is tried again at ``retry_at``."""

    at: Instant
    token: Token
    retry_at: Instant
    attempt: Attempt


@frozen(kw_only=True)
class DeliveryLost:
    """Its sender was not heard of in time: whether it was sent is unknown."""

    at: Instant
    token: Token


@frozen(kw_only=True)
class DeliveryReleased:
    """Its sender gave it back unsent; ``burned``: as one try too many of these."""

    at: Instant
    token: Token
    burned: bool = False


@frozen(kw_only=True)
class DeliveryDied:
    """Nobody tries any more; it is kept, and may be replayed."""

    at: Instant
    cause: Died
    token: Token | None = None
    attempt: Attempt | None = None


@frozen(kw_only=True)
class DeliveryReplayed:
    """Somebody asked for it to be sent now, or again."""

    at: Instant
    by: str = ""


@frozen(kw_only=True)
class LateAttemptRecorded:
    """What a sender said that did not hold it any more: evidence only."""

    at: Instant
    token: Token
    attempt: Attempt


@frozen(kw_only=True)
class DeliveryDeleted:
    """Retention has removed it."""

    at: Instant


DeliveryEvent = (
    DeliveryOwed
    | DeliveryStarted
    | Delivered
    | DeliveryFailed
    | DeliveryLost
    | DeliveryReleased
    | DeliveryDied
    | DeliveryReplayed
    | LateAttemptRecorded
    | DeliveryDeleted
)
