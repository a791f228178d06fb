"""What has happened to a subscription. ``by``: who asked for it."""

from __future__ import annotations

from attrs import frozen

from parcae.filters import Filter
from parcae.values import Blob, Instant


@frozen(kw_only=True)
class Secret:
    """What deliveries are signed with, by reference.

    Attributes:
        blob: its name and digest; the bytes lie beside the subscription.
        until: signed with it only before; ``None``: it is the present one.
    """

    blob: Blob
    until: Instant | None = None


@frozen(kw_only=True)
class SubscriptionSet:
    """It was made, or tells another address, or of something else."""

    at: Instant
    url: str
    filter: Filter
    ordered: bool = False
    secret: Blob | None = None
    by: str = ""


@frozen(kw_only=True)
class SecretRotated:
    """Signed with ``secret`` from now on, and with those of before until ``until``."""

    at: Instant
    secret: Blob
    until: Instant
    by: str = ""


@frozen(kw_only=True)
class SubscriptionDisabled:
    """Nothing is sent; ``gone``: the receiver said that it is not there any more (410)."""

    at: Instant
    gone: bool = False
    by: str = ""


@frozen(kw_only=True)
class SubscriptionEnabled:
    """Sent again."""

    at: Instant
    by: str = ""


@frozen(kw_only=True)
class SubscriptionRemoved:
    """Nothing more is owed by it."""

    at: Instant
    by: str = ""


SubscriptionEvent = (
    SubscriptionSet
    | SecretRotated
    | SubscriptionDisabled
    | SubscriptionEnabled
    | SubscriptionRemoved
)
