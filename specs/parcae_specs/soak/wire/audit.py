"""What the soak of the wire left behind, held against what was promised. Pure."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from attrs import frozen
from standardwebhooks import Webhook

from parcae import deliveries as d
from parcae import events as e
from parcae.change import AnyEvent
from parcae.cloudevents import about
from parcae.filters import Filter
from parcae.ports import Recorded
from parcae.values import StreamId
from parcae_specs.soak.wire.receiver import Receipt
from parcae_specs.soak.wire.signing import signed_by

ENDS = (e.Completed, e.Failed, e.Cancelled, e.Compensated, e.Quarantined)
Log = Sequence[Recorded[AnyEvent]]
Owed = tuple[str, str, int]
"""A subscription, the stream of an event, and its version there."""


@frozen(kw_only=True)
class Wanted:
    """A subscription, or a reader: which events are to be told, and whether in order.

    Attributes:
        filter: which.
        ordered: those of one job one after the other.
    """

    filter: Filter
    ordered: bool = False


@frozen(kw_only=True)
class Debt:
    """A delivery, and all that happened to it.

    Attributes:
        id: its stream.
        body: what it sends.
        events: in order, with their places in the log.
    """

    id: StreamId
    body: bytes
    events: Log

    @property
    def owed(self) -> Owed:
        """What it is for."""
        first = self.events[0].event
        assert isinstance(first, d.DeliveryOwed)
        return first.subscription, first.subject, first.number


@frozen(kw_only=True)
class Evidence:
    """All that was left.

    Attributes:
        log: of jobs.
        acked: the jobs that were answered, by the key of the submission.
        wanted: the subscriptions, by name; they were there before the first job.
        debts: the deliveries.
        receipts: what the receiver wrote down.
        secret: by which everything has to be signed.
        heard: what each reader got, and which events it had asked for.
        resets: what readers were told to be missing.
        lives: of the servers: when each was started, and by how much its clock was ahead.
    """

    log: Log
    acked: Mapping[str, Sequence[str]]
    wanted: Mapping[str, Wanted]
    debts: Sequence[Debt]
    receipts: Sequence[Receipt]
    secret: str
    heard: Sequence[tuple[Filter, Sequence[tuple[int, str, str]]]]
    resets: Sequence[str]
    lives: Sequence[tuple[float, float]]


def wrong(found: Evidence) -> Sequence[str]:
    """What should not have been, one sentence each."""
    return [*_jobs(found), *_debts(found), *_told(found), *_order(found), *_heard(found)]


def _jobs(found: Evidence) -> Iterator[str]:
    """S17 and L1: a key is one job, whatever was repeated; and it ended, once (S1)."""
    submitted = {one.stream for one in found.log if isinstance(one.event, e.Submitted)}
    ends = Counter(one.stream for one in found.log if isinstance(one.event, ENDS))
    for key, ids in found.acked.items():
        if len(set(ids)) != 1:
            yield f"S17: {key} is the jobs {sorted(set(ids))}"
    acked = {one for ids in found.acked.values() for one in ids}
    yield from (f"S27: job {one} was acknowledged, and is not there" for one in acked - submitted)
    yield from (f"S17: job {one} is nobody's" for one in submitted - acked)
    for one in submitted:
        if ends[one] != 1:
            yield f"L1: job {one} has {ends[one]} ends"


def _debts(found: Evidence) -> Iterator[str]:
    """S14: each event that a subscription matches is owed exactly once; L4: and was delivered."""
    owed = Counter(one.owed for one in found.debts)
    expected = {
        (name, one.stream, one.version)
        for name, wanted in found.wanted.items()
        for one in selected(found.log, wanted.filter)
    }
    yield from (f"S14: {one} is owed {owed[one]} times" for one in expected if owed[one] != 1)
    yield from (f"S14: {one} is owed for nothing" for one in owed if one not in expected)
    for debt in found.debts:
        after = d.fold(debt.id, [one.event for one in debt.events])  # type: ignore[misc]
        if after is None or not isinstance(after.state, d.Done):
            yield f"L4: {debt.id} is not delivered: {after}"


def selected(log: Log, wanted: Filter) -> Log:
    """The events of jobs that a filter by types takes."""
    found = []
    for one in log:
        told = about(one.stream, one.event, None)
        if told is not None and (not wanted.types or told.tag in wanted.types):
            found.append(one)
    return found


def _told(found: Evidence) -> Iterator[str]:
    """S15 and L4: the receiver has each, with one id and body, and never after it was recorded."""
    got = defaultdict[str, list[Receipt]](list)
    for receipt in found.receipts:
        got[receipt.id].append(receipt)
    names = {d.webhook_id(one.id) for one in found.debts}
    yield from (f"S15: {one} was sent, and never owed" for one in set(got) - names)
    key = Webhook(found.secret)
    for debt in found.debts:
        yield from (f"{debt.id}: {what}" for what in _one(debt, got, key, found.lives))


def _one(
    debt: Debt,
    got: Mapping[str, Sequence[Receipt]],
    key: Webhook,
    lives: Sequence[tuple[float, float]],
) -> Iterator[str]:
    mine = got.get(d.webhook_id(debt.id), ())
    events = [one.event for one in debt.events]
    if not any(one.mood == "take" for one in mine):
        yield "L4: nobody has taken it"
    if any(one.body != debt.body for one in mine):
        yield "S15: it was sent with another body"
    if not all(signed_by(key, one) for one in mine):
        yield "S15: it is not signed"
    _, subject, number = debt.owed
    if json.loads(debt.body)["id"] != f"{subject}/{number}":
        yield f"S15: it does not tell of {subject}/{number}"
    # Each try is begun by a take that was recorded before it.
    starts = sum(isinstance(one, d.DeliveryStarted) for one in events)
    if len(mine) > starts:
        yield f"S15: it came {len(mine)} times, of {starts} tries"
    done = [one for one in events if isinstance(one, d.Delivered)]
    if done and not any(isinstance(one, d.DeliveryReplayed) for one in events):
        recorded = machine_time(done[0].at.timestamp(), lives)
        late = [one.signed for one in mine if one.signed > recorded]
        if late:
            yield f"S15: it was sent at {late[-1]}, and recorded as delivered at {recorded}"


def machine_time(at: float, lives: Sequence[tuple[float, float]]) -> float:
    """When the machine's own clock showed what a server's clock, ahead of it, called ``at``.

    Clocks are put ahead only, so that no two servers ever had the same time.
    """
    began = [(start, ahead) for start, ahead in lives if start + ahead <= at]
    return at - began[-1][1]


def _order(found: Evidence) -> Iterator[str]:
    """In an ordered subscription none of a job's is begun before the one before it is over."""
    by_job = defaultdict[tuple[str, str], list[Debt]](list)
    for debt in found.debts:
        name, subject, _ = debt.owed
        if found.wanted[name].ordered:
            by_job[name, subject].append(debt)
    for debts in by_job.values():
        debts.sort(key=lambda one: one.owed[2])
        for before, after in pairwise(debts):
            begun, over = _place(after, d.DeliveryStarted), _place(before, d.Delivered)
            if begun is not None and (over is None or begun < over):
                yield f"{after.id}: it was begun before {before.id} was over"


def _place(debt: Debt, kind: type) -> int | None:
    """Where in the log the first of these is."""
    return next((one.position for one in debt.events if isinstance(one.event, kind)), None)


def _heard(found: Evidence) -> Iterator[str]:
    """S16: each reader has had every event once, in order."""
    yield from (f"S16: something was said to be missing: {one}" for one in found.resets)
    for wanted, got in found.heard:
        expected = [
            (one.position, f"{one.stream}/{one.version}") for one in selected(found.log, wanted)
        ]
        had = [(position, name) for position, name, _ in got]
        if had != expected:
            missing, more = set(expected) - set(had), set(had) - set(expected)
            yield (
                f"S16: of {len(expected)} events a reader had {len(had)}, {len(missing)} missing, "
                f"{len(more)} unknown, {len(had) - len(set(had))} twice"
            )
