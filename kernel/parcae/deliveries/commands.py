"""What can be asked of a delivery."""

from __future__ import annotations

from datetime import timedelta

from attrs import field, frozen

from parcae.deliveries.attempt import Attempt
from parcae.deliveries.policy import LEASE
from parcae.values import Token, WorkerId, seconds, valid_duration, valid_label, valid_name

__all__ = [
    "Attempt",
    "DeleteDelivery",
    "DeliveryCommand",
    "Release",
    "Replay",
    "Report",
    "Start",
]


@frozen(kw_only=True)
class Start:
    """Take it, to send it now.

    Attributes:
        worker: who sends it.
        request: a key of this very request: repeated, it gets the same lease.
        lease: for how long it is the sender's alone.
    """

    worker: WorkerId = field(validator=valid_name)
    request: str = field(validator=valid_name)
    lease: timedelta = field(default=LEASE, validator=valid_duration(seconds(1)))


@frozen(kw_only=True)
class Report:
    """What came of a try."""

    token: Token
    attempt: Attempt


@frozen(kw_only=True)
class Release:
    """Given back unsent."""

    token: Token


@frozen(kw_only=True)
class Replay:
    """Send it again, or at once, whatever became of it."""

    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class DeleteDelivery:
    """Forget one that ended ``retention`` ago or earlier."""

    retention: timedelta = field(default=timedelta(0), validator=valid_duration(timedelta(0)))


DeliveryCommand = Start | Report | Release | Replay | DeleteDelivery
