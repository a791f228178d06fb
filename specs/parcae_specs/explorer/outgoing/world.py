"""One world: what the store has, what each sender believes, and what an observer has seen."""

from __future__ import annotations

from typing import NamedTuple

from attrs import frozen

from parcae.deliveries import Delivery
from parcae.seal import Seal
from parcae.subscriptions import Subscription
from parcae.values import Instant, StreamId, Token


@frozen(kw_only=True, cache_hash=True)
class Ghost:
    """What an observer has seen of one delivery, drawn from events and answers alone.

    Attributes:
        body: the digest of the first body that anybody was given.
        token: the highest that anybody was given.
        until: the end of its lease, while nothing was heard of it.
        over: it was recorded as delivered or dead, and not replayed since.
        ended_at: when it was.
        burned: tries that were burned since it was owed, or replayed.
        heard: of these tokens something is recorded.
        life: that of the subscription, when it was owed.
    """

    body: str = ""
    token: Token = Token(0)
    until: Instant | None = None
    over: bool = False
    ended_at: Instant | None = None
    burned: int = 0
    heard: frozenset[Token] = frozenset()
    life: int = 0


@frozen(kw_only=True, cache_hash=True)
class Row:
    """A delivery as a store keeps it, and its observer."""

    delivery: Delivery
    remind: Instant | None
    body: bytes
    ghost: Ghost = Ghost()


@frozen(kw_only=True, cache_hash=True)
class Holding:
    """What a sender believes that it has to do.

    Attributes:
        delivery: which.
        token: under this token.
        said: what the receiver answered: ``""`` not sent yet, else what is to be reported.
    """

    delivery: StreamId
    token: Token
    said: str = ""


class Mind(NamedTuple):
    """A sender: the key of its present request, and what it holds."""

    request: int = 0
    holds: tuple[Holding, ...] = ()


class World(NamedTuple):
    """All of it, at one instant that is always called the same.

    Attributes:
        rows: by their names.
        subscription: the one there is.
        seal: that of the store.
        minds: of the senders.
        happened: how many of the commits that owe something.
        purse: what may still go wrong, in the order of the model's mishaps.
    """

    rows: tuple[Row, ...]
    subscription: Subscription
    seal: Seal
    minds: tuple[Mind, ...]
    happened: int
    purse: tuple[int, ...]
