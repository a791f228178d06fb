"""Whatever was done, a survey says what is there, and every store says the same."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from parcae import Context, Dependency, Engine, JobId, Jobs, Retry, Timing, minutes, seconds
from parcae.errors import ParcaeError
from parcae.ports import Store
from parcae.survey import Scope, before
from parcae.values import Error, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.recount import checked, every_job, in_line

WORKER = WorkerId("w")
SCOPES = (Scope(), Scope(window=seconds(5), sample=2, queues=frozenset({"default"})))

jobs = Jobs()
saga = jobs.saga("work", retry=Retry(max_attempts=2, jitter=0), timing=Timing(deadline=minutes(5)))


@saga.phase
async def begin(ctx: Context, queue: str) -> str:  # noqa: ARG001
    """Done, and undone."""
    return queue


@begin.undo
async def undo(ctx: Context, queue: str, begun: str) -> None:
    """Nothing was done."""


@jobs.job("mail", queue="mail")
async def mail(ctx: Context) -> None:
    """Of another queue."""


@saga.phase
async def end(ctx: Context, queue: str) -> None:
    """The rest."""


OPS = st.one_of(
    st.tuples(
        st.just("submit"),
        st.sampled_from(["", "k", "l"]),
        st.integers(-1, 1),
        st.sampled_from([0, 0, 3]),
        st.booleans(),
    ),
    st.tuples(st.just("claim"), st.integers(1, 3)),
    st.tuples(st.just("go on"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("pass"), st.sampled_from([1, 4, 40, 400])),
    st.tuples(st.just("reconcile")),
    st.tuples(st.just("limit"), st.sampled_from([None, 1, 2]), st.sampled_from([None, "k"])),
    st.tuples(st.just("rate"), st.sampled_from([None, 1, 5])),
    st.tuples(st.just("aging"), st.sampled_from([None, 1, 3])),
    st.tuples(st.just("pause"), st.booleans()),
)


class Player:
    """Plays on one store."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.engine = Engine(store)
        self.clock = clock
        self.jobs: list[JobId] = []
        self.requests = 0

    async def play(self, op: tuple[Any, ...]) -> None:
        """One step; a refusal is one, too."""
        engine, (name, *args) = self.engine, op
        try:
            match name:
                case "submit":
                    await self.submit(*args)
                case "claim":
                    self.requests += 1
                    request = f"r{self.requests}"
                    await engine.claim(WORKER, jobs.kinds, request=request, limit=args[0])
                case "go on" if self.jobs:
                    await self.go_on(self.jobs[args[0] % len(self.jobs)], args[1])
                case "cancel" if self.jobs:
                    await engine.cancel(self.jobs[args[0] % len(self.jobs)])
                case "pass":
                    self.clock.advance(seconds(args[0]))
                case "reconcile":
                    await engine.reconcile()
                case _:
                    await self.configure(name, *args)
        except ParcaeError:
            return

    async def submit(self, key: str, priority: int, later: int, after: bool) -> None:
        run_at = self.clock.now() + seconds(later) if later else None
        parents = [Dependency(parent=one, policy="proceed") for one in self.jobs[-1:] if after]
        handle = await self.engine.submit(
            saga("a") if key else mail(), key=key, priority=priority, run_at=run_at, after=parents
        )
        self.jobs.append(handle.job_id)

    async def go_on(self, name: JobId, well: bool) -> None:
        """What a worker would do next with the job, if it holds it."""
        engine, job = self.engine, await self.engine.show(name)
        if job.lease is None:
            return
        token, phase = job.lease.token, job.next_phase
        if job.running_phase is not None and well:
            spec = job.spec.phases[job.running_phase]
            await engine.complete_phase(name, token, spec.name)
        elif job.running_phase is not None:
            await engine.fail(name, token, Error(type="Broken"))
        elif phase is not None:
            await engine.start_phase(name, token, job.spec.phases[phase].name)

    async def configure(self, name: str, *args: Any) -> None:
        engine = self.engine
        if name == "limit":
            await engine.limit("default", args[0], key=args[1])
        elif name == "rate":
            await engine.rate("default", args[0])
        elif name == "aging":
            await engine.aging("default", args[0])
        elif name == "pause":
            await (engine.pause if args[0] else engine.resume_queue)("default")

    async def seen(self) -> list[object]:
        """All statistics, each compared with what the jobs themselves say."""
        store = self.engine.store
        surveys = [await checked(store, scope) for scope in SCOPES]
        stored, queues = await every_job(store), surveys[0].settings
        line = in_line(stored, queues)
        found: list[object] = [*surveys]
        for name in self.jobs:
            standing = await store.standing(name)
            assert standing is not None
            assert standing.offer == line.get(name)
            ahead = [
                other
                for other, offer in line.items()
                if name in line
                and offer.lane.queue == line[name].lane.queue
                and before(standing.now, (line[name], name), (offer, other), standing.queue)
            ]
            assert standing.ahead_in_queue == len(ahead), "S7"
            mine = [one for one in stored if one.job.spec.lane == standing.stored.job.spec.lane]
            held = {one.job.id for one in mine if one.job.lease is not None}
            assert standing.held == len(held), "S6"
            assert {one.job.id for one in standing.holders} == held
            found.append(standing)
        return found


@settings(max_examples=60, deadline=None)
@given(st.lists(OPS, min_size=1, max_size=25))
def test_s26_after_any_commands_surveys_and_places_agree_with_the_jobs(
    ops: Sequence[tuple[Any, ...]],
) -> None:
    async def run(folder: Path) -> None:
        found = []
        for make in (MemoryStore, SqliteStore):
            clock, chance = ManualClock(), random.Random(1)
            where: tuple[Any, ...] = (folder / "jobs.db",) if make is SqliteStore else ()
            given: Any = {"clock": clock, "entropy": lambda c=chance: c.getrandbits(128)}
            store: Store = make(*where, **given)
            player = Player(store, clock)
            for op in ops:
                await player.play(op)
            found.append(await player.seen())
            await store.close()
        assert found[0] == found[1]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
