"""The contract of the use cases: an engine on a store, and one on a server, answer alike.

Inherit, and say in ``opened`` how a world is made. Every test asks the engine of that world, and
looks at what has become of it with an engine on the very store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from parcae import answers as a
from parcae import commands as c
from parcae.context import Context
from parcae.definitions import Jobs
from parcae.engine import Engine
from parcae.errors import LeaseLost, ParcaeError, Reason, Rejected, Unavailable
from parcae.events import LateResultRecorded
from parcae.fsck import fsck
from parcae.handle import Held
from parcae.handlers import result_blob
from parcae.payloads import load
from parcae.spec import Retry, RetryMode, Timing
from parcae.values import Error, JobId, Status, Token, WorkerId, seconds
from parcae.workers import Presence, until
from parcae_adapters.clock import ManualClock

if TYPE_CHECKING:  # whoever has no aiohttp need not have it for this
    from parcae_adapters.http.remote import RemoteEngine

PATIENCE = 20.0
"""Seconds that one test may take."""

ME, OTHER = WorkerId("me"), WorkerId("other")
LEASE = Timing(lease=seconds(30), renewal=seconds(10), attempt=seconds(600))

JOBS = Jobs()
TRIP = JOBS.saga("trip", timing=LEASE, retry=Retry(max_attempts=2, backoff=seconds(5), jitter=0))


@TRIP.phase
async def book(ctx: Context, place: str) -> dict[str, str]:
    """Never called here: the contract is about what is said of it."""
    raise NotImplementedError(ctx, place)


@book.undo
async def unbook(ctx: Context, place: str, booked: dict[str, str]) -> None:
    """Never called here."""
    raise NotImplementedError(ctx, place, booked)


@TRIP.phase
async def travel(ctx: Context, place: str) -> list[int]:
    """Never called here."""
    raise NotImplementedError(ctx, place)


KINDS = frozenset({"trip"})


@frozen
class World:
    """An engine to be asked, and what stands behind it.

    Attributes:
        engine: the one in question.
        host: on the store itself.
        clock: that of the store.
    """

    engine: Engine | RemoteEngine
    host: Engine
    clock: ManualClock

    async def submit(self, place: str = "Aulis", **options: Any) -> JobId:
        """Admit a job by the engine in question."""
        return (await self.engine.submit(TRIP(place), **options)).job_id

    async def claim(self, request: str = "1", worker: WorkerId = ME, **options: Any) -> a.Granted:
        """Claim the one job that there is."""
        (granted,) = await self.engine.claim(worker, KINDS, request=request, **options)
        return granted

    async def half(self, job_id: JobId, token: Token) -> None:
        """Do the first phase, and begin the second."""
        await self.engine.start_phase(job_id, token, "book")
        booked = result_blob("book", {"seat": "1a"})
        await self.engine.complete_phase(job_id, token, "book", booked)
        await self.engine.start_phase(job_id, token, "travel")


Body = Callable[[Any, World], Awaitable[None]]


def told(body: Body) -> Callable[[Any, Path], None]:
    """A test of a coroutine that is given a world; then the store must be whole."""

    @wraps(body)
    def test(self: Any, tmp_path: Path) -> None:
        async def play() -> None:
            async with asyncio.timeout(PATIENCE), self.opened(tmp_path) as world:
                await body(self, world)
                report = await fsck(world.host.store)
                assert report.clean, report.findings

        asyncio.run(play())

    # pytest must not look through to the parameters of the coroutine.
    del test.__wrapped__
    return test


async def refused(doing: Awaitable[object], kind: type[ParcaeError], reason: Reason) -> None:
    """It is refused with that very class, for that reason."""
    with pytest.raises(kind) as caught:
        await doing
    assert type(caught.value) is kind
    assert getattr(caught.value, "reason", None) is reason
    assert str(caught.value)


class EngineContract:
    """S4, S17, S18, S24, S25: answers and refusals, one use case after the other."""

    def opened(self, folder: Path) -> AbstractAsyncContextManager[World]:
        """A fresh world, closed at the end of the block."""
        raise NotImplementedError

    @told
    async def test_s17_one_key_is_one_job(self, world: World) -> None:
        """S17."""
        first = await world.engine.submit(TRIP("Aulis"), idempotency_key="k")
        again = await world.engine.submit(TRIP("Aulis"), idempotency_key="k")
        assert (again.job_id, again.admitted.duplicate) == (first.job_id, True)
        other = world.engine.submit(TRIP("Troy"), idempotency_key="k")
        await refused(other, Rejected, Reason.KEY_REUSED)

    @told
    async def test_a_submission_is_kept_whole(self, world: World) -> None:
        """S26: what is admitted by any engine is the same job."""
        run_at = world.clock.now() + seconds(60)
        parent = await world.submit()
        job_id = await world.submit(
            "Ὦ Τροία", key="ship", priority=-3, run_at=run_at, after=[parent]
        )
        shown, spec = await world.engine.show(job_id), TRIP("Ὦ Τροία").spec
        assert shown == await world.host.show(job_id)
        assert shown.spec.payload == spec.payload
        assert (shown.spec.retry, shown.spec.timing) == (spec.retry, spec.timing)
        assert (shown.spec.lane.key, shown.spec.priority, shown.spec.run_at) == ("ship", -3, run_at)
        assert [one.parent for one in shown.spec.dependencies] == [parent]

    @told
    async def test_what_is_not_there_is_refused(self, world: World) -> None:
        """S28."""
        none = JobId("no/such job?")
        for asked in (world.engine.show(none), world.engine.wait(none), world.engine.why(none)):
            await refused(asked, Rejected, Reason.NOT_FOUND)
        await refused(world.engine.cancel(none), Rejected, Reason.NOT_FOUND)
        await refused(world.engine.retry(none), Rejected, Reason.NOT_FOUND)
        start = world.engine.start_phase(none, Token(1), "book")
        await refused(start, Rejected, Reason.NOT_FOUND)
        missing = world.engine.submit(TRIP("x"), after=[none])
        await refused(missing, Rejected, Reason.UNKNOWN_DEPENDENCY)

    @told
    async def test_a_repeated_claim_grants_the_same_lease(self, world: World) -> None:
        """S3, S25: whose answer was lost, asks again under the same key."""
        first, second = await world.submit(), await world.submit()
        granted = await world.claim()
        again = await world.claim()
        assert (granted.job.id, granted.lease) == (first, again.lease)
        assert granted.job == again.job == await world.host.show(first)
        nothing_new = await world.engine.claim(ME, frozenset(), request="1")
        assert [one.lease for one in nothing_new] == [granted.lease]
        assert (await world.claim("2", OTHER)).job.id == second
        assert not await world.engine.claim(OTHER, KINDS, request="3")

    @told
    async def test_a_claim_takes_only_what_it_names(self, world: World) -> None:
        """S7."""
        ids = [await world.submit() for _ in range(3)]
        claim = world.engine.claim
        assert not await claim(ME, frozenset({"other"}), request="1")
        assert not await claim(ME, KINDS, request="2", queues=frozenset({"elsewhere"}))
        without = frozenset({ids[0]})
        granted = await claim(ME, KINDS, request="3", limit=2, without=without)
        assert [one.job.id for one in granted] == ids[1:]

    @told
    async def test_a_handler_gets_its_arguments_and_what_was_done(self, world: World) -> None:
        """S11."""
        parent = await world.submit()
        held = await world.claim()
        await world.half(parent, held.lease.token)
        done = result_blob("travel", [1, 2])
        await world.engine.complete_phase(parent, held.lease.token, "travel", done)
        child = await world.submit("Ithaca", after=[parent])
        first = await world.claim("2")
        await world.half(child, first.lease.token)
        await world.engine.fail(child, first.lease.token, Error(type="Storm"))
        world.clock.advance(seconds(60))
        handed = await world.engine.handed(await world.claim("3"))
        assert load(handed.blobs["payload"]) == {"place": "Ithaca"}
        assert load(handed.blobs["result/book"]) == {"seat": "1a"}
        assert handed.parents == {parent: b"[1, 2]"}

    @told
    async def test_s25_a_repeated_result_gets_its_first_answer(self, world: World) -> None:
        """S25."""
        job_id = await world.submit()
        token = (await world.claim()).lease.token
        await world.half(job_id, token)
        done = result_blob("travel", [1])
        report = world.engine.complete_phase
        first = await report(job_id, token, "travel", done)
        before = await world.host.history(job_id)
        assert await report(job_id, token, "travel", done) == first
        assert first == a.Accepted(job_id=job_id, status=Status.COMPLETED)
        assert await world.host.history(job_id) == before == await world.engine.history(job_id)
        other = report(job_id, token, "travel", result_blob("travel", [2]))
        await refused(other, Rejected, Reason.ANOTHER_RESULT)

    @told
    async def test_s4_a_stale_token_changes_nothing_but_evidence(self, world: World) -> None:
        """S4, S18."""
        job_id = await world.submit()
        old = (await world.claim()).lease.token
        await world.half(job_id, old)
        world.clock.advance(seconds(31))
        await world.host.reconcile()
        world.clock.advance(seconds(60))
        new = (await world.claim("2", OTHER)).lease.token
        assert new > old
        start = world.engine.start_phase(job_id, old, "travel")
        await refused(start, LeaseLost, Reason.STALE_TOKEN)
        late = world.engine.complete_phase(job_id, old, "travel", result_blob("travel", [3]))
        await refused(late, LeaseLost, Reason.STALE_TOKEN)
        found = [type(one.event) for one in await world.engine.history(job_id)]
        assert found.count(LateResultRecorded) == 1
        assert (await world.host.show(job_id)).lease is not None
        never = world.engine.start_phase(job_id, Token(99), "travel")
        await refused(never, Rejected, Reason.UNKNOWN_TOKEN)

    @told
    async def test_what_is_not_lawful_is_refused_for_its_reason(self, world: World) -> None:
        """S28, S18."""
        job_id = await world.submit()
        token = (await world.claim()).lease.token
        engine = world.engine
        done = engine.complete_phase(job_id, token, "book")
        await refused(done, Rejected, Reason.NOT_STARTED)
        second = engine.start_phase(job_id, token, "travel")
        await refused(second, Rejected, Reason.OUT_OF_ORDER)
        confirm = engine.confirm_cancel(job_id, token)
        await refused(confirm, Rejected, Reason.NO_CANCEL_REQUESTED)
        await engine.start_phase(job_id, token, "book")
        large = result_blob("book", "x" * 1_048_577)
        await refused(
            engine.complete_phase(job_id, token, "book", large), Rejected, Reason.TOO_LARGE
        )
        await refused(engine.retry(job_id), Rejected, Reason.NOT_RETRYABLE)
        with pytest.raises(Rejected) as caught:
            await engine.start_undo(job_id, token, "book")
        with pytest.raises(Rejected) as expected:
            await world.host.start_undo(job_id, token, "book")
        assert vars(caught.value) == vars(expected.value)

    @told
    async def test_s24_leases_are_renewed_each_by_itself(self, world: World) -> None:
        """S24."""
        ids = [await world.submit() for _ in range(2)]
        granted = await world.engine.claim(ME, KINDS, request="1", limit=2)
        assert [one.job.id for one in granted] == ids
        for one in granted:
            assert seconds(25) < one.expires_at - world.engine.clock.now() <= seconds(30)
        progress = c.Progress(done=3, total=4, note="Lesbos")
        right = Held(
            job_id=ids[0], command=c.Renew(token=granted[0].lease.token, progress=progress)
        )
        wrong = Held(job_id=ids[1], command=c.Renew(token=Token(7)))
        world.clock.advance(seconds(10))
        first, second = await world.engine.renew([right, wrong])
        assert isinstance(first, a.Renewed)
        assert seconds(25) < first.expires_at - world.engine.clock.now() <= seconds(30)
        assert isinstance(second, Rejected)
        assert second.reason is Reason.UNKNOWN_TOKEN
        stored = await world.host.stored(ids[0])
        assert stored is not None
        assert stored.liveness is not None
        assert stored.liveness.progress == progress
        world.clock.advance(seconds(31))
        (late,) = await world.engine.renew([right])
        assert isinstance(late, LeaseLost)
        assert late.reason is Reason.EXPIRED

    @told
    async def test_a_cancel_reaches_whoever_works(self, world: World) -> None:
        """S9."""
        job_id = await world.submit()
        held = await world.claim()
        token = held.lease.token
        assert await world.engine.cancels(ME) == {}
        answer = await world.engine.cancel(job_id, by="Agamemnon", reason="no wind")
        assert answer == a.CancelAnswer(
            job_id=job_id, outcome=a.CancelOutcome.CANCELLING, status=Status.RUNNING
        )
        assert await world.engine.cancels(ME) == {job_id: token}
        assert await world.engine.cancels(OTHER) == {}
        renew = Held(job_id=job_id, command=c.Renew(token=token))
        (renewed,) = await world.engine.renew([renew])
        assert isinstance(renewed, a.Renewed)
        assert renewed.cancel_requested
        start = world.engine.start_phase(job_id, token, "book")
        await refused(start, Rejected, Reason.CANCEL_REQUESTED)
        confirmed = await world.engine.confirm_cancel(job_id, token)
        assert confirmed.status is Status.CANCELLED
        ended = await world.engine.cancel(job_id)
        assert ended.outcome is a.CancelOutcome.ALREADY_ENDED
        assert ended == await world.host.cancel(job_id)

    @told
    async def test_an_error_is_kept_whole_and_the_job_tried_again(self, world: World) -> None:
        """S19."""
        job_id = await world.submit()
        error = Error(
            type="sea.Storm", message="Ἀ\x00!", traceback="a\nb", mro=("sea.Storm", "OSError")
        )
        token = (await world.claim()).lease.token
        await world.engine.start_phase(job_id, token, "book")
        taken = await world.engine.fail(job_id, token, error)
        assert taken.status is Status.SCHEDULED
        assert (await world.engine.show(job_id)).error == error
        assert not await world.engine.claim(ME, KINDS, request="too early")
        assert await world.engine.next_due(world.engine.clock.now()) is not None
        world.clock.advance(seconds(60))
        again = (await world.claim("2")).lease.token
        final = Error(type="sea.Wreck", permanent=True)
        assert (await world.engine.fail(job_id, again, final)).status is Status.FAILED
        outcome = await world.engine.wait(job_id)
        assert outcome == await world.host.wait(job_id)
        assert outcome.error == final

    @told
    async def test_a_job_is_given_back(self, world: World) -> None:
        """S19."""
        job_id = await world.submit()
        token = (await world.claim()).lease.token
        assert (await world.engine.release(job_id, token)).status is Status.SCHEDULED
        assert (await world.claim("2")).lease.token == token + 1
        assert (await world.host.show(job_id)).attempts == 0

    @told
    async def test_what_was_done_is_undone(self, world: World) -> None:
        """S12."""
        job_id = await world.submit()
        token = (await world.claim()).lease.token
        await world.half(job_id, token)
        failed = await world.engine.fail(job_id, token, Error(type="Wreck", permanent=True))
        assert failed.status is Status.COMPENSATING
        held = await world.claim("2")
        undo = held.lease.token
        assert [one.phase for one in held.job.undos] == ["book"]
        assert load((await world.engine.handed(held)).blobs["result/book"]) == {"seat": "1a"}
        await world.engine.start_undo(job_id, undo, "book")
        tried = await world.engine.fail_undo(job_id, undo, "book", Error(type="Fog"))
        assert tried.status is Status.COMPENSATING
        world.clock.advance(seconds(3_600))
        last = (await world.claim("3")).lease.token
        await world.engine.start_undo(job_id, last, "book")
        done = await world.engine.complete_undo(job_id, last, "book")
        assert done.status is Status.COMPENSATED

    @told
    async def test_an_ended_job_is_taken_up_and_explained(self, world: World) -> None:
        """S11: by a new job; and `why` says the same wherever it is asked."""
        job_id = await world.submit()
        assert await world.engine.why(job_id) == await world.host.why(job_id)
        token = (await world.claim()).lease.token
        await world.engine.start_phase(job_id, token, "book")
        await world.engine.fail(job_id, token, Error(type="Wreck", permanent=True))
        said = await world.engine.annotate(job_id, "sent a diver", by="Calchas")
        assert said.status is Status.FAILED
        handle = await world.engine.retry(job_id, RetryMode.RESUME)
        assert (await world.engine.show(handle.job_id)).spec.origin is not None
        await refused(world.engine.retry(job_id), Rejected, Reason.ALREADY_RETRIED)
        for one in (job_id, handle.job_id):
            assert await world.engine.why(one) == await world.host.why(one)
            assert await world.engine.history(one) == await world.host.history(one)

    @told
    async def test_whoever_waits_hears_of_the_end_and_gets_the_result(self, world: World) -> None:
        """L1."""
        handle = await world.engine.submit(TRIP("Troy"))
        waiting = asyncio.create_task(handle.wait())
        token = (await world.claim()).lease.token
        await world.half(handle.job_id, token)
        done = result_blob("travel", [10])
        await world.engine.complete_phase(handle.job_id, token, "travel", done)
        outcome = await waiting
        assert (outcome.status, outcome.result) == (Status.COMPLETED, [10])

    @told
    async def test_l2_news_wake_whoever_waits_for_them(self, world: World) -> None:
        """L2: no commit is missed, not even one between the look and the wait."""
        mark = await world.engine.wait_for_news(-1) if world.engine.news() else 0
        waiting = asyncio.create_task(world.engine.wait_for_news(mark))
        await asyncio.sleep(0)
        await world.host.submit(TRIP("Troy"))
        now = await waiting
        assert now > mark
        await world.host.submit(TRIP("Troy"))
        assert await world.engine.wait_for_news(now) > now

    @told
    async def test_a_worker_writes_itself_down(self, world: World) -> None:
        """L7: an idle worker can be told from none."""
        now = world.engine.clock.now()
        presence = Presence(
            id=ME, kinds=("trip",), capacity=3, started_at=now, heard_at=now, until=until(now)
        )
        await world.engine.enlist(presence)
        (found,) = await world.host.store.workers()
        assert (found.id, found.kinds, found.capacity) == (ME, ("trip",), 3)
        assert found.until - found.heard_at == presence.until - presence.heard_at
        await world.engine.dismiss(ME)
        await world.engine.dismiss(ME)
        assert not await world.host.store.workers()

    @told
    async def test_a_store_that_cannot_answer_is_unavailable(self, world: World) -> None:
        """S23: repeating is safe, whoever says so."""
        job_id = await world.submit()
        report = world.host.store
        before = await fsck(report)
        assert before.clean
        transact = report.transact

        async def failing(*_: Any) -> Any:
            raise Unavailable("the disk is at sea")

        report.transact = failing  # type: ignore[method-assign, assignment]
        try:
            with pytest.raises(Unavailable):
                await world.engine.claim(ME, KINDS, request="1")
        finally:
            report.transact = transact  # type: ignore[method-assign]
        assert (await world.claim()).job.id == job_id
