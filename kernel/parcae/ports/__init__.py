"""What the kernel asks of the world, as Protocols with numbered requirements.

The kernel owns legality, order, fencing, retry arithmetic and what is owed to whom. Whoever
implements these ports owns bytes, time and wake-ups, and chooses no transition.
"""

from parcae.ports.answers import (
    Committed,
    DeliveryPage,
    DeliveryQuery,
    Extent,
    Page,
    Query,
    Recorded,
)
from parcae.ports.selections import (
    CASCADE,
    Claimable,
    Deliverable,
    Named,
    Overdue,
    Restless,
    Selection,
    Spent,
    Ticking,
)
from parcae.ports.store import Rule, Store
from parcae.ports.world import Clock, Entropy, EventBus

__all__ = [
    "CASCADE",
    "Claimable",
    "Clock",
    "Committed",
    "Deliverable",
    "DeliveryPage",
    "DeliveryQuery",
    "Entropy",
    "EventBus",
    "Extent",
    "Named",
    "Overdue",
    "Page",
    "Query",
    "Recorded",
    "Restless",
    "Rule",
    "Selection",
    "Spent",
    "Store",
    "Ticking",
]
