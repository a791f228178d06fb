"""What an application asks of an engine, and what a worker has to hear of."""

from __future__ import annotations

import asyncio

from parcae import answers as a
from parcae import commands as c
from parcae.errors import Reason, Rejected
from parcae.handle import Held
from parcae.handlers import result_blob
from parcae.spec import RetryMode
from parcae.values import Error, JobId, Status, Token, seconds
from parcae.workers import Presence, until
from parcae_specs.contracts.world import (
    KINDS,
    ME,
    OTHER,
    TRIP,
    World,
    refused,
    told,
)


class Applying:
    """S9, S17: submissions, cancels, retries, waits, and what is told."""

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
