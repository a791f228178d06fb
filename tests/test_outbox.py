"""The use cases of webhooks on real stores: what is owed, sent, replayed, forgotten, withheld."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from parcae import Context, Engine, Jobs, Reason, Rejected, fsck
from parcae import commands as c
from parcae import deliveries as d
from parcae.archive_engine import ArchiveEngine
from parcae.change import Revision, View
from parcae.errors import LeaseLost
from parcae.filters import Filter
from parcae.outbox import complete, configure, give_up, sendable, start
from parcae.outbox_engine import OutboxEngine
from parcae.ports import Deliverable, DeliveryQuery, Named, Store
from parcae.queues import Pause, Queue, QueuePaused, queue_stream
from parcae.seal import Seal
from parcae.subscriptions import MOST, Subscription, Unsubscribe
from parcae.values import (
    MAX_DURATION,
    Blob,
    Place,
    StreamId,
    Token,
    Version,
    WorkerId,
    hours,
    minutes,
    seconds,
)
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.memory.outgoing import Outgoing
from parcae_adapters.sqlite import SqliteStore, submit_within
from parcae_adapters.sqlite import statements as sql
from parcae_specs.drive import Driver

URL = "https://example.org/hook"
ANN, BEN = WorkerId("ann"), WorkerId("ben")
YES, NO, GONE = d.Attempt(status=200), d.Attempt(status=500), d.Attempt(status=410)
SUBMITTED = Filter(types=("submitted",))
jobs = Jobs()


@jobs.job("long")
def long(ctx: Context) -> None:
    """Held by somebody."""


class Bench:
    """A store, a clock moved by hand, and short words."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.driver, self.outbox = Driver(store), OutboxEngine(store)

    async def all(self) -> list[d.Delivery]:
        """Every delivery, the oldest name first."""
        return sorted((await self.outbox.deliveries(DeliveryQuery())).deliveries, key=_by_name)


def _by_name(one: d.Delivery) -> str:
    return one.id


Use = Callable[[Bench], Awaitable[None]]
Play = Callable[[Use], None]


@pytest.fixture(params=["memory", "sqlite"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Run something on either store; afterwards every row must be the fold of its events (S5)."""

    def run(use: Use) -> None:
        async def body() -> None:
            clock = ManualClock()
            store: Store = (
                MemoryStore(clock=clock)
                if request.param == "memory"
                else SqliteStore(tmp_path / "jobs.db", clock=clock, durability="normal")
            )
            try:
                await use(Bench(store, clock))
                report = await fsck(store)
                assert report.findings == ()
            finally:
                await store.close()

        asyncio.run(body())

    return run


# Whose what is


def test_given_what_happened_before_when_somebody_subscribes_then_only_the_rest_is_owed(
    play: Play,
) -> None:
    """S14: what is owed is decided by who had subscribed when the commit began."""

    async def use(bench: Bench) -> None:
        await bench.driver.submit()
        made = await bench.outbox.subscribe("hook", URL)
        assert await bench.all() == []
        again = await bench.outbox.subscribe("hook", URL)
        assert again == made
        job = await bench.driver.submit()
        assert {one.subject for one in await bench.all()} == {StreamId(job)}

    play(use)


def test_given_histories_from_elsewhere_when_they_are_restored_then_they_owe_nothing(
    play: Play,
) -> None:
    """S14: somebody was told of them where they happened; and secrets are in no export."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, secret=b"whsec_abc")
        engine = Engine(bench.store)
        await engine.submit(long())
        await bench.driver.set("files", Pause())
        lines = [line async for line in ArchiveEngine(bench.store).export()]
        assert len(lines) > 2
        assert "whsec" not in str(lines)
        assert "example.org" not in str(lines)
        other = MemoryStore(clock=bench.clock)
        await OutboxEngine(other).subscribe("there", URL)
        archive = ArchiveEngine(other)
        plan = await archive.check(lambda: iter(lines))
        assert await archive.restore(lambda: iter(lines), plan) == 2
        assert (await other.deliveries(DeliveryQuery())).deliveries == ()
        await Driver(other).submit()
        assert len((await other.deliveries(DeliveryQuery())).deliveries) == 2

    play(use)


def test_given_a_host_that_hands_a_job_in_when_it_is_admitted_then_that_is_owed(
    tmp_path: Path,
) -> None:
    """S14: what a host wrote in its own transaction is admitted in one that owes."""

    async def use() -> None:
        path = tmp_path / "jobs.db"
        store = SqliteStore(path, durability="normal")
        outbox = OutboxEngine(store)
        await outbox.subscribe("hook", URL, wanted=SUBMITTED)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN")
        job = submit_within(connection, long())
        connection.execute("COMMIT")
        connection.close()
        await store.transact(Named(), lambda _: ())
        found = (await outbox.deliveries(DeliveryQuery())).deliveries
        assert [one.subject for one in found] == [StreamId(job)]
        await store.close()

    asyncio.run(use())


def test_given_a_rule_of_one_commit_then_its_own_subscriptions_count_from_the_next_on() -> None:
    """S14: the view decides, so it does not matter in which order a rule puts what it made."""
    hook = Subscription(name="hook", version=Version(1), url=URL, filter=Filter())
    after = Queue(name="q", version=Version(1))
    paused = Revision(
        stream=queue_stream("q"),
        before=Version(0),
        events=(QueuePaused(at=EPOCH),),
        after=after,
    )
    made = Revision(stream=StreamId("subscription/hook"), before=Version(0), events=(), after=hook)
    empty = View(now=EPOCH, place=Place(1), seed=1)
    assert complete(empty, (made, paused)) == (made, paused)
    there = View(now=EPOCH, place=Place(1), seed=1, subscriptions={"hook": hook})
    (*same, owed) = complete(there, (made, paused))
    assert same == [made, paused]
    assert isinstance(owed, Revision)
    assert isinstance(owed.after, d.Delivery)
    assert (owed.after.subject, owed.after.number) == ("queue/q", 1)


def test_nobody_is_told_of_deliveries_subscriptions_or_the_seal(play: Play) -> None:
    """S14: to tell of a delivery would be another delivery, for ever."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL)
        await bench.outbox.rotate("hook", b"whsec_abc")
        await bench.outbox.seal()
        await bench.outbox.unseal()
        assert await bench.all() == []
        await bench.driver.set("q", Pause())
        (one,) = await bench.outbox.take(ANN, request="1")
        await bench.outbox.report(one.delivery, one.token, YES)
        assert len(await bench.all()) == 1

    play(use)


# Sending


def test_given_a_late_report_then_it_is_evidence_and_the_sender_is_told(play: Play) -> None:
    """S4, S15: the delivery goes on as if nothing had been said."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, wanted=SUBMITTED)
        await bench.driver.submit()
        (first,) = await bench.outbox.take(ANN, request="1", lease=seconds(10))
        bench.clock.advance(seconds(10))
        (second,) = await bench.outbox.take(BEN, request="2")
        assert (second.token, second.tries, second.body) == (Token(2), 1, first.body)
        with pytest.raises(LeaseLost) as lost:
            await bench.outbox.report(first.delivery, first.token, YES)
        assert lost.value.reason is Reason.STALE_TOKEN
        again = await bench.outbox.report(first.delivery, first.token, YES)
        assert isinstance(again.state, d.Sending)
        with pytest.raises(Rejected) as unknown:
            await bench.outbox.report(first.delivery, Token(3), YES)
        assert unknown.value.reason is Reason.UNKNOWN_TOKEN
        done = await bench.outbox.report(second.delivery, second.token, YES)
        assert isinstance(done.state, d.Done)
        kinds = [type(one.event) for one in await bench.outbox.tries(first.delivery)]
        assert kinds.count(d.LateAttemptRecorded) == 1

    play(use)


def test_given_a_receiver_that_is_gone_then_nothing_is_sent_until_it_is_enabled(
    play: Play,
) -> None:
    """L4: what is owed is kept, and says why it waits."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, wanted=SUBMITTED)
        await bench.driver.submit()
        await bench.driver.submit()
        one, other = await bench.outbox.take(ANN, request="1")
        await bench.outbox.report(one.delivery, one.token, GONE)
        await bench.outbox.report(other.delivery, other.token, GONE)
        found = (await bench.outbox.subscriptions())["hook"]
        assert (found.gone, found.active) == (True, False)
        bench.clock.advance(hours(1))
        assert await bench.outbox.take(ANN, request="2") == ()
        assert await bench.store.next_delivery() is None
        watched = await bench.outbox.watched(await bench.all())
        assert {one.standing for one in watched} == {d.Standing.DISABLED}
        await bench.outbox.enable("hook")
        assert len(await bench.outbox.take(ANN, request="3")) == 2

    play(use)


def test_given_a_subscription_when_it_is_removed_then_all_it_is_owed_is_given_up(
    play: Play,
) -> None:
    """L4: at once, however much later it would have been tried; whoever is sending may finish."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, wanted=SUBMITTED)
        for _ in range(3):
            await bench.driver.submit()
        held, late = await bench.outbox.take(ANN, request="1", limit=2)
        await bench.outbox.report(late.delivery, late.token, NO)
        await bench.outbox.unsubscribe("hook")
        states = {one.id: one.state for one in await bench.all()}
        assert isinstance(states.pop(held.delivery), d.Sending)
        assert {type(one) for one in states.values()} == {d.Dead}
        after = await bench.outbox.report(held.delivery, held.token, NO)
        assert isinstance(after.state, d.Dead)
        assert after.state.cause is d.Died.UNSUBSCRIBED
        with pytest.raises(Rejected) as refused:
            await bench.outbox.replay(held.delivery)
        assert refused.value.reason is Reason.UNLAWFUL
        assert await bench.outbox.take(ANN, request="2") == ()

    play(use)


def test_given_a_name_that_was_removed_when_it_is_made_again_then_it_gets_nothing_of_before(
    play: Play,
) -> None:
    """S15: neither what waits, nor what is replayed, nor what a sender of before was told."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, wanted=SUBMITTED)
        await bench.driver.submit()
        await bench.driver.submit()
        held, other = await bench.outbox.take(ANN, request="1")
        await bench.outbox.release(other.delivery, other.token)
        # As if whoever removed it had died over giving up what was left.
        await bench.store.transact(Named(), _unsubscribe)
        await bench.outbox.subscribe("hook", "https://other/", wanted=SUBMITTED)
        assert await bench.outbox.take(BEN, request="2") == ()
        await bench.outbox.report(held.delivery, held.token, GONE)
        assert (await bench.outbox.subscriptions())["hook"].active
        assert {type(one.state) for one in await bench.all()} == {d.Dead}
        await bench.driver.submit()
        (new,) = await bench.outbox.take(BEN, request="3")
        assert new.subscription.url == "https://other/"

    play(use)


def _unsubscribe(view: View) -> list[Revision]:
    return list(configure(view, "hook", Unsubscribe()))


def test_given_one_that_waits_for_another_when_it_is_replayed_then_it_still_waits(
    play: Play,
) -> None:
    """S15: a replay asks for another try, not for another order."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, ordered=True)
        job = await bench.driver.submit()
        await bench.driver.tell(job, c.Cancel())
        (head,) = await bench.outbox.take(ANN, request="1")
        failed = await bench.outbox.report(head.delivery, head.token, NO)
        assert await bench.outbox.take(ANN, request="2") == ()
        behind = next(one for one in await bench.all() if one.number == 2)
        await bench.outbox.replay(behind.id)
        assert await bench.outbox.take(ANN, request="3") == ()
        due = d.due_at(failed)
        assert due is not None
        assert await bench.store.next_delivery(bench.clock.now()) == due
        bench.clock.set(due)
        (again,) = await bench.outbox.take(ANN, request="4")
        assert again.delivery == head.delivery
        await bench.outbox.report(again.delivery, again.token, YES)
        # Who waited is due at once, and not when the one in front would have been.
        (second,) = await bench.outbox.take(ANN, request="5")
        assert second.delivery == behind.id

    play(use)


def test_given_the_one_in_front_dies_then_the_next_is_sent(play: Play) -> None:
    """L4: one that nobody takes holds up those behind it for its tries, and no longer."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, ordered=True)
        job = await bench.driver.submit()
        sent: list[int] = []
        looks = 0
        while len(sent) <= d.TRIES:
            due = await bench.store.next_delivery()
            assert due is not None
            bench.clock.set(max(due, bench.clock.now()))
            looks += 1
            given = await bench.outbox.take(ANN, request=str(looks))
            # Who waits behind it may be due first, and is then put off until it is due.
            assert given or looks < 3 * d.TRIES
            sent += [
                (await bench.outbox.report(one.delivery, one.token, NO)).number for one in given
            ]
        assert sent == [1] * d.TRIES + [2], f"of {job}"

    play(use)


def test_given_a_release_when_it_is_repeated_then_nothing_happens_and_a_token_has_one_word(
    play: Play,
) -> None:
    """S25: the first word of a token counts."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, wanted=SUBMITTED)
        await bench.driver.submit()
        (one,) = await bench.outbox.take(ANN, request="1")
        back = await bench.outbox.release(one.delivery, one.token)
        assert await bench.outbox.release(one.delivery, one.token) == back
        assert await bench.outbox.report(one.delivery, one.token, YES) == back
        (again,) = await bench.outbox.take(ANN, request="2")
        assert again.token == Token(2)

    play(use)


# Operators


def test_given_many_that_died_when_a_filter_is_replayed_then_all_that_can_be_are(
    play: Play,
) -> None:
    """S15: and of the others it says why not."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("a", URL, wanted=SUBMITTED)
        await bench.outbox.subscribe("b", URL, wanted=SUBMITTED)
        for _ in range(3):
            await bench.driver.submit()
        for one in await bench.outbox.take(ANN, request="1"):
            await bench.outbox.report(one.delivery, one.token, YES)
        await bench.outbox.unsubscribe("b")
        done = frozenset({d.Standing.DELIVERED})
        replayed, refused = await bench.outbox.replay_all(DeliveryQuery(states=done), by="ops")
        assert (len(replayed), len(refused)) == (3, 3)
        assert all("removed" in why for why in refused.values())
        given = await bench.outbox.take(ANN, request="2")
        assert {one.delivery for one in given} == set(replayed)

    play(use)


def test_given_a_full_store_when_one_more_subscribes_then_it_is_refused() -> None:
    """S18: each commit is held against all of them."""

    async def use() -> None:
        store = MemoryStore(clock=ManualClock())
        outbox = OutboxEngine(store)
        for number in range(MOST):
            await outbox.subscribe(f"s{number}", URL)
        with pytest.raises(Rejected) as refused:
            await outbox.subscribe("more", URL)
        assert refused.value.reason is Reason.TOO_LARGE
        await outbox.unsubscribe("s1")
        assert (await outbox.subscribe("s1", URL)).life == 1

    asyncio.run(use())


def test_given_a_seal_between_taking_and_reporting_then_the_result_still_counts(
    play: Play,
) -> None:
    """S15: what has begun may end; what has not is withheld, also for who holds it."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL)
        await bench.driver.submit()
        one, other = await bench.outbox.take(ANN, request="1")
        sealed = await bench.outbox.seal(by="ops", reason="an audit")
        assert await bench.outbox.seal() == sealed
        assert await bench.outbox.take(ANN, request="1") == ()
        done = await bench.outbox.report(one.delivery, one.token, YES)
        assert not done.open
        bench.clock.advance(minutes(5))
        assert await bench.outbox.take(BEN, request="2") == ()
        assert (await bench.outbox.sealed()).closed
        await bench.outbox.unseal()
        (again,) = await bench.outbox.take(BEN, request="3")
        assert (again.delivery, again.token) == (other.delivery, Token(2))

    play(use)


def test_given_a_sweep_of_nonsense_then_it_is_refused_and_a_clock_set_back_deletes_nothing(
    play: Play,
) -> None:
    """S21, S22."""

    async def use(bench: Bench) -> None:
        await bench.outbox.subscribe("hook", URL, wanted=SUBMITTED)
        await bench.driver.submit()
        (one,) = await bench.outbox.take(ANN, request="1")
        await bench.outbox.report(one.delivery, one.token, YES)
        for wrong in (timedelta(-1), MAX_DURATION * 2):
            with pytest.raises(ValueError, match="expected retention"):
                await bench.outbox.sweep(wrong, hours(1))
        bench.clock.advance(-hours(3))
        assert await bench.outbox.sweep(seconds(1), seconds(1)) == 0
        bench.clock.advance(hours(3) + seconds(1))
        assert await bench.outbox.sweep(seconds(1), seconds(1)) == 1
        with pytest.raises(Rejected) as refused:
            await bench.outbox.delivery(one.delivery)
        assert refused.value.reason is Reason.NOT_FOUND

    play(use)


def test_rules_that_have_nothing_to_do_do_nothing() -> None:
    """S18: a sealed store gives out nothing, whatever is shown."""
    view = View(now=EPOCH, place=Place(1), seed=1, seal=Seal(since=EPOCH))
    assert start(view, d.Start(worker=ANN, request="r")) == ((), ())
    assert give_up(view) == ()
    assert sendable({}, Seal()) == ()


def test_given_a_file_that_lost_a_body_then_all_others_are_sent_and_the_audit_says_which_is_not(
    tmp_path: Path,
) -> None:
    """L4: what cannot be sent dies of its tries, and keeps nobody from being told."""
    path, clock = tmp_path / "jobs.db", ManualClock()

    async def use() -> None:
        store = SqliteStore(path, clock=clock, durability="normal")
        driver, outbox = Driver(store), OutboxEngine(store)
        await outbox.subscribe("hook", URL, wanted=SUBMITTED)
        for _ in range(3):
            await driver.submit()
        damaged, *others = (await outbox.deliveries(DeliveryQuery())).deliveries
        connection = sqlite3.connect(path)
        with connection:
            connection.execute("DELETE FROM parcae_blobs WHERE job_id = ?", (damaged.id,))
        connection.close()
        (found,) = await store.audit()
        assert found == f"{damaged.id}: a delivery without the body that it sends"
        taken = await outbox.take(ANN, request="0")
        assert {one.delivery for one in taken} == {one.id for one in others}
        for one in taken:
            await outbox.report(one.delivery, one.token, YES)
        for number in range(1, d.TRIES + 1):
            clock.advance(hours(24))
            assert not await outbox.take(ANN, request=f"{number}")
        assert await store.tally() == {
            ("hook", d.Standing.DELIVERED): 2,
            ("hook", d.Standing.DEAD): 1,
        }
        await store.close()

    asyncio.run(use())


# What it costs


def test_what_waits_elsewhere_does_not_matter_for_the_cost_of_a_take(tmp_path: Path) -> None:
    """S26: each line is looked up along an index, and never sorted: counted, not timed."""
    store = SqliteStore(tmp_path / "jobs.db", durability="normal")
    asyncio.run(store.close())
    connection = sqlite3.connect(tmp_path / "jobs.db")
    with connection:
        rows = (
            (
                f"delivery/{n:06}",
                1,
                f"s{n % 100}",
                f"job{n}",
                1,
                "pending",
                None,
                None,
                None,
                n,
                b"",
            )
            for n in range(20_000)
        )
        connection.executemany(sql.PUT_DELIVERY, rows)
    for statement, parameters in (
        (sql.OUTGOING, ("s1", 10**9, 10)),
        (sql.SENDER, ("ann", "r")),
        (sql.HEAD, ("s1", "job1", "")),
        (sql.SPENT, (1, 1, 10)),
    ):
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        steps = [step for *_, step in plan]
        assert not any("TEMP B-TREE" in step for step in steps[:1]), steps
        assert _worked(connection, statement, parameters) < 3_000, statement
    connection.close()


def _worked(connection: sqlite3.Connection, statement: str, parameters: tuple[object, ...]) -> int:
    """About how many instructions of SQLite's machine it takes."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 100
        return 0

    connection.set_progress_handler(count, 100)
    connection.execute(statement, parameters).fetchall()
    connection.set_progress_handler(None, 0)
    return counted


def test_a_view_of_a_hundred_thousand_that_wait_holds_as_many_as_were_asked_for() -> None:
    """S26: in memory too, what is shown is bounded by what was asked for."""
    shelf = Outgoing()
    for number in range(5_000):
        owed = d.DeliveryOwed(
            at=EPOCH,
            subscription=f"s{number % 50}",
            subject=StreamId(f"job{number}"),
            number=Version(1),
            event="submitted",
            body=Blob("body", 2, "ab" * 32),
        )
        name = StreamId(f"delivery/{number:06}")
        after = d.evolve(name, None, owed)
        shelf.write(
            Revision(stream=name, before=Version(0), events=(owed,), after=after, remind=EPOCH)
        )
    lines = tuple(f"s{number}" for number in range(50))
    wanted = Deliverable(worker=ANN, request="r", limit=40, each=3)
    assert len(shelf.found(wanted, lines, EPOCH)) == 40
    assert shelf.next(lines, EPOCH) is None
    assert shelf.next(lines, EPOCH - seconds(1)) == EPOCH
