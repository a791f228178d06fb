"""Stored subscriptions, deliveries and the seal: part of the golden files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from parcae import deliveries as v
from parcae import subscriptions as n
from parcae.change import AggregateEvent
from parcae.filters import Filter
from parcae.seal import SEAL, Sealed, Unsealed
from parcae.values import Blob, StreamId, Token, Version, WorkerId, seconds
from parcae_specs.story import at

AT, LATER = at(1.000001), at(61)
HOOK = StreamId("subscription/hook")
OWED = StreamId("delivery/0198c0de-0000-7000-8000-000000000000")
ONE, TWO, THREE = Token(1), Token(2), Token(3)
FIRST, SECOND = Blob("secret/1", 38, "12" * 32), Blob("secret/2", 38, "34" * 32)
CHOICE = Filter(types=("completed", "failed"), kinds=("k",), queues=("files",), streams=("j",))
REFUSED = v.Attempt(
    status=503, latency=seconds(0.25), retry_after=seconds(60), excerpt="later, please"
)
SILENT = v.Attempt(error="TimeoutError", latency=seconds(15))

SUBSCRIBED = n.SubscriptionSet(at=AT, url="https://example.org/hook", filter=Filter())
CHANGED = n.SubscriptionSet(
    at=LATER, url="https://example.org/", filter=CHOICE, ordered=True, secret=FIRST, by="ops"
)
DUE = v.DeliveryOwed(
    at=AT,
    subscription="hook",
    subject=StreamId("j"),
    number=Version(7),
    event="completed",
    body=Blob("body", 2, "ef" * 32),
)


AGAIN = evolve(DUE, life=1)
"""Owed to a subscription that had been removed once, and was made again."""


def _started(token: Token) -> v.DeliveryStarted:
    worker = WorkerId("host/1")
    return v.DeliveryStarted(at=AT, token=token, worker=worker, request="r", until=LATER)


FAILED = v.DeliveryFailed(at=AT, token=ONE, retry_at=LATER, attempt=REFUSED)
DEAD = v.DeliveryDied(at=LATER, cause=v.Died.EXHAUSTED, token=THREE, attempt=SILENT)

OUTGOING: Sequence[AggregateEvent] = (
    SUBSCRIBED,
    CHANGED,
    n.SecretRotated(at=AT, secret=SECOND, until=LATER),
    n.SecretRotated(at=AT, secret=SECOND, until=LATER, by="ops"),
    n.SubscriptionDisabled(at=AT),
    n.SubscriptionDisabled(at=AT, gone=True, by="ops"),
    n.SubscriptionEnabled(at=AT),
    n.SubscriptionEnabled(at=AT, by="ops"),
    n.SubscriptionRemoved(at=AT),
    n.SubscriptionRemoved(at=AT, by="ops"),
    Sealed(at=AT),
    Sealed(at=AT, by="ops", reason="an audit"),
    Unsealed(at=AT),
    Unsealed(at=AT, by="ops", reason="it is over"),
    DUE,
    _started(ONE),
    v.Delivered(at=AT, token=ONE, attempt=v.Attempt(status=204)),
    FAILED,
    v.DeliveryLost(at=AT, token=TWO),
    v.DeliveryReleased(at=AT, token=ONE),
    v.DeliveryReleased(at=AT, token=ONE, burned=True),
    v.DeliveryDied(at=AT, cause=v.Died.UNSUBSCRIBED),
    DEAD,
    v.DeliveryReplayed(at=AT),
    v.DeliveryReplayed(at=AT, by="ops"),
    v.LateAttemptRecorded(at=AT, token=ONE, attempt=SILENT),
    v.DeliveryDeleted(at=AT),
    AGAIN,
)
"""Every event of theirs, with every field both there and left out."""

HISTORIES: Mapping[str, tuple[StreamId, Sequence[AggregateEvent]]] = {
    "a-subscription": (HOOK, (SUBSCRIBED,)),
    "a-disabled-subscription": (
        HOOK,
        (
            CHANGED,
            n.SecretRotated(at=AT, secret=SECOND, until=LATER),
            n.SubscriptionDisabled(at=LATER, gone=True),
        ),
    ),
    "a-removed-subscription": (HOOK, (CHANGED, n.SubscriptionRemoved(at=LATER))),
    "a-subscription-made-again": (
        HOOK,
        (CHANGED, n.SubscriptionRemoved(at=LATER), SUBSCRIBED),
    ),
    "a-delivery-to-one-made-again": (OWED, (AGAIN,)),
    "an-open-seal": (SEAL, (Sealed(at=AT, by="ops"), Unsealed(at=LATER))),
    "a-closed-seal": (SEAL, (Sealed(at=AT, by="ops", reason="an audit"),)),
    "a-delivery": (OWED, (DUE,)),
    "a-delivery-under-way": (OWED, (DUE, _started(ONE))),
    "a-delivery-that-arrived": (
        OWED,
        (DUE, _started(ONE), v.Delivered(at=LATER, token=ONE, attempt=v.Attempt(status=200))),
    ),
    "a-dead-delivery": (
        OWED,
        (
            DUE,
            _started(ONE),
            FAILED,
            v.DeliveryReplayed(at=LATER, by="ops"),
            _started(TWO),
            v.DeliveryReleased(at=LATER, token=TWO),
            _started(THREE),
            v.DeliveryLost(at=LATER, token=THREE),
            v.LateAttemptRecorded(at=LATER, token=THREE, attempt=SILENT),
            v.DeliveryDied(at=LATER, cause=v.Died.UNSUBSCRIBED),
        ),
    ),
}
