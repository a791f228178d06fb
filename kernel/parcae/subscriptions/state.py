"""One subscription as its events leave it."""

from __future__ import annotations

from attrs import field, frozen

from parcae.filters import Filter
from parcae.subscriptions.events import Secret
from parcae.values import Instant, StreamId, Version, valid_name


@frozen(kw_only=True)
class Subscription:
    """Who is told of what.

    One that is removed keeps its name: what it was owed still says so.

    Attributes:
        name: its name.
        version: how many events it has.
        url: where to.
        filter: of which events.
        ordered: of one stream one after the other.
        secrets: what is signed with, the present one first; none: nothing is signed.
        disabled_at: since when nothing is sent; ``None``: it is.
        gone: it is disabled since the receiver said that it is not there any more.
        removed: it is no more.
        life: how often it had been removed, and made again.
    """

    name: str = field(validator=valid_name)
    version: Version
    url: str
    filter: Filter
    ordered: bool = False
    secrets: tuple[Secret, ...] = ()
    disabled_at: Instant | None = None
    gone: bool = False
    removed: bool = False
    life: int = 0

    @property
    def active(self) -> bool:
        """Whether it is sent to."""
        return self.disabled_at is None and not self.removed

    def signed_with(self, now: Instant) -> tuple[Secret, ...]:
        """The secrets that count now, the present one first."""
        return tuple(one for one in self.secrets if one.until is None or now < one.until)


def subscription_stream(name: str) -> StreamId:
    """The name of a subscription's history."""
    return StreamId(f"subscription/{name}")
