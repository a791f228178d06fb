"""Deliveries: one for each event that a subscription matches, recorded in the commit of the event.

A delivery goes out under a lease, like a job: whoever dies over it has it sent again, with the same
name and the same body, until the receiver has said yes, or nobody has for ten tries.
"""

from parcae.deliveries.commands import (
    Attempt,
    DeleteDelivery,
    DeliveryCommand,
    Release,
    Replay,
    Report,
    Start,
)
from parcae.deliveries.decide import decide, given_up
from parcae.deliveries.events import (
    Delivered,
    DeliveryDeleted,
    DeliveryDied,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryLost,
    DeliveryOwed,
    DeliveryReleased,
    DeliveryReplayed,
    DeliveryStarted,
    Died,
    LateAttemptRecorded,
)
from parcae.deliveries.evolve import evolve, fold
from parcae.deliveries.policy import (
    LEASE,
    LONGEST_WAIT,
    TIMEOUT,
    TRIES,
    WAITS,
    is_gone,
    is_success,
    next_try,
)
from parcae.deliveries.state import (
    Dead,
    Delivery,
    Done,
    Sending,
    Standing,
    Waiting,
    delivery_id,
    due_at,
    standing,
    webhook_id,
)

__all__ = [
    "LEASE",
    "LONGEST_WAIT",
    "TIMEOUT",
    "TRIES",
    "WAITS",
    "Attempt",
    "Dead",
    "DeleteDelivery",
    "Delivered",
    "Delivery",
    "DeliveryCommand",
    "DeliveryDeleted",
    "DeliveryDied",
    "DeliveryEvent",
    "DeliveryFailed",
    "DeliveryLost",
    "DeliveryOwed",
    "DeliveryReleased",
    "DeliveryReplayed",
    "DeliveryStarted",
    "Died",
    "Done",
    "LateAttemptRecorded",
    "Release",
    "Replay",
    "Report",
    "Sending",
    "Standing",
    "Start",
    "Waiting",
    "decide",
    "delivery_id",
    "due_at",
    "evolve",
    "fold",
    "given_up",
    "is_gone",
    "is_success",
    "next_try",
    "standing",
    "webhook_id",
]
