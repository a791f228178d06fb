"""What is explored: subscriptions, events, senders, and what may go wrong, how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from attrs import Factory, frozen

from parcae.filters import Filter
from parcae.subscriptions import SetSubscription
from parcae.values import hours

URL = "https://example.org/hook"
EVERYTHING = SetSubscription(url=URL)
ENDS = SetSubscription(url=URL, filter=Filter(types=("cancelled", "deleted")))
SUBMITTED = SetSubscription(url=URL, filter=Filter(types=("submitted",)))
IN_ORDER = SetSubscription(url=URL, ordered=True)

KEPT = hours(1)


class Mishap(StrEnum):
    """What may happen, as often as a model says."""

    CRASH = "a sender dies"
    LATE = "a sender sleeps past its lease"
    UNHEARD = "an answer of the store is lost"
    LOST = "the receiver takes it, and its answer is lost"
    REFUSE = "the receiver refuses"
    GONE = "the receiver says that it is gone"
    RELEASE = "a sender gives back what it has not sent"
    REPLAY = "somebody replays"
    SEAL = "somebody seals the store"
    TOGGLE = "somebody disables or enables the subscription"
    REMOVE = "somebody removes the subscription"
    AGAIN = "somebody makes it again"
    BACK = "a clock is set back"


@frozen(kw_only=True)
class Outgoing:
    """One slice.

    Attributes:
        name: of the slice.
        about: what it is about.
        subscription: how it is set.
        events: how many of the commits happen: a job is admitted, cancelled, deleted.
        senders: how many.
        tries: so many tries have failed already of what is owed at first.
        kept: for how long what has ended is kept.
        mishaps: what may happen, and how often.
        sometimes: what has to be reached, or the slice proves less than it seems to.
    """

    name: str
    about: str
    subscription: SetSubscription = EVERYTHING
    events: int = 1
    senders: int = 2
    tries: int = 0
    kept: timedelta = KEPT
    mishaps: Mapping[Mishap, int] = Factory(dict)
    sometimes: Sequence[str] = ("delivered",)
