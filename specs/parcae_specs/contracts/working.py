"""What a worker asks of an engine, one use case after the other."""

from __future__ import annotations

from typing import Any

import pytest

from parcae import answers as a
from parcae import commands as c
from parcae.errors import LeaseLost, Reason, Rejected, Unavailable
from parcae.events import LateResultRecorded, Released
from parcae.fsck import fsck
from parcae.handle import Held
from parcae.handlers import result_blob
from parcae.payloads import load
from parcae.values import Error, Status, Token, seconds
from parcae_specs.contracts.world import (
    KINDS,
    ME,
    OTHER,
    World,
    refused,
    told,
)


class Working:
    """S4, S24, S25: claims, reports, renewals, and what is refused."""

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
    async def test_a_job_is_given_back(self, world: World) -> None:
        """S19."""
        job_id = await world.submit()
        token = (await world.claim()).lease.token
        lacks = "no phase 'sail'\n" + "x" * 300
        given_back = await world.engine.release(job_id, token, lacks)
        assert given_back.status is Status.SCHEDULED
        event = (await world.host.history(job_id))[-1].event
        assert isinstance(event, Released)
        assert event.lacks == lacks
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
