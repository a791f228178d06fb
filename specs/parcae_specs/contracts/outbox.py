"""What is owed to subscriptions: in the commit of its event, with its bytes, once, in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from attrs import evolve

from parcae import commands as c
from parcae import deliveries as d
from parcae.change import AggregateEvent, stream_of
from parcae.cloudevents import about
from parcae.events import Event
from parcae.filters import Filter
from parcae.outbox_engine import OutboxEngine
from parcae.ports import Deliverable, DeliveryQuery, Named, Recorded, Spent, Store
from parcae.queues import Pause
from parcae.subscriptions import subscription_stream
from parcae.values import JobId, StreamId, Version, WorkerId, seconds
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.graphs import after, grouped
from parcae_specs.contracts.kit import Kit, promise, raised, whole_log
from parcae_specs.contracts.streams import planned
from parcae_specs.subject import Capability

URL = "https://example.org/hook"
SENDER = WorkerId("sender")
TAKEN, REFUSED = d.Attempt(status=204), d.Attempt(status=503)
ENDS = Filter(types=("completed", "cancelled"))


class Outbox(Contract):
    """Requirements 20 and 21, and the selections ``Deliverable`` and ``Spent``."""

    @promise("Store 20", "S14")
    async def test_s14_every_event_that_is_wanted_is_owed_in_the_commit_of_its_rule(
        self, kit: Kit
    ) -> None:
        """S14: whichever rule it came from, and one for each subscription."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL)
        await engine.subscribe("ends", URL, wanted=ENDS)
        job = await driver.submit()
        await driver.submit(after(job))
        (granted,) = await driver.claim(request="1")
        await driver.work(granted)
        other = await driver.submit()
        await driver.tell(other, c.Cancel())
        await grouped(driver, ())
        await driver.set("api", Pause())
        await planned(driver, "nightly", kit.clock.now())
        await _require_owed(driver.store, {"all": Filter(), "ends": ENDS})

    @promise("Store 20", "S14", "S23")
    async def test_s14_nobody_sees_an_event_without_what_it_owes(self, kit: Kit) -> None:
        """S14: it is one commit, for whoever reads at any instant."""
        driver = await kit.driver()
        await OutboxEngine(driver.store).subscribe("all", URL)
        doing = asyncio.gather(*(driver.submit() for _ in range(5)))
        while not doing.done():
            await asyncio.sleep(0)
            log = await driver.store.log()
            seen = {(one.stream, one.version) for one in log if isinstance(one.event, Event)}
            assert seen == _owed(log)["all"], "S14: an event is there, and nobody is owed it"
        await doing

    @promise("Store 20", "S14", "S15")
    async def test_s15_its_bytes_are_kept_and_are_those_of_its_reference(self, kit: Kit) -> None:
        """S15: so every try sends the same."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL)
        job = await driver.submit()
        found = (await engine.deliveries(DeliveryQuery())).deliveries
        bodies = {one.id: await engine.body(one.id) for one in found}
        assert all(map(bytes.__len__, bodies.values())), "S15: the bytes of a delivery are gone"
        given = await engine.take(SENDER, request="1")
        assert {one.delivery: one.body for one in given} == bodies
        for one in given:
            await engine.report(one.delivery, one.token, REFUSED)
        again = {one.id: await engine.body(one.id) for one in found}
        assert again == bodies, f"S15: another body of {job}"

    @promise("Store 20", "Store 21", "S22")
    async def test_s22_a_deleted_job_takes_none_of_its_deliveries_with_it(self, kit: Kit) -> None:
        """S22: with their bytes, for they hold what they send."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL)
        job = await driver.finished()
        before = (await engine.deliveries(DeliveryQuery())).deliveries
        await driver.tell(job, c.Delete())
        page = await engine.deliveries(DeliveryQuery(subject=StreamId(job)))
        left = {one.id for one in page.deliveries}
        assert left >= {one.id for one in before}, "S22: deliveries went with their job"
        assert len(left) == len(before) + 1, "S14: nobody is owed the deletion"
        for one in left:
            assert await engine.body(one), "S22: the bytes of a delivery went with its job"
        given = await engine.take(SENDER, request="1")
        assert {one.delivery for one in given} == left

    @promise("Store 20", "S15")
    async def test_s15_what_is_being_sent_is_given_to_nobody_else(self, kit: Kit) -> None:
        """S15, S25: a repeated request gets the same ones, and another one none of them."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL)
        for _ in range(3):
            await driver.submit()
        first = await engine.take(SENDER, request="1", limit=4)
        again = await engine.take(SENDER, request="1", limit=4)
        tokens = {one.delivery: one.token for one in first}
        assert {one.delivery: one.token for one in again} == tokens, "S25: it got other ones"
        assert all(one.repeated for one in again), "S25: nobody knows that it is a repeat"
        assert not any(one.repeated for one in first)
        rest = await engine.take(SENDER, request="2")
        assert not tokens.keys() & {one.delivery for one in rest}, "S15: somebody is sending these"
        assert (len(first), len(rest)) == (4, 2)
        shared = await asyncio.gather(*(engine.take(SENDER, request=f"r{i}") for i in range(4)))
        assert not any(shared), "S15: given although all are being sent"

    @promise("Store 20", "S15")
    async def test_s15_none_begins_while_the_store_is_sealed(self, kit: Kit) -> None:
        """S15: and once it is unsealed, all that was withheld does."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL)
        await driver.submit()
        await engine.seal(by="ops")
        await driver.submit()
        assert (await driver.shown(Named())).seal.closed, "S15: the seal is not shown"
        assert not await engine.take(SENDER, request="1"), "S15: begun after the seal"
        assert await driver.store.next_delivery() is None
        found = (await engine.deliveries(DeliveryQuery())).deliveries
        watched = {one.standing for one in await engine.watched(found)}
        assert watched == {d.Standing.WITHHELD}
        await engine.unseal()
        given = await engine.take(SENDER, request="1")
        assert {one.delivery for one in given} == {one.id for one in found}

    @promise("Store 20", "S15")
    async def test_s15_an_ordered_subscription_gets_what_happened_to_a_job_in_turn(
        self, kit: Kit
    ) -> None:
        """S15: one after the other, although all of them are due, and of other jobs meanwhile."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL, ordered=True)
        jobs = {StreamId(await driver.submit()), StreamId(await driver.submit())}
        for job in jobs:
            await driver.tell(JobId(job), c.Cancel())
        seen: dict[StreamId, list[Version]] = {job: [] for job in jobs}
        for number in range(3):
            given = await engine.take(SENDER, request=str(number), each=9)
            found = [await engine.delivery(one.delivery) for one in given]
            assert {one.subject for one in found} == jobs, "L4: who waited is forgotten"
            assert len(found) == len(jobs), "S15: sent before the one in front of it"
            for one, dispatch in zip(found, given, strict=True):
                seen[one.subject].append(one.number)
                await engine.report(one.id, dispatch.token, TAKEN)
        assert all(numbers == [1, 2, 3] for numbers in seen.values()), f"out of turn: {seen}"
        assert not await engine.take(SENDER, request="end")

    @promise("Store 20", "S15", "L4")
    async def test_s15_whichever_of_a_job_is_found_the_first_of_them_is_sent(
        self, kit: Kit
    ) -> None:
        """S15, L4: with its own bytes, although there was room for one only."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL, ordered=True)
        job = await driver.submit()
        for _ in range(6):
            await driver.tell(job, c.Annotate(by="me", note="x"))
        for number in range(1, 9):
            (one,) = await engine.take(SENDER, request=str(number), each=1)
            found = await engine.delivery(one.delivery)
            assert found.number == number, "S15: sent before the one in front of it"
            assert one.body == await engine.body(one.delivery)
            assert not await engine.take(SENDER, request="beside", each=1)
            await engine.report(one.delivery, one.token, TAKEN)

    @promise("Store 20", "L4", needs=[Capability.CLOCK])
    async def test_l4_what_is_due_is_found_the_longest_due_first_and_in_its_room(
        self, kit: Kit
    ) -> None:
        """L4: a subscription that has much takes no room from the others."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        for name in ("a", "b"):
            await engine.subscribe(name, URL, wanted=Filter(types=("submitted",)))
        begin = kit.clock.now()
        for number in range(4):
            kit.moved.set(begin + seconds(number))
            await driver.submit()
        assert await driver.store.next_delivery() == begin
        assert await driver.store.next_delivery(begin) == begin + seconds(1)
        for wanted, expected in (
            (_wanted(each=3), {"a": 3, "b": 3}),
            (_wanted(room={"a": 0, "b": 1}), {"b": 1}),
            (_wanted(limit=2), {"a": 1, "b": 1}),
        ):
            found = (await driver.shown(wanted)).deliveries.values()
            assert dict(Counter(one.subscription for one in found)) == expected
            latest = begin + seconds(max(expected.values()) - 1)
            assert max(one.owed_at for one in found) == latest, "L4: not the longest due first"
        kit.moved.set(begin + seconds(1))
        some = (await driver.shown(_wanted())).deliveries
        assert len(some) == 4, "L4: what is due later is shown"

    @promise("Store 20", "Store 21", "S22", needs=[Capability.CLOCK])
    async def test_s22_a_delivery_goes_with_its_bytes_and_its_history_past_its_time(
        self, kit: Kit
    ) -> None:
        """S22: only what has ended, and the log then says so."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL)
        await driver.submit()
        (first, second) = await engine.take(SENDER, request="1")
        await engine.report(first.delivery, first.token, TAKEN)
        begin, ages = kit.clock.now(), (seconds(10), seconds(20))
        kit.moved.set(begin + seconds(9))
        assert await engine.sweep(*ages) == 0
        kit.moved.set(begin + seconds(10))
        assert await engine.sweep(*ages) == 1
        assert await driver.store.aggregate(first.delivery) is None
        assert await engine.body(first.delivery) == b"", "S22: its bytes are left"
        left = [one.event for one in await driver.store.record(first.delivery)]
        assert left == [d.DeliveryDeleted(at=kit.clock.now())]
        assert {one.id for one in (await engine.deliveries(DeliveryQuery())).deliveries} == {
            second.delivery
        }
        late = await raised(engine.report(first.delivery, first.token, TAKEN))
        assert late is not None
        await engine.report(second.delivery, second.token, TAKEN)
        spent = Spent(delivered_before=begin, dead_before=kit.clock.now())
        assert (await driver.shown(spent)).deliveries == {}
        kit.moved.set(begin + seconds(20))
        assert await engine.sweep(*ages) == 1

    @promise("Store 20", "S26")
    async def test_s26_deliveries_are_listed_and_counted_by_what_became_of_them(
        self, kit: Kit
    ) -> None:
        """S26: in pages, newest first, each once."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("a", URL)
        await engine.subscribe("b", URL, wanted=Filter(types=("submitted",)))
        job, _ = await driver.submit(), await driver.submit()
        (first, second, *_) = await engine.take(SENDER, request="1", room={"b": 0})
        await engine.report(first.delivery, first.token, TAKEN)
        await engine.report(second.delivery, second.token, REFUSED)
        assert await driver.store.tally() == {
            ("a", d.Standing.PENDING): 1,
            ("a", d.Standing.DELIVERING): 2,
            ("a", d.Standing.DELIVERED): 1,
            ("b", d.Standing.PENDING): 2,
        }
        every = await _pages(driver.store, DeliveryQuery(limit=2))
        assert [one.id for one in every] == sorted((one.id for one in every), reverse=True)
        assert len(every) == 6
        for query, number in (
            (DeliveryQuery(limit=1, states=frozenset({d.Standing.PENDING})), 3),
            (DeliveryQuery(limit=1, subscriptions=frozenset({"b"})), 2),
            (DeliveryQuery(limit=1, subject=StreamId(job)), 3),
        ):
            assert len(await _pages(driver.store, query)) == number

    @promise("Store 12", "Store 21", "S5")
    async def test_s5_a_secret_is_kept_beside_its_subscription_and_goes_in_the_end(
        self, kit: Kit
    ) -> None:
        """S5: in no event; and once another took its place for good, nowhere."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("hook", URL, secret=b"whsec_one")
        await engine.rotate("hook", b"whsec_two")
        both = (await driver.store.aggregates())[0]
        stream = subscription_stream("hook")
        assert stream_of(both) == stream
        found = (await engine.subscriptions())["hook"]
        assert await engine.secrets(found) == (b"whsec_two", b"whsec_one")
        names = [one.blob.name for one in found.secrets]
        await engine.rotate("hook", b"whsec_three", overlap=seconds(0))
        kept = await driver.store.blobs(JobId(stream), names)
        assert kept == {}, f"{len(kept)} secrets are kept that count no more"
        assert "whsec" not in repr(await whole_log(driver.store))
        await engine.unsubscribe("hook")
        last = [
            one.blob.name for one in (await driver.shown(Named())).subscriptions["hook"].secrets
        ]
        assert last == []

    @promise("Store 20", "S14", "S27", needs=[Capability.DURABLE])
    async def test_s27_all_of_it_is_there_when_the_store_is_opened_again(self, kit: Kit) -> None:
        """S27: subscriptions, the seal, deliveries with their leases and their bytes."""
        driver = await kit.driver()
        engine = OutboxEngine(driver.store)
        await engine.subscribe("all", URL, secret=b"whsec_one")
        await driver.submit()
        given = await engine.take(SENDER, request="1")
        await engine.report(given[0].delivery, given[0].token, REFUSED)
        await engine.seal()
        kept = await driver.store.aggregates(), await driver.store.log(), await driver.store.tally()
        await kit.close(driver.store)
        again = await kit.driver()
        anew = OutboxEngine(again.store)
        found = await again.store.aggregates(), await again.store.log(), await again.store.tally()
        assert found == kept
        assert await anew.secrets((await anew.subscriptions())["all"]) == (b"whsec_one",)
        await anew.unseal()
        repeated = await anew.take(SENDER, request="1")
        assert [one.token for one in repeated] == [given[1].token]
        assert repeated[0].body == given[1].body
        await again.submit()
        assert len((await anew.deliveries(DeliveryQuery())).deliveries) == 4

    @promise("Store 20", "S14", needs=[Capability.SHARED])
    async def test_s14_a_store_that_is_open_twice_knows_who_subscribed_to_the_other(
        self, kit: Kit
    ) -> None:
        """S14, S15: also the seal, at once."""
        one, two = await kit.driver(), await kit.driver()
        await one.submit()
        await OutboxEngine(two.store).subscribe("all", URL)
        await one.submit()
        page = await two.store.deliveries(DeliveryQuery())
        assert len(page.deliveries) == 2, "S14: an open store does not know of a subscription"
        await OutboxEngine(one.store).seal()
        assert not await OutboxEngine(two.store).take(SENDER, request="1")


def _wanted(*, limit: int = 100, each: int = 10, room: dict[str, int] | None = None) -> Deliverable:
    return Deliverable(worker=SENDER, request="r", limit=limit, each=each, room=room or {})


async def _pages(store: Store, query: DeliveryQuery) -> list[d.Delivery]:
    found: list[d.Delivery] = []
    while True:
        page = await store.deliveries(query)
        assert len(page.deliveries) <= query.limit
        found += page.deliveries
        if not page.cursor:
            return found
        query = evolve(query, cursor=page.cursor)


Log = Sequence[Recorded[Event | AggregateEvent]]


def _owed(log: Log) -> dict[str, set[tuple[StreamId, Version]]]:
    """Of which events who is owed a delivery; of none twice."""
    owed: dict[str, set[tuple[StreamId, Version]]] = {"all": set(), "ends": set()}
    for one in log:
        if isinstance(one.event, d.DeliveryOwed):
            told = one.event.subject, one.event.number
            assert told not in owed[one.event.subscription], f"S14: owed twice: {told}"
            owed[one.event.subscription].add(told)
    return owed


async def _require_owed(store: Store, filters: dict[str, Filter]) -> None:
    log = await whole_log(store)
    owed = _owed(log)
    for name, choice in filters.items():
        wanted = {
            (one.stream, one.version)
            for one in log
            if (found := about(one.stream, one.event, None)) is not None
            and choice.takes(found.tag, found.stream)
        }
        missing = wanted - owed[name]
        assert not missing, f"S14: nobody owes {name} {sorted(missing)}"
        assert owed[name] == wanted, f"S14: {name} is owed what it did not ask for"
