"""Beside the jobs: looking without a lock, the register of workers, what retention looks for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve as replace

from parcae import commands as c
from parcae.change import Change, Key, KeyRow, View
from parcae.ports import Named, Overdue, Store
from parcae.retention import hold
from parcae.state import Ended
from parcae.values import FIRST_INSTANT, LAST_INSTANT, Instant, JobId, Status, WorkerId, hours
from parcae.workers import KEPT, MOST_WORKERS, Presence, until
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, everything, promise
from parcae_specs.drive import Driver, spec
from parcae_specs.subject import Capability

MOMENT = timedelta(microseconds=1)


def presence(name: str, now: Instant) -> Presence:
    """A worker that is there at ``now``."""
    return Presence(id=WorkerId(name), started_at=now, heard_at=now, until=until(now))


class Desk(Contract):
    """Requirements 16 to 19."""

    @promise("Store 16", "S26")
    async def test_s26_what_is_looked_at_is_what_a_rule_is_shown(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit(key="k")
        late = await driver.submit(replace(spec(), deadline=kit.clock.now() + MOMENT))
        kit.moved.advance(timedelta(seconds=1))
        before = await everything(driver.store)
        for selection in (
            Named(ids=(job,), keys=(Key(scope="submit", key="k"),), blobs=True),
            Named(queues=("default",)),
            Overdue(limit=5),
        ):
            shown, looked = await driver.shown(selection), await driver.store.look(selection)
            assert _timeless(looked) == _timeless(shown), "who looks is shown something else"
            assert list(looked.jobs) == list(shown.jobs)
        assert list((await driver.store.look(Overdue())).jobs) == [late]
        assert await everything(driver.store) == before

    @promise("Store 17", "S26")
    async def test_s26_given_workers_that_come_and_go_then_the_register_has_those_that_are_there(
        self, kit: Kit
    ) -> None:
        store = await kit.open()
        now, log = kit.clock.now(), await store.log()
        full = Presence(
            id=WorkerId("b"),
            host="tower",
            pid=7,
            kinds=("x", "y"),
            queues=("mail",),
            capacity=3,
            abandoned=2,
            started_at=now,
            heard_at=now + MOMENT,
            until=now + hours(1),
            draining=True,
            version="1.2",
        )
        await store.enlist(full)
        await store.enlist(presence("a", now))
        assert await store.workers() == (presence("a", now), full)
        again = replace(presence("a", now + MOMENT), started_at=now)
        await store.enlist(again)
        assert await store.workers() == (again, full)
        await store.dismiss(WorkerId("b"))
        await store.dismiss(WorkerId("nobody"))
        assert await store.workers() == (again,), "a worker that said farewell is there"
        assert await store.log() == log

    @promise("Store 17", "S26")
    async def test_s26_given_workers_long_gone_then_the_register_forgets_them(
        self, kit: Kit
    ) -> None:
        store = await kit.open()
        now = kit.clock.now()
        gone = presence("gone", now)
        await store.enlist(gone)
        await store.enlist(presence("new", gone.until + KEPT))
        assert len(await store.workers()) == 2
        await store.enlist(presence("new", gone.until + KEPT + MOMENT))
        left = [one.id for one in await store.workers()]
        assert left == ["new"], "a worker long gone is still there"

    @promise("Store 17", "S26", long=True)
    async def test_s26_given_more_workers_than_there_is_room_for_then_the_first_gone_give_way(
        self, kit: Kit
    ) -> None:
        store = await kit.open()
        now = kit.clock.now()
        crowd = [presence(f"w{n:05}", now + n * MOMENT) for n in range(MOST_WORKERS + 2)]
        await asyncio.gather(*map(store.enlist, crowd))
        found = [one.id for one in await store.workers()]
        assert found == [f"w{number:05}" for number in range(2, MOST_WORKERS + 2)]

    @promise("Store 17", "S26", needs=[Capability.SHARED])
    async def test_s26_given_two_stores_then_each_sees_the_workers_of_the_other(
        self, kit: Kit
    ) -> None:
        one, other = await kit.open(), await kit.open()
        await one.enlist(presence("a", kit.clock.now()))
        assert [each.id for each in await other.workers()] == ["a"]
        await other.dismiss(WorkerId("a"))
        assert await one.workers() == ()

    @promise("Store 18", "S22", needs=[Capability.CLOCK])
    async def test_s22_what_has_ended_is_found_by_its_end_the_first_one_first(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        done = await driver.finished()
        names = [await driver.submit() for _ in range(4)]
        for name in reversed(names):
            await driver.tell(name, c.Cancel())
            kit.moved.advance(timedelta(seconds=1))
        found = await _ended(driver.store, Status.CANCELLED, LAST_INSTANT, 2)
        assert found == list(reversed(names))
        stored = await driver.store.fetch(found[1])
        assert stored is not None
        assert isinstance(stored.job.state, Ended)
        second = stored.job.state.at
        early = await _ended(driver.store, Status.CANCELLED, second, 2)
        assert early == found[:2], "S22: found too early"
        assert await _ended(driver.store, Status.CANCELLED, second - MOMENT, 2) == found[:1]
        assert await _ended(driver.store, Status.COMPLETED, LAST_INSTANT, 2) == [done]
        assert await _ended(driver.store, Status.FAILED, LAST_INSTANT, 2) == []
        await driver.tell(found[0], c.Delete(retention=timedelta(0)))
        assert await _ended(driver.store, Status.CANCELLED, LAST_INSTANT, 2) == found[1:]

    @promise("Store 19", "S17", "S22")
    async def test_s17_only_keys_that_are_over_go_and_of_the_named_scopes_only(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        now = kit.clock.now()
        rows = [
            _row("submit", "first", job, now - hours(2)),
            _row("submit", "second", job, now - hours(1)),
            _row("submit", "on", job, now),
            _row("unique", "third", job, now - hours(1)),
            _row("unique", "for ever", job, None),
            _row("rate", "default", job, now - hours(2)),
        ]
        await _write(driver, job, rows)
        log, scopes, over = await driver.store.log(), ("submit", "unique"), now - hours(1)
        gone = await driver.store.expire(scopes, over - hours(2))
        assert gone == 0, "S17: a key is gone before its time"
        assert await driver.store.expire(scopes, over, 1) == 1
        assert len(await _left(driver, rows)) == len(rows) - 1
        assert await driver.store.expire(scopes, over) == 2, "S22: a key that counts is gone"
        assert await driver.store.expire(scopes, over) == 0
        assert await _left(driver, rows) == [rows[2], rows[4], rows[5]]
        assert await driver.store.log() == log


def _timeless(view: View) -> View:
    """A view without what is new in each."""
    return replace(view, now=FIRST_INSTANT, seed=0)


async def _ended(store: Store, status: Status, before: Instant, limit: int) -> list[JobId]:
    found: list[JobId] = []
    cursor = ""
    while True:
        page = await store.ended(status, before, cursor=cursor, limit=limit)
        assert len(page.jobs) <= limit
        found += [one.job.id for one in page.jobs]
        cursor = page.cursor
        if not cursor:
            return found


def _row(scope: str, name: str, job: JobId, expires_at: Instant | None) -> KeyRow:
    key = Key(scope=scope, key=name)
    return KeyRow(key=key, fingerprint="", job_id=job, expires_at=expires_at)


async def _write(driver: Driver, job: JobId, rows: Sequence[KeyRow]) -> None:
    def rule(view: View) -> Sequence[Change]:
        return [replace(hold(view, job), keys=tuple(rows))]

    await driver.store.transact(Named(ids=(job,)), rule)


async def _left(driver: Driver, rows: Sequence[KeyRow]) -> list[KeyRow]:
    view = await driver.shown(Named(keys=tuple(row.key for row in rows)))
    return [view.keys[row.key] for row in rows if row.key in view.keys]
