"""What can be asked of a subscription."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import Attribute, Factory, field, frozen

from parcae.filters import Filter
from parcae.values import Blob, valid_duration, valid_label

LONGEST_URL = 2_000
"""Characters."""
SCHEMES = ("https://", "http://")


def _url(_: object, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"expected a string for {attribute.name}, got {value!r}")
    bare = value.isascii() and value.isprintable() and " " not in value
    if not bare or len(value) > LONGEST_URL or not value.startswith(SCHEMES):
        # What it is stays out of the message: addresses of hooks are often secrets themselves.
        raise ValueError(
            f"expected {attribute.name} to be an https:// or http:// address of at most "
            f"{LONGEST_URL} characters, all of them printable ASCII and none a space"
        )


@frozen(kw_only=True)
class SetSubscription:
    """Tell ``url`` of what ``filter`` lets through from now on.

    Attributes:
        url: where to; adapters refuse more, such as credentials and private addresses.
        filter: which events.
        ordered: of one job, group or queue one after the other, each once the one before is
            delivered or given up.
        secret: the first secret, by reference; of one that is there already its own are kept.
        by: who asks.
    """

    url: str = field(validator=_url)
    filter: Filter = Factory(Filter)
    ordered: bool = False
    secret: Blob | None = None
    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class Rotate:
    """Sign with ``secret`` from now on, and with those of before for another ``overlap``."""

    secret: Blob
    overlap: timedelta | None = field(default=None, validator=valid_duration(timedelta(0)))
    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class Disable:
    """Send nothing until it is enabled again; what is owed meanwhile is kept.

    Attributes:
        gone: the receiver itself said so (410).
        by: who asks.
    """

    gone: bool = False
    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class Enable:
    """Send again, what is owed first."""

    by: str = field(default="", validator=valid_label)


@frozen(kw_only=True)
class Unsubscribe:
    """Tell of nothing any more; what is still owed is given up."""

    by: str = field(default="", validator=valid_label)


SubscriptionCommand = SetSubscription | Rotate | Disable | Enable | Unsubscribe
