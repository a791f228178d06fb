"""Subscriptions: who is told of what has happened, by webhooks; and the seal that withholds it all.

Secrets are never here: a subscription knows their names and digests, their bytes lie beside it as
blobs, outside the log.
"""

from parcae.subscriptions.commands import (
    Disable,
    Enable,
    Rotate,
    SetSubscription,
    SubscriptionCommand,
    Unsubscribe,
)
from parcae.subscriptions.decide import MOST, OVERLAP, decide
from parcae.subscriptions.events import (
    Secret,
    SecretRotated,
    SubscriptionDisabled,
    SubscriptionEnabled,
    SubscriptionEvent,
    SubscriptionRemoved,
    SubscriptionSet,
)
from parcae.subscriptions.evolve import evolve, fold
from parcae.subscriptions.state import Subscription, subscription_stream

__all__ = [
    "MOST",
    "OVERLAP",
    "Disable",
    "Enable",
    "Rotate",
    "Secret",
    "SecretRotated",
    "SetSubscription",
    "Subscription",
    "SubscriptionCommand",
    "SubscriptionDisabled",
    "SubscriptionEnabled",
    "SubscriptionEvent",
    "SubscriptionRemoved",
    "SubscriptionSet",
    "Unsubscribe",
    "decide",
    "evolve",
    "fold",
    "subscription_stream",
]
