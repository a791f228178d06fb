"""Queues: who may start how many at once and how often, whether at all, and in which order.

A queue that nobody has configured has no limits. Slots are not counted here: they are a view of
the jobs. The rules for starts, in which all this counts, are in :mod:`parcae.admission`.
"""

from parcae.queues.commands import Pause, QueueCommand, Resume, SetAging, SetLimit, SetRate
from parcae.queues.decide import decide
from parcae.queues.events import (
    AgingSet,
    LimitSet,
    QueueEvent,
    QueuePaused,
    QueueResumed,
    RateSet,
)
from parcae.queues.evolve import evolve, fold
from parcae.queues.rate import Rate
from parcae.queues.state import Bounds, Queue, queue_stream

__all__ = [
    "AgingSet",
    "Bounds",
    "LimitSet",
    "Pause",
    "Queue",
    "QueueCommand",
    "QueueEvent",
    "QueuePaused",
    "QueueResumed",
    "Rate",
    "RateSet",
    "Resume",
    "SetAging",
    "SetLimit",
    "SetRate",
    "decide",
    "evolve",
    "fold",
    "queue_stream",
]
