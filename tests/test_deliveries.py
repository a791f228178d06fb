"""One delivery: given what has happened to it, when somebody asks something, then these events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve as replace
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from parcae import deliveries as d
from parcae.deliveries.policy import JITTER, RELEASES
from parcae.errors import Corrupt, ParcaeError, Reason, Rejected
from parcae.filters import Filter
from parcae.seal import Seal
from parcae.subscriptions import Subscription
from parcae.telling import tell_delivery
from parcae.values import (
    Blob,
    Instant,
    StreamId,
    Token,
    Version,
    WorkerId,
    hours,
    minutes,
    seconds,
)
from parcae_adapters.clock import EPOCH

NAME = StreamId("delivery/one")
ANN, BEN = WorkerId("ann"), WorkerId("ben")
ONE, TWO = Token(1), Token(2)
OWED = d.DeliveryOwed(
    at=EPOCH,
    subscription="hook",
    subject=StreamId("job"),
    number=Version(3),
    event="completed",
    body=Blob("body", 2, "ab" * 32),
)
DAY = hours(24)
YES, NO, GONE = d.Attempt(status=204), d.Attempt(status=500), d.Attempt(status=410)


def at(offset: float) -> Instant:
    return EPOCH + seconds(offset)


def started(token: int = 1, begun: float = 0, until: float = 60) -> d.DeliveryStarted:
    return d.DeliveryStarted(
        at=at(begun), token=Token(token), worker=ANN, request="r", until=at(until)
    )


def after(*events: d.DeliveryEvent) -> d.Delivery:
    found = d.fold(NAME, (OWED, *events))
    assert found is not None
    return found


def tired(tries: int = d.TRIES - 1) -> list[d.DeliveryEvent]:
    """So many tries that failed at once."""
    events: list[d.DeliveryEvent] = []
    for token in range(1, tries + 1):
        events.append(started(token))
        events.append(d.DeliveryFailed(at=EPOCH, token=Token(token), retry_at=EPOCH, attempt=NO))
    return events


# What one command brings about


def test_given_it_is_owed_when_somebody_takes_it_then_it_is_theirs_for_a_while() -> None:
    events = d.decide(after(), d.Start(worker=ANN, request="r"), at(0))
    assert events == (started(),)


def test_given_a_try_is_due_later_when_somebody_takes_it_then_it_is_refused() -> None:
    failed = d.DeliveryFailed(at=EPOCH, token=ONE, retry_at=at(5), attempt=NO)
    with pytest.raises(Rejected) as refused:
        d.decide(after(started(), failed), d.Start(worker=ANN, request="r"), at(4.9))
    assert refused.value.reason is Reason.NOT_DUE


def test_given_it_is_being_sent_when_it_is_taken_then_only_a_repeat_is_granted() -> None:
    """S25: the very request gets the same lease; nobody else gets one before it is over."""
    held = after(started())
    assert d.decide(held, d.Start(worker=ANN, request="r"), at(59)) == ()
    for other in (d.Start(worker=BEN, request="r"), d.Start(worker=ANN, request="s")):
        with pytest.raises(Rejected) as refused:
            d.decide(held, other, at(59))
        assert refused.value.reason is Reason.HELD


def test_given_its_sender_was_not_heard_of_when_another_takes_it_then_a_try_is_burned() -> None:
    """L4: whoever dies over a delivery has it sent again."""
    events = d.decide(after(started()), d.Start(worker=BEN, request="s"), at(60))
    assert [type(one) for one in events] == [d.DeliveryLost, d.DeliveryStarted]
    assert events[-1] == d.DeliveryStarted(
        at=at(60), token=TWO, worker=BEN, request="s", until=at(120)
    )
    assert after(started(), *events).tries == 1


def test_given_the_last_try_was_lost_when_somebody_takes_it_then_it_is_given_up() -> None:
    """S19: a delivery that kills its senders is not sent for ever."""
    last = after(*tired(), started(d.TRIES))
    events = d.decide(last, d.Start(worker=BEN, request="s"), at(60))
    assert events == (
        d.DeliveryLost(at=at(60), token=Token(d.TRIES)),
        d.DeliveryDied(at=at(60), cause=d.Died.EXHAUSTED),
    )


@pytest.mark.parametrize("status", [200, 204, 299])
def test_given_it_is_being_sent_when_the_receiver_takes_it_then_it_is_delivered(
    status: int,
) -> None:
    said = d.Attempt(status=status, latency=seconds(1), excerpt="thanks")
    events = d.decide(after(started()), d.Report(token=ONE, attempt=said), at(1))
    assert events == (d.Delivered(at=at(1), token=ONE, attempt=said),)


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 308, 404, 410, 429, 500])
def test_given_it_is_being_sent_when_the_receiver_says_anything_else_then_it_is_tried_again(
    status: int | None,
) -> None:
    """L4: a redirect is a failure like any other."""
    said = d.Attempt(status=status)
    (event,) = d.decide(after(started()), d.Report(token=ONE, attempt=said), at(1))
    assert isinstance(event, d.DeliveryFailed)
    least, most = seconds(5) * (100 - JITTER) / 100, seconds(5) * (100 + JITTER) / 100
    assert least <= event.retry_at - at(1) <= most


@pytest.mark.parametrize("attempt", [NO, GONE, d.Attempt(error="TimeoutError")])
def test_given_the_last_try_when_it_fails_then_it_is_dead(attempt: d.Attempt) -> None:
    """L4: what cannot be delivered is dead and kept, also where the receiver says it is gone."""
    last = after(*tired(), started(d.TRIES))
    token = Token(d.TRIES)
    events = d.decide(last, d.Report(token=token, attempt=attempt), at(1))
    died = d.DeliveryDied(at=at(1), cause=d.Died.EXHAUSTED, token=token, attempt=attempt)
    assert events == (died,)


def test_given_its_lease_is_over_when_its_sender_reports_then_that_counts() -> None:
    """S4: nobody else holds it, so the truth is taken however late it comes."""
    events = d.decide(after(started()), d.Report(token=ONE, attempt=YES), at(3_600))
    assert events == (d.Delivered(at=at(3_600), token=ONE, attempt=YES),)


def test_given_another_holds_it_when_the_former_sender_reports_then_it_is_evidence_once() -> None:
    """S4, S25: also a success: it is sent again, for nobody knew in time."""
    second = after(started(), d.DeliveryLost(at=at(60), token=ONE), started(2, 60, 120))
    command = d.Report(token=ONE, attempt=YES)
    events = d.decide(second, command, at(61))
    assert events == (d.LateAttemptRecorded(at=at(61), token=ONE, attempt=YES),)
    later = d.evolve(NAME, second, events[0])
    assert later is not None
    assert later.state == second.state
    assert d.decide(later, command, at(62)) == ()


def test_given_a_result_was_recorded_when_it_is_repeated_then_nothing_happens() -> None:
    """S25: whatever became of the delivery since."""
    failed = d.DeliveryFailed(at=EPOCH, token=ONE, retry_at=at(5), attempt=NO)
    for later in ((), (started(2, 5, 65),)):
        found = after(started(), failed, *later)
        assert d.decide(found, d.Report(token=ONE, attempt=NO), at(6)) == ()
        assert d.decide(found, d.Report(token=ONE, attempt=YES), at(6)) == ()


@pytest.mark.parametrize("token", [-1, 0, 2])
def test_given_a_token_that_nobody_was_given_when_it_is_used_then_it_is_refused(token: int) -> None:
    """S3: a token that was never given proves nothing."""
    for command in (d.Report(token=Token(token), attempt=YES), d.Release(token=Token(token))):
        with pytest.raises(Rejected) as refused:
            d.decide(after(started()), command, at(1))
        assert refused.value.reason is Reason.UNKNOWN_TOKEN


def test_given_it_is_given_back_unsent_then_no_try_is_burned_up_to_a_bound() -> None:
    """S19: beyond it each burns one, so that nobody hands it around for ever."""
    found, burned = after(), []
    for token in range(1, RELEASES + d.TRIES + 1):
        found = replace(found, state=started_state(token), token=Token(token))
        events = d.decide(found, d.Release(token=Token(token)), at(1))
        burned += [one.burned for one in events if isinstance(one, d.DeliveryReleased)]
        for event in events:
            next_one = d.evolve(NAME, found, event)
            assert next_one is not None
            found = next_one
    assert burned == [False] * RELEASES + [True] * (d.TRIES - 1)
    assert found.state == d.Dead(at=at(1), cause=d.Died.EXHAUSTED)


def started_state(token: int) -> d.Sending:
    return d.Sending(token=Token(token), worker=ANN, request="r", since=EPOCH, until=at(60))


@pytest.mark.parametrize(
    "past",
    [
        (),
        (started(), d.DeliveryFailed(at=EPOCH, token=ONE, retry_at=at(9), attempt=NO)),
        (started(), d.Delivered(at=EPOCH, token=ONE, attempt=YES)),
        (d.DeliveryDied(at=EPOCH, cause=d.Died.EXHAUSTED),),
    ],
)
def test_given_nobody_holds_it_when_it_is_replayed_then_it_is_due_now_with_all_its_tries(
    past: Sequence[d.DeliveryEvent],
) -> None:
    """S15: this alone sends a delivered one again, under the same name and with the same body."""
    before = after(*past)
    (event,) = d.decide(before, d.Replay(by="ops"), at(1))
    assert event == d.DeliveryReplayed(at=at(1), by="ops")
    found = d.evolve(NAME, before, event)
    assert found is not None
    assert (found.state, found.tries, found.replays) == (d.Waiting(at=at(1)), 0, 1)
    assert (found.id, found.body, found.token) == (before.id, before.body, before.token)


def test_given_it_is_being_sent_when_it_is_replayed_then_not_before_its_lease_is_over() -> None:
    """S4: nobody sends it beside its sender."""
    with pytest.raises(Rejected) as refused:
        d.decide(after(started()), d.Replay(), at(59))
    assert refused.value.reason is Reason.HELD
    events = d.decide(after(started()), d.Replay(), at(60))
    assert events == (d.DeliveryLost(at=at(60), token=ONE), d.DeliveryReplayed(at=at(60)))


def test_given_it_has_ended_when_it_is_deleted_then_only_past_its_retention() -> None:
    """S22: an open one is deleted by nobody."""
    ended = after(started(), d.Delivered(at=at(1), token=ONE, attempt=YES))
    keep = d.DeleteDelivery(retention=seconds(10))
    for found, now, reason in (
        (after(), at(99), Reason.UNLAWFUL),
        (after(started()), at(99), Reason.UNLAWFUL),
        (ended, at(10.9), Reason.RETAINED),
    ):
        with pytest.raises(Rejected) as refused:
            d.decide(found, keep, now)
        assert refused.value.reason is reason
    (event,) = d.decide(ended, keep, at(11))
    assert event == d.DeliveryDeleted(at=at(11))
    assert d.evolve(NAME, ended, event) is None


def test_given_its_subscription_is_removed_then_it_is_given_up_once_its_sender_is_through() -> None:
    """S4: a sender that holds it may still say what came of it."""
    died = d.DeliveryDied(at=at(60), cause=d.Died.UNSUBSCRIBED)
    assert d.given_up(after(), at(60)) == (died,)
    assert d.given_up(after(started()), at(59)) == ()
    lost = d.DeliveryLost(at=at(60), token=ONE)
    assert d.given_up(after(started()), at(60)) == (lost, died)
    ended = after(started(), d.Delivered(at=at(1), token=ONE, attempt=YES))
    assert d.given_up(ended, at(60)) == ()


# When it is tried again


@given(tries=st.integers(1, 30), seed=st.integers())
def test_each_wait_is_within_a_tenth_of_the_schedule(tries: int, seed: int) -> None:
    wait = d.next_try(EPOCH, tries, None, seed) - EPOCH
    plan = d.WAITS[min(tries, len(d.WAITS)) - 1]
    assert plan * (100 - JITTER) / 100 <= wait <= plan * (100 + JITTER) / 100
    assert d.next_try(EPOCH, tries, None, seed) - EPOCH == wait


@given(asked=st.timedeltas(timedelta(0), (DAY * 300)), tries=st.integers(1, 9))
def test_a_receiver_is_left_alone_for_as_long_as_it_asks_but_not_for_ever(
    asked: timedelta, tries: int
) -> None:
    plain = d.next_try(EPOCH, tries, None, "x") - EPOCH
    wait = d.next_try(EPOCH, tries, asked, "x") - EPOCH
    assert wait == max(plain, min(asked, d.LONGEST_WAIT))


def test_ten_tries_take_about_three_days() -> None:
    assert d.TRIES == 10
    assert (DAY * 3) <= sum(d.WAITS, start=timedelta(0)) <= (DAY * 4)
    # What failed together comes apart.
    assert len({d.next_try(EPOCH, 1, None, name) for name in range(50)}) > 40


# Any sequence of commands, by whoever, with clocks that jump

COMMANDS = st.one_of(
    st.builds(
        d.Start,
        worker=st.sampled_from([ANN, BEN]),
        request=st.sampled_from(["r", "s"]),
        lease=st.sampled_from([seconds(1), minutes(1)]),
    ),
    st.builds(
        d.Report,
        token=st.integers(0, 6).map(Token),
        attempt=st.sampled_from([YES, NO, NO, NO, d.Attempt(error="x", retry_after=hours(9))]),
    ),
    st.builds(d.Release, token=st.integers(0, 6).map(Token)),
    st.builds(d.Replay),
    st.builds(d.DeleteDelivery, retention=st.sampled_from([seconds(0), hours(1)])),
)
JUMPS = st.sampled_from([0.0, 0.0, 1.0, 5.5, 61.0, 90_000.0, -30.0, -100_000.0])


@frozen
class Step:
    before: d.Delivery
    event: d.DeliveryEvent
    now: Instant


def lived(steps: Sequence[tuple[d.DeliveryCommand, float]]) -> tuple[list[Step], d.Delivery | None]:
    """Give a delivery these commands; each step of what came of them."""
    found: d.Delivery | None = after()
    now, story = EPOCH + (DAY * 2_000), []
    for command, jump in steps:
        now += seconds(jump)
        if found is None:
            break
        if isinstance(command, d.Report | d.Release) and command.token == 0:
            command = replace(command, token=found.token)
        try:
            events = d.decide(found, command, now)
        except ParcaeError:
            continue
        for event in events:
            assert found is not None
            story.append(Step(found, event, now))
            found = d.evolve(NAME, found, event)
    return story, found


@given(st.lists(st.tuples(COMMANDS, JUMPS), max_size=60))
def test_whatever_is_asked_in_whatever_order_the_promises_of_a_delivery_hold(
    steps: Sequence[tuple[d.DeliveryCommand, float]],
) -> None:
    """S3, S4, S15, S19, S25: tokens grow, tries are bounded, and the delivered is not sent."""
    story, last = lived(steps)
    assert last == d.fold(NAME, (OWED, *(step.event for step in story))), "S5"
    tokens = [one.event.token for one in story if isinstance(one.event, d.DeliveryStarted)]
    assert tokens == list(range(1, len(tokens) + 1)), f"S3: {tokens}"
    burned, over, heard = 0, False, []
    for step in story:
        event = step.event
        if isinstance(event, d.DeliveryReplayed):
            burned, over = 0, False
        assert not (over and isinstance(event, d.DeliveryStarted)), "S15: begun after it was over"
        if isinstance(event, d.DeliveryFailed | d.DeliveryLost):
            burned += 1
        if isinstance(event, d.DeliveryReleased):
            burned += event.burned
        assert burned <= d.TRIES, "S19"
        if isinstance(event, d.Delivered | d.DeliveryDied):
            over = True
        if isinstance(event, d.Delivered | d.DeliveryFailed | d.LateAttemptRecorded):
            heard.append(event.token)
        if isinstance(event, d.LateAttemptRecorded):
            assert not isinstance(step.before.state, d.Sending) or (
                step.before.state.token != event.token
            ), "S4: evidence from the holder"
        tell_delivery(event)
    assert len(heard) == len(set(heard)), "S25: heard twice under one token"


@given(st.lists(st.tuples(COMMANDS, JUMPS), max_size=60))
def test_what_is_open_is_looked_at_again_and_what_is_over_is_not(
    steps: Sequence[tuple[d.DeliveryCommand, float]],
) -> None:
    """L4: nothing that is owed is forgotten: when it is due, somebody may take it."""
    _, last = lived(steps)
    if last is None:
        return
    due = d.due_at(last)
    assert (due is not None) == last.open == (last.ended_at is None)
    if due is not None:
        events = d.decide(last, d.Start(worker=BEN, request="new"), due)
        assert isinstance(events[-1], d.DeliveryStarted | d.DeliveryDied)


STATES: Mapping[str, d.Waiting | d.Sending | d.Done | d.Dead] = {
    "waiting": d.Waiting(at=EPOCH),
    "sending": d.Sending(token=ONE, worker=ANN, request="r", since=EPOCH, until=at(60)),
    "done": d.Done(at=EPOCH),
    "dead": d.Dead(at=EPOCH, cause=d.Died.EXHAUSTED),
}


def test_the_table_in_the_specification_says_what_may_follow_what() -> None:
    """S2: no other event follows, and each leads where it says."""
    page = (Path(__file__).parent.parent / "specs" / "lifecycle.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+|–) \| ((?:`\w+` ?)+) \| (\w+) \|$", page, re.MULTILINE)
    told = {(a, one, b) for a, names, b in rows for one in re.findall(r"`(\w+)`", names)}
    kinds = {type(one).__name__ for one in EVENTS}
    expected = {row for row in told if row[1] in kinds}
    found = {("–", "DeliveryOwed", "waiting")}
    for name, state in STATES.items():
        token = Token(1 if name == "sending" else 0)
        before = replace(after(), state=state, token=token)
        for event in EVENTS:
            try:
                then = d.evolve(NAME, before, event)
            except Corrupt:
                continue
            to = "gone" if then is None else type(then.state).__name__.lower()
            found.add((name, type(event).__name__, to))
    assert found == expected


EVENTS: Sequence[d.DeliveryEvent] = (
    OWED,
    started(1),
    started(2),
    d.Delivered(at=EPOCH, token=ONE, attempt=YES),
    d.DeliveryFailed(at=EPOCH, token=ONE, retry_at=at(1), attempt=NO),
    d.DeliveryLost(at=EPOCH, token=ONE),
    d.DeliveryReleased(at=EPOCH, token=ONE),
    d.DeliveryDied(at=EPOCH, cause=d.Died.EXHAUSTED),
    d.DeliveryDied(at=EPOCH, cause=d.Died.EXHAUSTED, token=ONE, attempt=NO),
    d.DeliveryReplayed(at=EPOCH),
    d.LateAttemptRecorded(at=EPOCH, token=ONE, attempt=YES),
    d.DeliveryDeleted(at=EPOCH),
)


@given(st.lists(st.sampled_from(EVENTS), max_size=6))
def test_a_history_that_nobody_can_have_written_is_corrupt_and_never_a_crash(
    events: Sequence[d.DeliveryEvent],
) -> None:
    """S5: a fold either makes sense or says that it does not."""
    try:
        found = d.fold(NAME, events)
    except Corrupt:
        return
    ended = any(isinstance(one, d.DeliveryDeleted) for one in events[-1:])
    assert (found is None) == (not events or ended)
    if found is not None:
        begun = max(i for i, one in enumerate(events) if isinstance(one, d.DeliveryOwed))
        assert found.version == len(events) - begun


# Where it stands


def test_sealed_and_disabled_are_derived_and_never_the_deliverys_own() -> None:
    """S15: so a seal or a pause of a hundred thousand deliveries writes none of them."""
    hook = Subscription(name="hook", version=Version(1), url="https://a", filter=Filter())
    closed = Seal(version=Version(1), since=EPOCH)
    done = after(started(), d.Delivered(at=EPOCH, token=ONE, attempt=YES))
    dead = after(d.DeliveryDied(at=EPOCH, cause=d.Died.EXHAUSTED))
    off = replace(hook, disabled_at=EPOCH)
    for found, to, seal, expected in (
        (after(), hook, Seal(), d.Standing.PENDING),
        (after(), hook, closed, d.Standing.WITHHELD),
        (after(), off, Seal(), d.Standing.DISABLED),
        (after(), off, closed, d.Standing.WITHHELD),
        (after(), replace(hook, removed=True), Seal(), d.Standing.DISABLED),
        (after(), replace(hook, life=1), Seal(), d.Standing.DISABLED),
        (after(started()), off, closed, d.Standing.DELIVERING),
        (done, off, closed, d.Standing.DELIVERED),
        (dead, off, closed, d.Standing.DEAD),
    ):
        assert d.standing(found, to, seal) is expected


def test_a_receiver_knows_it_by_one_name_over_all_tries() -> None:
    """S15: the name follows from whose it is of what."""
    name = d.delivery_id(EPOCH, "hook", "job", 3)
    assert d.delivery_id(EPOCH, "hook", "job", 3) == name
    others = {
        d.delivery_id(EPOCH, "hook", "job", 4),
        d.delivery_id(EPOCH, "hook", "bob", 3),
        d.delivery_id(EPOCH, "cook", "job", 3),
    }
    assert len(others | {name}) == 4
    assert d.webhook_id(name) == name.removeprefix("delivery/")
