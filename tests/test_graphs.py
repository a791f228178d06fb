"""Dependencies, graphs, batches and groups that compensate, through the engine, on each store."""

# ruff: noqa: ARG002 - every handler takes its context

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn

import pytest

from parcae import (
    After,
    Cause,
    Context,
    Dependency,
    Engine,
    GiveUp,
    Graph,
    Jobs,
    Query,
    Reason,
    Rejected,
    Retry,
    RetryMode,
    Status,
    fsck,
    minutes,
)
from parcae.ports import Committed, Store
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle
from parcae_specs.soak.diamond import diamond

Scenario = Callable[[Engine, "Stage"], Coroutine[Any, Any, None]]
Play = Callable[[Scenario], None]


class Stage:
    """Definitions that write down what they did, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.jobs = Jobs()
        self.step = self.jobs.saga("step", str, retry=Retry(max_attempts=1))
        self.plain = self.jobs.job("plain", retry=Retry(max_attempts=1))(self._plain)
        self.sum = self.jobs.job("sum")(self._sum)
        do = self.step.phase(self._do)
        do.undo(self._undo)

    async def _do(self, ctx: Context, name: str) -> str:
        if name.startswith("bad"):
            raise GiveUp(name)
        self.done.append(name)
        return name

    async def _undo(self, ctx: Context, name: str, result: str) -> None:
        if name.startswith("stuck"):
            raise GiveUp(name)
        self.done.append(f"undo {name}")

    async def _plain(self, ctx: Context, name: str) -> int:
        if name.startswith("bad"):
            raise GiveUp(name)
        self.done.append(name)
        return len(name)

    async def _sum(self, ctx: Context, names: list[str]) -> int:
        return sum(ctx.dependency(name, int) for name in names)

    async def run(self, engine: Engine) -> None:
        await run_until_idle(engine, self.jobs, limit=100_000)


class Died(Exception):
    """The process is gone."""


class Dying(Engine):
    """Dies once its first commit is done."""

    async def follow(self, committed: Committed) -> NoReturn:
        """Die."""
        raise Died(committed.position)


@pytest.fixture(params=["memory", "sqlite"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a scenario on a store, and checks every history afterwards."""

    async def run(scenario: Scenario) -> None:
        clock = ManualClock()
        store: Store = (
            MemoryStore(clock=clock)
            if request.param == "memory"
            else SqliteStore(tmp_path / "jobs.db", clock=clock, durability="normal")
        )
        async with Engine(store) as engine:
            await scenario(engine, Stage())
            report = await fsck(store)
            assert report.clean, report.findings

    return lambda scenario: asyncio.run(run(scenario))


async def status(engine: Engine, job_id: Any) -> Status:
    return (await engine.show(job_id)).status


def test_given_a_dependency_then_the_job_waits_and_is_scheduled_in_the_commit_that_ends_it(
    play: Play,
) -> None:
    """S8."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        parent = await engine.submit(stage.plain("a"))
        child = await engine.submit(stage.plain("b"), after=[parent.job_id])
        assert await status(engine, child.job_id) is Status.PENDING
        await stage.run(engine)
        assert stage.done == ["a", "b"]
        log = [one for one in await engine.store.log() if type(one.event).__name__ == "Completed"]
        assert [str(one.stream) for one in log] == [parent.job_id, child.job_id]

    play(scenario)


def test_given_a_parent_that_has_ended_then_the_child_is_settled_at_its_admission(
    play: Play,
) -> None:
    """S8: a child submitted when its parent is over never stays pending."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        good, bad = await engine.submit(stage.plain("a")), await engine.submit(stage.plain("bad"))
        await stage.run(engine)
        child = await engine.submit(stage.plain("b"), after=[good.job_id])
        assert await status(engine, child.job_id) is Status.SCHEDULED
        other = await engine.submit(stage.plain("c"), after=[good.job_id, bad.job_id])
        assert await status(engine, other.job_id) is Status.CANCELLED

    play(scenario)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("cancel", Status.CANCELLED),
        ("fail", Status.FAILED),
        ("proceed", Status.COMPLETED),
    ],
)
def test_given_a_parent_that_fails_then_the_policy_says_what_follows(
    play: Play, policy: str, expected: Status
) -> None:
    """S8, rule 8."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        parent = await engine.submit(stage.plain("bad"))
        wait = Dependency(parent=parent.job_id, policy=policy)
        child = await engine.submit(stage.plain("b"), after=[wait])
        last = await engine.submit(stage.plain("c"), after=[child.job_id])
        await stage.run(engine)
        outcome = await child.wait()
        assert outcome.status is expected
        if expected is not Status.COMPLETED:
            assert outcome.cause is Cause.DEPENDENCY_FAILED
        followed = Status.COMPLETED if expected is Status.COMPLETED else Status.CANCELLED
        assert await status(engine, last.job_id) is followed

    play(scenario)


def test_given_a_job_that_is_not_there_then_nothing_can_depend_on_it(play: Play) -> None:
    async def scenario(engine: Engine, stage: Stage) -> None:
        with pytest.raises(Rejected, match="there is no job nobody") as refused:
            await engine.submit(stage.plain("b"), after=["nobody"])  # type: ignore[list-item]
        assert refused.value.reason is Reason.UNKNOWN_DEPENDENCY
        assert not (await engine.find(Query())).jobs

    play(scenario)


def test_given_a_parent_of_unended_children_then_it_is_kept(play: Play) -> None:
    """S22: what others still need is not deleted."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        parent = await engine.submit(stage.plain("a"))
        child = await engine.submit(
            stage.sum(["a"]), after=[Dependency(parent=parent.job_id, name="a")]
        )
        (granted,) = await engine.claim("w", stage.jobs.kinds, request="1")  # type: ignore[arg-type]
        await engine.start_phase(granted.job.id, granted.lease.token, "run")
        await engine.complete_phase(granted.job.id, granted.lease.token, "run")
        with pytest.raises(Rejected, match="has not ended") as refused:
            await engine.delete(parent.job_id)
        assert refused.value.reason is Reason.NEEDED
        await engine.cancel(child.job_id)
        await engine.delete(parent.job_id)

    play(scenario)


def test_given_a_graph_then_it_runs_in_order_and_results_reach_the_handlers(play: Play) -> None:
    """S8."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        graph = Graph(label="etl")
        graph.add(stage.sum(["left", "right"]), name="both", after=["left", "right"])
        left = graph.add(stage.plain("xx"), name="left")
        graph.add(stage.plain("yyyy"), name="right", after=[left])
        handle = await engine.submit_graph(graph, callback=stage.plain("callback"))
        await stage.run(engine)
        assert stage.done == ["xx", "yyyy", "callback"]
        outcome = await handle.wait()
        assert outcome.completed
        assert outcome.ended == {Status.COMPLETED: 3}
        both = await engine.wait(handle.names["both"])
        assert both.result == 6

    play(scenario)


def test_given_a_circle_then_it_is_refused_and_named(play: Play) -> None:
    async def scenario(engine: Engine, stage: Stage) -> None:
        graph = Graph()
        graph.add(stage.plain("a"), name="a", after=["c"])
        graph.add(stage.plain("b"), name="b", after=["a"])
        graph.add(stage.plain("c"), name="c", after=["b"])
        with pytest.raises(Rejected) as refused:
            await engine.submit_graph(graph)
        assert refused.value.reason is Reason.CYCLE
        for step in ("a → ", "b", "c"):
            assert step in str(refused.value)
        graph = Graph()
        graph.add(stage.plain("a"), name="a", after=["nobody"])
        with pytest.raises(Rejected, match="nobody"):
            await engine.submit_graph(graph)
        assert not (await engine.find(Query())).jobs

    play(scenario)


def test_given_policies_in_a_graph_then_each_wait_has_its_own(play: Play) -> None:
    async def scenario(engine: Engine, stage: Stage) -> None:
        graph = Graph()
        graph.add(stage.plain("bad"), name="bad")
        graph.add(stage.plain("on"), name="on", after=[After(name="bad", policy="proceed")])
        graph.add(stage.plain("off"), name="off", after=["bad"])
        handle = await engine.submit_graph(graph)
        await stage.run(engine)
        outcome = await handle.wait()
        assert outcome.status is Status.FAILED
        assert stage.done == ["on"]
        assert await status(engine, handle.names["off"]) is Status.CANCELLED

    play(scenario)


def test_given_a_batch_then_its_callback_runs_once_all_have_ended(play: Play) -> None:
    async def scenario(engine: Engine, stage: Stage) -> None:
        requests = [stage.plain(name) for name in ("a", "bad", "c")]
        handle = await engine.submit_many(
            requests, callback=stage.plain("callback"), label="nightly"
        )
        assert (await handle.progress()).left == 3
        await stage.run(engine)
        assert stage.done[-1] == "callback"
        group = await handle.progress()
        assert group.left == 0
        assert group.status is Status.FAILED
        assert group.label == "nightly"
        assert group.ended == {Status.COMPLETED: 2, Status.FAILED: 1}
        members = await engine.find(Query(group=handle.group_id))
        assert {one.job.id for one in members.jobs} == set(handle.jobs)

    play(scenario)


def test_given_no_jobs_at_all_then_the_batch_is_completed_and_calls_back(play: Play) -> None:
    async def scenario(engine: Engine, stage: Stage) -> None:
        handle = await engine.submit_many([], callback=stage.plain("callback"))
        assert (await handle.wait()).completed
        await stage.run(engine)
        assert stage.done == ["callback"]

    play(scenario)


def test_given_a_key_then_the_same_batch_is_admitted_once_and_another_is_refused(
    play: Play,
) -> None:
    """S17."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        requests = [stage.plain("a"), stage.plain("b")]
        first = await engine.submit_many(requests, idempotency_key="k")
        again = await engine.submit_many(requests, idempotency_key="k")
        assert again.group_id == first.group_id
        assert again.jobs == first.jobs
        assert again.admitted.duplicate
        with pytest.raises(Rejected) as refused:
            await engine.submit_many(requests[:1], idempotency_key="k")
        assert refused.value.reason is Reason.KEY_REUSED

    play(scenario)


def test_given_a_key_then_the_same_batch_with_another_callback_is_refused(play: Play) -> None:
    """S17: answered as if it were the same, the callback would never run, and nobody would know."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        asked, told = [stage.plain("a")], stage.plain("told")
        first = await engine.submit_many(asked, callback=told, idempotency_key="k")
        again = await engine.submit_many(asked, callback=told, idempotency_key="k")
        assert again.group_id == first.group_id
        for other in (None, stage.plain("another")):
            with pytest.raises(Rejected) as refused:
                await engine.submit_many(asked, callback=other, idempotency_key="k")
            assert refused.value.reason is Reason.KEY_REUSED

    play(scenario)


def test_given_a_retry_then_it_finds_what_its_origin_waited_for(play: Play) -> None:
    async def scenario(engine: Engine, stage: Stage) -> None:
        parent = await engine.submit(stage.plain("four"))
        child = await engine.submit(stage.sum([parent.job_id]), after=[parent.job_id])
        await stage.run(engine)
        assert (await child.wait()).result == 4
        handle = child
        for _ in range(2):
            handle = await engine.retry(handle.job_id, RetryMode.FROM_START)
            await stage.run(engine)
            assert (await handle.wait()).result == 4

    play(scenario)


def test_given_a_key_then_a_batch_of_nothing_is_admitted_once_too(play: Play) -> None:
    """S17: the key is the group's, not that of its first member."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        for callback in (None, stage.plain("callback")):
            key = f"k{callback is None}"
            first = await engine.submit_many([], callback=callback, idempotency_key=key)
            again = await engine.submit_many([], callback=callback, idempotency_key=key)
            assert again.group_id == first.group_id
            assert again.admitted.duplicate
        await stage.run(engine)
        assert stage.done == ["callback"]

    play(scenario)


def test_given_a_graph_that_compensates_when_one_fails_then_the_others_are_undone_in_reverse(
    play: Play,
) -> None:
    """S12, S13, rule 5: the completed jobs stay completed."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        graph = Graph(compensate=True)
        graph.add(stage.step("a"), name="a")
        graph.add(stage.step("b"), name="b", after=["a"])
        graph.add(stage.plain("c"), name="c", after=["b"])
        graph.add(stage.step("d"), name="d", after=["c"])
        graph.add(stage.step("bad"), name="bad", after=["d"])
        graph.add(stage.step("never"), name="never", after=["bad"])
        handle = await engine.submit_graph(graph, callback=stage.plain("callback"))
        await stage.run(engine)
        assert stage.done == ["a", "b", "c", "d", "undo d", "undo b", "undo a", "callback"]
        outcome = await handle.wait()
        assert outcome.status is Status.COMPENSATED
        assert await status(engine, handle.names["a"]) is Status.COMPLETED
        assert await status(engine, handle.names["never"]) is Status.CANCELLED

    play(scenario)


def test_given_an_undo_that_fails_then_the_group_is_quarantined_and_the_rest_is_owed(
    play: Play,
) -> None:
    """S13: as within one job; a person undoes the rest by hand."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        graph = Graph(compensate=True)
        graph.add(stage.step("a"), name="a")
        graph.add(stage.step("stuck"), name="stuck", after=["a"])
        graph.add(stage.step("bad"), name="bad", after=["stuck"])
        handle = await engine.submit_graph(graph)
        await stage.run(engine)
        assert (await handle.wait()).status is Status.QUARANTINED
        assert stage.done == ["a", "stuck"]
        by_hand = await engine.retry(handle.names["a"], "undo")  # type: ignore[arg-type]
        await stage.run(engine)
        assert (await by_hand.wait()).status is Status.COMPENSATED
        assert stage.done[-1] == "undo a"
        with pytest.raises(Rejected):
            await engine.retry(handle.names["a"], "undo")  # type: ignore[arg-type]

    play(scenario)


def test_given_a_cancelled_group_then_what_waits_ends_and_what_is_done_stays_or_is_undone(
    play: Play,
) -> None:
    """S9, S13."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        for compensate, expected in ((False, Status.CANCELLED), (True, Status.COMPENSATED)):
            graph = Graph(compensate=compensate)
            graph.add(stage.step("a"), name="a")
            graph.add(stage.step("b"), name="b", after=["a"])
            handle = await engine.submit_graph(graph)
            (granted,) = await engine.claim("w", stage.jobs.kinds, request=expected)  # type: ignore[arg-type]
            token, name = granted.lease.token, granted.job.id
            await engine.start_phase(name, token, "_do")
            await engine.complete_phase(name, token, "_do")
            await handle.cancel(by="anna", reason="changed her mind")
            await stage.run(engine)
            assert (await handle.wait()).status is expected
            assert await status(engine, handle.names["a"]) is Status.COMPLETED
            assert await status(engine, handle.names["b"]) is Status.CANCELLED

    play(scenario)


def test_given_more_dependents_than_a_commit_holds_then_all_are_settled_all_the_same(
    play: Play,
) -> None:
    """S8, S23: the rest is owed, and what crashes over it leaves it to the reconciler."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        parent = await engine.submit(stage.plain("a"))
        graph = Graph()
        for n in range(600):
            graph.add(stage.plain(f"{n}"), name=f"{n}")
        waits = [Dependency(parent=parent.job_id)]
        children = [await engine.submit(stage.plain(f"{n}"), after=waits) for n in range(600)]
        await engine.cancel(parent.job_id)
        assert {await status(engine, one.job_id) for one in children} == {Status.CANCELLED}

    play(scenario)


def test_given_a_chain_longer_than_a_commit_holds_then_it_falls_to_its_end(play: Play) -> None:
    """S8."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        graph = Graph()
        graph.add(stage.plain("0"), name="0")
        for n in range(1, 700):
            graph.add(stage.plain(f"{n}"), name=f"{n}", after=[f"{n - 1}"])
        handle = await engine.submit_graph(graph)
        await engine.cancel(handle.names["0"])
        outcome = await handle.wait(minutes(1))
        assert outcome.status is Status.CANCELLED
        assert outcome.ended == {Status.CANCELLED: 700}

    play(scenario)


def test_given_a_chain_when_the_process_dies_between_two_commits_then_resume_heals_it(
    play: Play,
) -> None:
    """S23, L1: what is left of a cascade stands in the store."""

    async def scenario(engine: Engine, stage: Stage) -> None:
        graph = Graph()
        graph.add(stage.plain("0"), name="0")
        for n in range(1, 700):
            graph.add(stage.plain(f"{n}"), name=f"{n}", after=[f"{n - 1}"])
        handle = await engine.submit_graph(graph)
        with pytest.raises(Died):
            await Dying(engine.store).cancel(handle.names["0"])
        assert (await handle.progress()).left > 0
        while (await handle.progress()).left:
            await engine.reconcile()
        assert (await handle.wait()).status is Status.CANCELLED

    play(scenario)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_given_a_large_diamond_then_its_last_job_runs_once_and_last(
    kind: str, tmp_path: Path
) -> None:
    """S8, L1: ``python -m parcae_specs.soak.diamond`` does the same with ten thousand."""
    store = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "jobs.db")
    found = asyncio.run(diamond(store, 400))
    assert found.status is Status.COMPLETED
    assert list(found.findings) == []
    assert len(set(found.order)) == len(found.order) == 400
