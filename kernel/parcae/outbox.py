"""What is owed to those who subscribed: recorded with the event, sent under leases, as rules.

Every store passes what a rule gives back through :func:`complete`, so that no event is stored
without the deliveries that it owes, whichever rule it came from (S14).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from attrs import frozen

from parcae import deliveries as d
from parcae import seal as seals
from parcae.change import AnyEvent, Change, Revision, View
from parcae.cloudevents import About, about, encode, envelope, wanted
from parcae.errors import LeaseLost, Reason, Rejected
from parcae.events import Deleted, Event
from parcae.evolve import evolve
from parcae.seal import Seal
from parcae.state import Job
from parcae.subscriptions import (
    MOST,
    Disable,
    Rotate,
    SetSubscription,
    Subscription,
    SubscriptionCommand,
    decide,
    subscription_stream,
)
from parcae.subscriptions import evolve as evolve_subscription
from parcae.values import Blob, Instant, JobId, StreamId, Token, Version, blob

BODY = "body"
"""The name of a delivery's bytes."""

Made = Sequence[Change | Revision]


def sendable(subscriptions: Mapping[str, Subscription], seal: Seal) -> tuple[str, ...]:
    """The subscriptions whose deliveries are to be looked at: those of removed ones die."""
    names = (name for name, one in subscriptions.items() if one.disabled_at is None or one.removed)
    return () if seal.closed else tuple(names)


# What is owed


def complete(view: View, made: Made) -> Made:
    """What a rule has made, and the deliveries that it owes."""
    listening = [one for one in view.subscriptions.values() if not one.removed]
    if not listening:
        return made
    owed = [
        _owed(view.now, one, told)
        for told in _told(view, made)
        for one in listening
        if wanted(one.filter, told.about)
    ]
    return (*made, *owed) if owed else made


@frozen(kw_only=True)
class _Told:
    """One event that somebody may want to hear of."""

    stream: StreamId
    version: Version
    event: AnyEvent
    job: Job | None
    about: About


def _told(view: View, made: Made) -> Iterator[_Told]:
    jobs = {name: stored.job for name, stored in view.jobs.items()}
    for one in made:
        if one.restored:
            continue
        stream = StreamId(one.job_id) if isinstance(one, Change) else one.stream
        for version, event in enumerate(one.events, one.before + 1):
            job = _after(jobs, JobId(stream), event) if isinstance(event, Event) else None
            found = about(stream, event, job)
            if found is not None:
                yield _Told(
                    stream=stream, version=Version(version), event=event, job=job, about=found
                )


def _after(jobs: dict[JobId, Job], job_id: JobId, event: Event) -> Job | None:
    """The job after ``event``, which is folded in; ``None``: it is deleted."""
    if isinstance(event, Deleted):
        jobs.pop(job_id, None)
        return None
    after = evolve(job_id, jobs.get(job_id), event)
    if after is not None:
        jobs[job_id] = after
    return after


def _owed(now: Instant, to: Subscription, told: _Told) -> Revision:
    """One delivery. Its name follows from whose it is of what, so there cannot be two."""
    enveloped = envelope(told.stream, told.version, told.event, told.job)
    assert enveloped is not None
    body = encode(enveloped).encode()
    event = d.DeliveryOwed(
        at=now,
        subscription=to.name,
        subject=told.stream,
        number=told.version,
        event=told.about.tag,
        body=blob(BODY, body),
        life=to.life,
    )
    stream = d.delivery_id(now, to.name, told.stream, told.version)
    after = d.evolve(stream, None, event)
    return Revision(
        stream=stream,
        before=Version(0),
        events=(event,),
        after=after,
        remind=now,
        blobs=((event.body, body),),
    )


# Sending


@frozen(kw_only=True)
class Dispatch:
    """A delivery that somebody was given to send.

    Attributes:
        delivery: which one, and its lease.
        token: of that lease.
        until: the end of the lease.
        subscription: to whom.
        body: what is to be sent.
        repeated: it had been given to this very request before.
    """

    delivery: StreamId
    token: Token
    until: Instant
    subscription: Subscription
    body: bytes
    tries: int
    repeated: bool = False


class WebhookSender(Protocol):
    """Whoever carries deliveries to their receivers.

    1. ``send`` posts the very bytes of :attr:`Dispatch.body`, named by
       :func:`parcae.deliveries.webhook_id` and signed with the secrets that count now (Standard
       Webhooks 1.0), once: who tries again is decided elsewhere.
    2. What the receiver answers is told as it was. A redirect is an answer, and is not followed.
    3. Nothing that a receiver does is raised: no answer is told as an error, without the address.
    4. It reads a bounded part of the answer, and waits for a bounded time.
    """

    async def send(self, one: Dispatch, /) -> d.Attempt:
        """Try once; what came of it."""
        ...


def start(view: View, command: d.Start) -> tuple[Sequence[Revision], Sequence[Dispatch]]:
    """Rule: give out the deliveries of the view that may be sent now.

    None while the store is sealed (rule 12), none that is delivered (S15), and of an ordered
    subscription only the first open one of each subject.
    """
    if view.seal.closed:
        return (), ()
    made: list[Revision] = []
    given: list[Dispatch] = []
    heads = _heads(view)
    behind: list[tuple[d.Delivery, d.Delivery]] = []
    for one in view.deliveries.values():
        to = view.subscriptions.get(one.subscription)
        head = heads.get((one.subscription, one.subject), one)
        if to is None or not one.belongs(to):
            made += _revised(one, d.given_up(one, view.now))
        elif to.active and one.open and (head is one or one.held(view.now)):
            revised = _started(one, command, view.now)
            made += revised
            given += _given(view, to, revised[-1].after if revised else one, command)
        elif to.active and one.open:
            behind.append((one, head))
    # Only now is it known how long those in front take.
    then = {revision.stream: revision.after for revision in made}
    for one, head in behind:
        made += _put_off(one, then.get(head.id, head))
    return tuple(made), tuple(given)


def _heads(view: View) -> dict[tuple[str, StreamId], d.Delivery]:
    """Of each subject of an ordered subscription the first open delivery."""
    heads: dict[tuple[str, StreamId], d.Delivery] = {}
    for one in view.deliveries.values():
        to = view.subscriptions.get(one.subscription)
        if to is None or not to.ordered or not one.open:
            continue
        lane = (one.subscription, one.subject)
        if lane not in heads or one.number < heads[lane].number:
            heads[lane] = one
    return heads


def _started(one: d.Delivery, command: d.Start, now: Instant) -> tuple[Revision, ...]:
    due = d.due_at(one)
    if one.held(now) or due is None or due > now:
        return ()
    return _revised(one, d.decide(one, command, now))


def _given(view: View, to: Subscription, one: object, command: d.Start) -> Iterator[Dispatch]:
    if not isinstance(one, d.Delivery) or not isinstance(one.state, d.Sending):
        return
    state = one.state
    mine = (state.worker, state.request) == (command.worker, command.request)
    body = view.blobs.get((JobId(one.id), BODY))
    # Whose body is lost, in a damaged store, is not sent: its leases end, and with its tries it
    # does. Were it an error here, nothing else would ever be sent either.
    if not mine or not one.held(view.now) or body is None:
        return
    yield Dispatch(
        delivery=one.id,
        token=state.token,
        until=state.until,
        subscription=to,
        body=body,
        tries=one.tries,
        repeated=view.deliveries[one.id].token == state.token,
    )


def _put_off(one: d.Delivery, front: object) -> tuple[Revision, ...]:
    """It waits for the one in front: looked at again when that is due; at once if it is over."""
    until = d.due_at(front) if isinstance(front, d.Delivery) else None
    return () if until is None else _reminded(one, until)


def _reminded(one: d.Delivery, at: Instant | None) -> tuple[Revision, ...]:
    """It is looked at again then; nothing has happened to it."""
    return (Revision(stream=one.id, before=one.version, events=(), after=one, remind=at),)


def report(
    view: View, delivery: StreamId, command: d.Report | d.Release
) -> tuple[Sequence[Revision], d.Delivery | LeaseLost]:
    """Rule: what came of a try, and how the delivery stands then; or that somebody else has it.

    A receiver that is gone disables its subscription (410).

    Raises:
        Rejected: there is no such delivery, or nobody was given that token.
    """
    one = _known(view, delivery, command)
    events = d.decide(one, command, view.now)
    if not events and command.token in one.heard:
        return (), one
    late = any(isinstance(event, d.LateAttemptRecorded) for event in events)
    made = list(_revised(one, events))
    if late or not events:
        message = f"{delivery} is not held under token {command.token} any more"
        return tuple(made), LeaseLost(Reason.STALE_TOKEN, message)
    after = _after_all(made)
    if not one.belongs(view.subscriptions.get(one.subscription)):
        made = list(_revised(one, (*events, *d.given_up(after, view.now))))
        after = _after_all(made)
    elif isinstance(command, d.Report) and d.is_gone(command.attempt):
        made += configure(view, one.subscription, Disable(gone=True))
    if not after.open:
        made += _next_in_order(view, after)
    return tuple(made), after


def _after_all(made: Sequence[Revision]) -> d.Delivery:
    (revision,) = made
    assert isinstance(revision.after, d.Delivery)
    return revision.after


def _next_in_order(view: View, ended: d.Delivery) -> Iterator[Revision]:
    """Whoever waited behind it waits no longer."""
    to = view.subscriptions.get(ended.subscription)
    if to is None or not to.ordered:
        return
    for one in view.deliveries.values():
        behind = (one.subscription, one.subject) == (ended.subscription, ended.subject)
        if behind and one.id != ended.id and one.open:
            yield from _reminded(one, d.due_at(one))


# What operators do


def configure(
    view: View, name: str, command: SubscriptionCommand, secret: bytes | None = None
) -> Sequence[Revision]:
    """Rule: set something for a subscription; empty: it is so already.

    Args:
        view: what the store loaded.
        name: of the subscription.
        command: what is asked.
        secret: the bytes of the secret that the command names.

    Raises:
        Rejected: it cannot be set.
    """
    before = view.subscriptions.get(name)
    if before is None and len(view.subscriptions) >= MOST:
        message = f"expected at most {MOST} subscriptions, the removed ones included"
        raise Rejected(Reason.TOO_LARGE, message, command=type(command).__name__)
    events = decide(name, before, command, view.now)
    if not events:
        return ()
    after = before
    for event in events:
        after = evolve_subscription(name, after, event)
    revision = Revision(
        stream=subscription_stream(name),
        before=before.version if before else Version(0),
        events=events,
        after=after,
        blobs=tuple(_secret(command, after, secret)),
        dropped=tuple(_forgotten(before, after)),
    )
    return (revision,)


def _secret(
    command: SubscriptionCommand, after: Subscription | None, data: bytes | None
) -> Iterator[tuple[Blob, bytes]]:
    named = command.secret if isinstance(command, SetSubscription | Rotate) else None
    kept = after is not None and any(one.blob == named for one in after.secrets)
    if named is not None and data is not None and kept:
        yield named, data


def _forgotten(before: Subscription | None, after: Subscription | None) -> Iterator[str]:
    kept = {one.blob.name for one in after.secrets} if after else set()
    for one in before.secrets if before else ():
        if one.blob.name not in kept:
            yield one.blob.name


def set_seal(view: View, *, close: bool, by: str = "", reason: str = "") -> Sequence[Revision]:
    """Rule: close or open the seal; empty: it is so already."""
    events = seals.decide(view.seal, view.now, close=close, by=by, reason=reason)
    after = view.seal
    for event in events:
        after = seals.evolve(after, event)
    before = view.seal.version
    revision = Revision(stream=seals.SEAL, before=before, events=events, after=after)
    return (revision,) if events else ()


def replay(view: View, delivery: StreamId, by: str = "") -> Sequence[Revision]:
    """Rule: send a delivery again, or at once.

    Raises:
        Rejected: there is none, it is being sent, or its subscription is removed.
    """
    command = d.Replay(by=by)
    one = _known(view, delivery, command)
    if not one.belongs(view.subscriptions.get(one.subscription)):
        message = f"{delivery} cannot be sent: subscription {one.subscription!r} is removed"
        raise Rejected(Reason.UNLAWFUL, message, command="Replay")
    return _revised(one, d.decide(one, command, view.now))


def give_up(view: View) -> Sequence[Revision]:
    """Rule: those of the view that nobody waits for any more are given up."""
    made: list[Revision] = []
    for one in view.deliveries.values():
        if not one.belongs(view.subscriptions.get(one.subscription)):
            made += _revised(one, d.given_up(one, view.now))
    return tuple(made)


def sweep(view: View, *, delivered: timedelta, dead: timedelta) -> Sequence[Revision]:
    """Rule: delete those of the view that were delivered, or given up, so long ago."""
    made: list[Revision] = []
    for one in view.deliveries.values():
        kept = dead if isinstance(one.state, d.Dead) else delivered
        if one.ended_at is not None and one.ended_at + kept <= view.now:
            made += _revised(one, d.decide(one, d.DeleteDelivery(retention=kept), view.now))
    return tuple(made)


def _known(view: View, delivery: StreamId, command: d.DeliveryCommand) -> d.Delivery:
    found = view.deliveries.get(delivery)
    if found is None:
        message = f"there is no {delivery}"
        raise Rejected(Reason.NOT_FOUND, message, command=type(command).__name__)
    return found


def _revised(one: d.Delivery, events: Iterable[d.DeliveryEvent]) -> tuple[Revision, ...]:
    recorded = tuple(events)
    after: d.Delivery | None = one
    for event in recorded:
        after = d.evolve(one.id, after, event)
    remind = None if after is None else d.due_at(after)
    if not recorded:
        return ()
    return (
        Revision(stream=one.id, before=one.version, events=recorded, after=after, remind=remind),
    )
