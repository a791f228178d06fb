"""How to dispatch."""

from __future__ import annotations

from datetime import timedelta

from attrs import Factory, field, frozen

from parcae.deliveries import LEASE, TIMEOUT
from parcae.values import MAX_DURATION, hours, seconds, valid_duration, valid_number
from parcae_adapters.http.guard import Allowed

MARGIN = seconds(10)
"""A try, and all that is around it, has to be over so long before the lease is."""


@frozen(kw_only=True)
class Keep:
    """For how long deliveries that are over are kept; ``None``: for ever.

    Attributes:
        delivered: those that were delivered.
        dead: those that were given up, which may be replayed until then.
    """

    delivered: timedelta | None = field(
        default=hours(7 * 24), validator=valid_duration(timedelta(0))
    )
    dead: timedelta | None = field(default=hours(30 * 24), validator=valid_duration(timedelta(0)))

    @property
    def ages(self) -> tuple[timedelta, timedelta]:
        """Both, for ever being longer than anybody will wait."""
        return (
            MAX_DURATION if self.delivered is None else self.delivered,
            MAX_DURATION if self.dead is None else self.dead,
        )


@frozen(kw_only=True)
class Settings:
    """How to dispatch.

    Attributes:
        concurrency: so many tries at once.
        per_endpoint: so many of them to one subscription.
        timeout: how long a receiver has for its answer.
        lease: for how long a delivery is the dispatcher's alone.
        drain: how long a stop waits for answers.
        allowed: where webhooks may go beyond the open world.
        keep: for how long deliveries that are over are kept.
        sealed: nothing is sent, and no connection opened; the store is sealed, so that all see it.
    """

    concurrency: int = field(default=50, validator=valid_number(1, 500))
    per_endpoint: int = field(default=10, validator=valid_number(1, 500))
    timeout: timedelta = field(default=TIMEOUT, validator=valid_duration(seconds(0.01)))
    lease: timedelta = field(default=LEASE, validator=valid_duration(seconds(1)))
    drain: timedelta = field(default=TIMEOUT, validator=valid_duration(timedelta(0)))
    allowed: Allowed = Factory(Allowed)
    keep: Keep = Factory(Keep)
    sealed: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse what would send twice.

        Raises:
            ValueError: a try could outlive its lease; says both.
        """
        if self.timeout + MARGIN > self.lease:
            raise ValueError(
                f"expected a lease of at least {self.timeout + MARGIN}, which is the timeout and "
                f"{MARGIN}, got {self.lease}: somebody else would send what is still being sent"
            )
