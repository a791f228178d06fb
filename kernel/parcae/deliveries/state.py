"""One delivery as its events leave it."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from parcae.deliveries.attempt import Attempt
from parcae.deliveries.events import Died
from parcae.seal import Seal
from parcae.subscriptions.state import Subscription
from parcae.values import Blob, Instant, StreamId, Token, Version, WorkerId, job_id, mix

PREFIX = "delivery/"


@frozen(kw_only=True)
class Waiting:
    """To be sent at ``at`` or later."""

    at: Instant


@frozen(kw_only=True)
class Sending:
    """Its sender's alone until ``until``."""

    token: Token
    worker: WorkerId
    request: str
    since: Instant
    until: Instant


@frozen(kw_only=True)
class Done:
    """Delivered."""

    at: Instant


@frozen(kw_only=True)
class Dead:
    """Given up; kept, and may be replayed."""

    at: Instant
    cause: Died


DeliveryState = Waiting | Sending | Done | Dead


class Standing(StrEnum):
    """Where a delivery stands, in one word."""

    PENDING = "pending"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    DEAD = "dead"
    WITHHELD = "withheld"
    DISABLED = "disabled"


@frozen(kw_only=True)
class Delivery:
    """What is owed to a subscription of one event.

    Attributes:
        id: its name for ever.
        version: how many events it has.
        subscription: to whom it is owed.
        subject: the stream of the event.
        number: the version of the event in it.
        event: the name under which the event is stored.
        body: what is sent, by reference.
        owed_at: since when it is owed.
        state: where it stands.
        token: how often it was taken to be sent.
        tries: how many tries failed since it was owed, or replayed.
        releases: how often it was given back unsent since then.
        replays: how often it was replayed.
        heard: of these tokens a result is recorded.
        last: the last try whose result is known.
        life: that of the subscription, when it was owed: what is owed to a subscription that was
            removed is not owed to the next one of its name.
    """

    id: StreamId
    version: Version
    subscription: str
    subject: StreamId
    number: Version
    event: str
    body: Blob
    owed_at: Instant
    state: DeliveryState
    token: Token = Token(0)
    tries: int = 0
    releases: int = 0
    replays: int = 0
    heard: tuple[Token, ...] = ()
    last: Attempt | None = None
    life: int = 0

    @property
    def stage(self) -> Standing:
        """The word for its state by itself, under which it is found: sealed and disabled are not
        its own affair (see :func:`standing`)."""
        match self.state:
            case Waiting():
                return Standing.PENDING
            case Sending():
                return Standing.DELIVERING
            case Done():
                return Standing.DELIVERED
            case Dead():
                return Standing.DEAD

    @property
    def open(self) -> bool:
        """Whether it is still to be delivered."""
        return isinstance(self.state, Waiting | Sending)

    def held(self, now: Instant) -> bool:
        """Whether it is some sender's alone now."""
        return isinstance(self.state, Sending) and now < self.state.until

    def belongs(self, subscription: Subscription | None) -> bool:
        """Whether that is the subscription it is owed to, and still there."""
        if subscription is None or subscription.removed:
            return False
        return (subscription.name, subscription.life) == (self.subscription, self.life)

    @property
    def ended_at(self) -> Instant | None:
        """When it was delivered or given up; ``None``: it is open."""
        return self.state.at if isinstance(self.state, Done | Dead) else None


def standing(delivery: Delivery, subscription: Subscription | None, seal: Seal) -> Standing:
    """Where a delivery stands: sealed and disabled are not its own affair, and so not in its state.

    Args:
        delivery: which one.
        subscription: to whom it is owed, as far as there is one.
        seal: that of the store.
    """
    stage = delivery.stage
    if stage is not Standing.PENDING:
        return stage
    if seal.closed:
        return Standing.WITHHELD
    # What is left of a removed one is given up; until then nobody sends it, either.
    sent = subscription is not None and subscription.active and delivery.belongs(subscription)
    return Standing.PENDING if sent else Standing.DISABLED


def due_at(delivery: Delivery) -> Instant | None:
    """When to look at it again: it is to be sent, or its sender has had its time."""
    match delivery.state:
        case Waiting(at=at):
            return at
        case Sending(until=until):
            return until
        case _:
            return None


def delivery_id(now: Instant, subscription: str, subject: str, number: int) -> StreamId:
    """The name of what is owed to ``subscription`` of one event: the same event, the same name."""
    return StreamId(PREFIX + job_id(now, mix("delivery", subscription, subject, number)))


def webhook_id(delivery: StreamId) -> str:
    """What receivers know it by, over all tries."""
    return delivery.removeprefix(PREFIX)
