"""What is kept of a change: versions, rows, keys, blobs and places; and what is left of an end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve as replace

from parcae import commands as c
from parcae import handle as rules
from parcae.admit import submit
from parcae.answers import Admitted
from parcae.change import Change, Key, KeyRow, View
from parcae.effects import Offer, Remind
from parcae.errors import LeaseLost, Reason
from parcae.events import Deleted, Started
from parcae.handle import Held
from parcae.ports import Named, Query
from parcae.shape import Moves, Shape
from parcae.state import Ended
from parcae.values import JobId, Status, Token, Version, blob, seconds
from parcae_specs.contracts.atomic import note, two
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, everything, promise, quiet, refused, row
from parcae_specs.drive import PAYLOAD, Driver, result, spec
from parcae_specs.subject import Capability

KEY = Key(scope="submit", key="k")


class Rows(Contract):
    """Requirements 5 to 9."""

    @promise("Store 5", "S5")
    async def test_s5_a_job_from_its_submission_to_its_end_is_the_fold_of_its_events(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.finished()
        stored = await row(driver.store, job)
        assert stored.job.status is Status.COMPLETED
        assert stored.liveness is None
        history = await driver.store.history(job)
        assert [one.version for one in history] == [1, 2, 3, 4, 5, 6]
        assert [JobId(one.stream) for one in history] == [job] * 6
        assert [one.version for one in await driver.store.history(job, Version(4))] == [5, 6]
        names = ["payload", "result/only", "none"]
        kept = {"payload": PAYLOAD, "result/only": b"{}"}
        assert await driver.store.blobs(job, names) == kept

    @promise("Store 5", "Store 6", "S5", "S11")
    async def test_s11_a_migrated_job_has_its_new_shape_wherever_it_is_read(self, kit: Kit) -> None:
        """Its spec stands in its first event, and is not that any more."""
        driver = await kit.driver()
        was, other = spec("a", "b", "c"), await driver.submit(spec("other"))
        job = await driver.submit(was)
        granted = next(one for one in await driver.claim(limit=2) if one.job.id == job)
        token = granted.lease.token
        await driver.tell(job, c.StartPhase(token=token, phase="a"))
        data = b'"1"'
        done = c.CompletePhase(token=token, phase="a", result=result("a", data))
        await driver.tell(job, done, data)
        await driver.tell(job, c.Release(token=token))
        now = Shape(version="2", phases=spec("x", "d").phases)
        shape = Shape(version=was.definition, phases=was.phases)
        moves = Moves(renamed={"a": "x"})
        await driver.tell(job, c.Migrate(was=shape, now=now, moves=moves))
        stored = await row(driver.store, job)
        names = [(one.name, one.goes_by) for one in stored.job.spec.phases]
        assert names == [("x", "a"), ("d", "d")]
        (found,) = (await driver.store.find(Query(statuses=frozenset({Status.SCHEDULED})))).jobs
        shown = await driver.shown(Named(ids=(job, other)))
        assert found.job == shown.jobs[job].job == stored.job, "S5: its shape is not one"
        (again,) = await driver.claim("r2")
        assert again.job.spec == stored.job.spec
        assert again.job.phases[0].result == result("a", data), "S11: its result is gone"
        started = c.StartPhase(token=again.lease.token, phase="d")
        await driver.tell(job, started)
        assert (await row(driver.store, job)).job.spec == stored.job.spec

    @promise("Store 5", "S5")
    async def test_s5_several_events_of_a_commit_take_the_versions_one_by_one(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        done = await driver.store.transact(Named(), two)
        log = await driver.store.log()
        versions = [one.version for one in log]
        assert versions == [1, 2, 1, 2], f"events of a commit have the versions {versions}"
        assert [JobId(one.stream) for one in log[::2]] == [one.job_id for one in done.changes]
        assert [one.position for one in log] == sorted({one.position for one in log})

    @promise("Store 6", "S5")
    async def test_s5_what_a_change_owes_is_kept_as_its_effects_say(self, kit: Kit) -> None:
        """The store asks no rule of its own what is offered, or due."""
        driver = await kit.driver()
        job = await driver.submit()
        offered = (await row(driver.store, job)).job.submitted_at
        day = timedelta(days=1)

        def moved(view: View) -> Sequence[Change]:
            change = note(view, job, "")
            (offer,) = (one for one in change.effects if isinstance(one, Offer))
            later = replace(offer, at=offered + day)
            return [replace(change, effects=(later, Remind(at=offered + day * 2)))]

        await driver.store.transact(Named(ids=(job,)), moved)
        assert await driver.claim() == [], "offered otherwise than the effects say"
        assert await driver.store.next_due(offered) == offered + day
        assert await driver.store.next_due(offered + day) == offered + day * 2
        # It keeps now what its state does not owe, and an audit may say so; that is mended here.
        await driver.tell(job, c.Annotate(by="", note=""))
        assert await driver.store.next_due(offered) is None

    @promise("Store 6", "S22")
    async def test_s22_a_deleted_job_leaves_its_deletion_and_its_keys(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit(key="k")
        await driver.work((await driver.claim())[0])
        await driver.tell(job, c.Delete())
        assert await driver.store.fetch(job) is None
        assert await driver.store.blobs(job, ["payload", "result/only"]) == {}
        left = [type(one.event) for one in await driver.store.history(job)]
        assert left == [Deleted], f"S22: more than its deletion is left: {left}"
        assert [one.version for one in await driver.store.log()] == [7], "S22: so in the log"
        assert await driver.store.count(Query()) == {}
        shown = await driver.shown(Named(ids=(job,), keys=(KEY,)))
        assert dict(shown.jobs) == {}
        assert KEY in shown.keys, "S22: its key is gone with it"
        assert shown.keys[KEY].job_id == job
        assert await driver.submit(key="k") == job, "S17: its key admitted a second job"

    @promise("Store 5", "Store 6", "S22")
    async def test_s22_the_name_of_a_deleted_job_is_not_given_again(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.finished()
        await driver.tell(job, c.Delete())

        def again(view: View) -> Sequence[Change]:
            return [rules.handle(view, job, c.Submit(spec=spec()))]

        await refused(driver.store, driver.store.transact(Named(), again), Reason.MOVED_ON)

    @promise("Store 7", "S1")
    async def test_s1_an_ended_job_stays_as_it_ended_even_if_a_rule_asks_for_more(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.finished()
        history = await driver.store.history(job)
        started = tuple(one.event for one in history if isinstance(one.event, Started))

        def other_end(view: View) -> Sequence[Change]:
            change = note(view, job, "")
            assert change.job is not None
            assert isinstance(change.job.state, Ended)
            failed = replace(change.job.state, status=Status.FAILED)
            return [replace(change, job=replace(change.job, state=failed))]

        def goes_on(view: View) -> Sequence[Change]:
            return [replace(note(view, job, ""), events=started)]

        for rule in (other_end, goes_on):
            doing = driver.store.transact(Named(ids=(job,)), rule)
            await refused(driver.store, doing, Reason.UNLAWFUL)

    @promise("Store 7", "S1")
    async def test_s1_notes_are_taken_after_the_end(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.finished()
        await driver.tell(job, c.Annotate(by="me", note="seen"))
        assert (await row(driver.store, job)).job.version == 7

    @promise("Store 7", "S4", needs=[Capability.CLOCK])
    async def test_s4_late_evidence_is_kept_beside_the_result_and_changes_nothing(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        await driver.claim("r1")
        await driver.tell(job, c.StartPhase(token=Token(1), phase="only"))
        kit.moved.advance(seconds(60))
        await driver.reconcile()
        kit.moved.advance(seconds(60))
        (again,) = await driver.claim("r2")
        await driver.work(again)
        ended = (await row(driver.store, job)).job.state
        late = c.CompletePhase(token=Token(1), phase="only", result=result("only", b'"late"'))
        done = await driver.tell(job, late, b'"late"')
        assert isinstance(done.changes[0].answer, LeaseLost)
        kept = {"result/only": b"{}", "late/1": b'"late"'}
        assert await driver.store.blobs(job, list(kept)) == kept
        assert (await row(driver.store, job)).job.state == ended

    @promise("Store 8", "S7")
    async def test_s7_places_in_line_grow_whatever_becomes_of_the_jobs(self, kit: Kit) -> None:
        driver = await kit.driver()
        await _three_places(driver, driver)

    @promise("Store 8", "S7", needs=[Capability.SHARED])
    async def test_s7_places_in_line_grow_whichever_store_gives_them(self, kit: Kit) -> None:
        await _three_places(await kit.driver(), await kit.driver())

    @promise("Store 8", "S7")
    async def test_s7_two_submissions_in_one_rule_stand_in_line_one_after_the_other(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        done = await driver.store.transact(Named(), two)
        third = await driver.submit()
        assert all(isinstance(one.answer, Admitted) for one in done.changes)
        granted = await driver.claim(limit=3)
        line = [*(one.job_id for one in done.changes), third]
        assert [one.job.id for one in granted] == line

    @promise("Store 9", "S18")
    async def test_s18_an_idle_change_writes_nothing(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.finished()
        before = await everything(driver.store)
        head, mark = (await driver.store.log())[-1].position, await quiet(driver.store)
        done = await driver.tell(job, c.Cancel())
        assert done.changes[0].idle
        assert done.position == head
        assert driver.store.mark() == mark, "it counts as a commit"
        assert await everything(driver.store) == before

    @promise("Store 9", "S5")
    async def test_s5_renewals_move_the_expiry_and_are_no_events(self, kit: Kit) -> None:
        driver = await kit.driver()
        jobs = [await driver.submit() for _ in range(3)]
        granted = await driver.claim(limit=3)
        head = (await driver.store.log())[-1].position
        progress = c.Progress(done=3)
        held = [
            Held(job_id=one.job.id, command=c.Renew(token=Token(1), progress=progress))
            for one in granted
        ]
        done = await driver.store.transact(
            Named(ids=tuple(jobs)), lambda view: rules.renew(view, held)[0]
        )
        assert done.position == head, "a renewal is no event, and takes no position"
        for job, change in zip(jobs, done.changes, strict=True):
            stored = await row(driver.store, job)
            assert stored.liveness is not None
            assert stored.liveness.progress == progress, "the renewal was not kept"
            assert stored.liveness == change.liveness
            assert stored.job.version == 3
        assert len(await driver.store.log()) == 9

    @promise("Store 4", "S4", "S24", needs=[Capability.CLOCK])
    async def test_s24_a_lease_is_renewed_only_by_its_token_and_before_its_expiry(
        self, kit: Kit
    ) -> None:
        driver = await kit.driver()
        job = await driver.submit()
        await driver.claim("r1")
        await driver.tell(job, c.Release(token=Token(1)))
        await driver.claim("r2")
        begin = kit.clock.now()
        for token, later, reason in (
            (1, 0, Reason.STALE_TOKEN),
            (3, 0, Reason.UNKNOWN_TOKEN),
            (2, 30, Reason.EXPIRED),
            (2, -1, Reason.WOULD_SHORTEN),
        ):
            kit.moved.set(begin + seconds(later))
            renewal = driver.tell(job, c.Renew(token=Token(token)))
            await refused(driver.store, renewal, reason)

    @promise("Store 1", "Store 6", "S17")
    async def test_s17_a_key_is_kept_as_it_was_last_written(self, kit: Kit) -> None:
        driver = await kit.driver()
        job = await driver.submit(key="k")
        shown = await driver.shown(Named(keys=(KEY, Key(scope="submit", key="none"))))
        assert list(shown.keys) == [KEY]
        assert list(shown.jobs) == [job], "the job that a key belongs to is shown with it"
        changed = KeyRow(key=KEY, fingerprint="other", job_id=job, expires_at=None)

        def rule(view: View) -> Sequence[Change]:
            return [replace(note(view, job, ""), keys=(changed,))]

        await driver.store.transact(Named(ids=(job,)), rule)
        assert (await driver.shown(Named(keys=(KEY,)))).keys == {KEY: changed}

    @promise("Store 6", "S5")
    async def test_s5_a_payload_of_a_megabyte_comes_back_as_it_was(self, kit: Kit) -> None:
        driver = await kit.driver()
        data = bytes(range(256)) * 4096
        big = replace(spec(), payload=blob("payload", data))
        done = await driver.store.transact(Named(), lambda view: submit(view, big, data))
        job = done.changes[0].job_id
        assert await driver.store.blobs(job, ["payload"]) == {"payload": data}
        shown = await driver.shown(Named(ids=(job,), blobs=True))
        assert shown.blobs == {(job, "payload"): data}
        assert (await driver.shown(Named(ids=(job,)))).blobs == {}


async def _three_places(one: Driver, other: Driver) -> None:
    places, used = [], 0
    for driver in (one, other, one):
        shown = await driver.shown(Named())
        assert shown.place > used, f"place {shown.place} was used before"
        job: JobId = await driver.submit()
        used = (await row(driver.store, job)).job.place
        places.append(used)
        await driver.tell(job, c.Cancel())
        await driver.tell(job, c.Delete())
    assert places == sorted(set(places)), f"a place was given twice: {places}"
