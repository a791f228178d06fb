"""Incidents as they happen at three in the morning, with real processes on a real file.

In each of them an operator looks at several moments, and what is shown must be true then: before
anybody could know, once it can be known, and after it is settled.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import incident_handlers as handlers
import pytest
from incident_handlers import OffsetClock

from parcae import Cause, Engine, Job, JobId, Status, fsck, seconds
from parcae import events as e
from parcae.freshness import Assessment, Freshness, Policy, assess
from parcae.ports import Clock
from parcae.why import Explanation
from parcae_adapters.sqlite import SqliteStore

pytestmark = pytest.mark.alone

SOON = seconds(20)
LONG = 20.0
POLL = 0.02
NEVER = 3600.0
ENDS = (e.Completed, e.Failed, e.Cancelled, e.Compensated, e.Quarantined)

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


class Scene:
    """A database, the processes around it, and whoever looks at it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.database = folder / "jobs.db"
        self._stack = stack
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    @asynccontextmanager
    async def engine(self, clock: Clock | None = None) -> AsyncIterator[Engine]:
        """Left behind is a store in which nothing contradicts its history (S5)."""
        async with Engine(SqliteStore(self.database, clock=clock)) as engine:
            yield engine
            assert (await fsck(engine.store)).clean

    async def worker(
        self,
        name: str,
        *,
        reconcile_every: float = NEVER,
        drain: float = 90.0,
        clock: Path | None = None,
    ) -> subprocess.Popen[str]:
        """A worker that is ready; by default it settles nothing, so that a test can look first."""
        log = (self.folder / f"{name}.log").open("w+")
        self._stack.callback(log.close)
        popen = self._start(
            [
                handlers.__file__,
                self.database,
                name,
                reconcile_every,
                drain,
                *filter(None, [clock]),
            ],
            stderr=log,
        )
        said = Path(log.name).read_text

        async def ready() -> bool:
            assert popen.poll() is None, said()
            return "is ready" in said()

        await until(ready)
        return popen

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process writes, and does not come to an end."""
        locker = self._start(
            ["-c", LOCKER, self.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert locker.stdout is not None
        assert locker.stdin is not None
        assert locker.stdout.readline() == "locked\n"
        yield
        locker.stdin.write("\n")
        locker.stdin.flush()
        assert locker.wait(LONG) == 0

    def _start(self, command: list[object], **pipes: Any) -> subprocess.Popen[str]:
        popen = subprocess.Popen(
            [sys.executable, *map(str, command)], env=self._environment, text=True, **pipes
        )
        # Leaving the block of a process waits for it, so that it is killed before.
        self._stack.enter_context(popen)
        self._stack.callback(popen.kill)
        return popen

    async def typed(self, *args: str) -> Any:
        """What the command line shows, in a process of its own."""
        command = [sys.executable, "-m", "parcae_adapters.cli", *args, "--json"]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, "--db", str(self.database)],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def go(self, token: int | None = None) -> None:
        """Let handlers go on: all, or the one under ``token``."""
        Path(self.folder, "go" if token is None else f"go-{token}").touch()

    def ran(self, job_id: JobId) -> list[str]:
        """Every start of a handler: phase and token."""
        path = Path(self.folder, f"ran-{job_id}")
        return path.read_text().splitlines() if path.exists() else []

    async def until_ran(self, job_id: JobId, start: str) -> None:
        """Wait until a handler has begun."""

        async def begun() -> bool:
            return start in self.ran(job_id)

        await until(begun)

    async def freeze(self, popen: subprocess.Popen[str]) -> None:
        """Stop a process where it holds no lock: with one it would stop everybody, truly."""
        for _ in range(50):
            stop(popen)
            if self._writable():
                return
            popen.send_signal(signal.SIGCONT)
            await asyncio.sleep(POLL)
        raise AssertionError("the worker holds the lock of the file whenever one looks")

    def _writable(self) -> bool:
        try:
            for role in ("gate", "turn"):
                with Path(f"{self.database}-{role}").open() as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            connection = sqlite3.connect(self.database, isolation_level=None, timeout=0.1)
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            finally:
                connection.close()
        except (BlockingIOError, sqlite3.OperationalError):
            return False
        return True


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A database without anybody at it."""
    with ExitStack() as stack:
        found = Scene(tmp_path, stack)
        asyncio.run(SqliteStore(found.database).close())
        yield found


def stop(popen: subprocess.Popen[str]) -> None:
    """Freeze a process; a signal takes a moment, and until then it would go on."""
    popen.send_signal(signal.SIGSTOP)
    os.waitpid(popen.pid, os.WUNTRACED)


def play(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; none of them may hang."""
    asyncio.run(asyncio.wait_for(scenario, 60))


async def until(condition: Callable[[], Awaitable[bool]], within: float = LONG) -> None:
    """Wait for ``condition``, which time or another process brings about."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - time passing is no event
            await asyncio.sleep(POLL)


async def trust(engine: Engine, job_id: JobId) -> Assessment:
    """How far what is shown can be trusted; it only reads, so that no lock keeps it waiting."""
    standing = await engine.store.standing(job_id)
    assert standing is not None
    stored = standing.stored
    return assess(stored.job, stored.liveness, standing.now, Policy(queue=standing.queue))


async def words_until(engine: Engine, job_id: JobId, last: Freshness) -> list[Freshness]:
    """The words that are shown one after the other, up to ``last``."""
    seen: list[Freshness] = []

    async def reached() -> bool:
        word = (await trust(engine, job_id)).word
        if not seen or seen[-1] is not word:
            seen.append(word)
        return word is last

    await until(reached)
    return seen


async def ends(engine: Engine, job_id: JobId) -> list[e.Event]:
    """Every end on record."""
    return [one.event for one in await engine.history(job_id) if isinstance(one.event, ENDS)]


def says(sentences: tuple[str, ...], *parts: str) -> bool:
    """Whether one of the sentences has all these parts."""
    return any(all(part in sentence for part in parts) for sentence in sentences)


async def looked(engine: Engine, job_id: JobId) -> tuple[Job, Explanation]:
    """A job and what is said of it, both of the same moment: nothing happened in between."""
    while True:
        before, told = await engine.show(job_id), await engine.why(job_id)
        if (await engine.show(job_id)).version == before.version:
            return before, told


def test_s11_l3_given_a_worker_killed_in_a_phase_then_its_death_is_shown_as_soon_as_it_can_be_known(
    scene: Scene,
) -> None:
    """S11, S20, L3, and a reconciled end that never looks like an ordinary failure."""

    async def scenario() -> None:
        async with scene.engine() as engine:
            worker = await scene.worker("ann")
            lost = (await engine.submit(handlers.order(str(scene.folder)))).job_id
            failed = (await engine.submit(handlers.fragile(str(scene.folder)))).job_id
            await scene.until_ran(lost, "charge 1")
            await scene.until_ran(failed, "run 1")
            told = await engine.why(lost)
            assert told.freshness.word in (Freshness.FRESH, Freshness.LATE)
            assert "Worker ann has held it under token 1" in told.state
            assert "Phase charge is in work, in attempt 1 of 3." in told.state
            assert not told.doubts
            worker.kill()
            await asyncio.to_thread(worker.wait, LONG)

            # Nobody can know yet, so the words grow worse one by one, and none comes back.
            words = await words_until(engine, lost, Freshness.STALE)
            order = [Freshness.FRESH, Freshness.LATE, Freshness.STALE]
            assert words == [word for word in order if word in words]
            told = await engine.why(lost)
            assert (told.status, told.freshness.word) == (Status.RUNNING, Freshness.STALE)
            assert told.freshness.because.startswith("Its lease ran out ")
            assert says(told.doubts, "Its worker may be dead, or alive and cut off")
            assert says(told.doubts, "Phase charge was in work when its worker was last heard of")
            assert "then it goes back in line for attempt 2 of 3" in told.next
            assert told.remedies[0].command == "parcae reconcile"
            shown = await scene.typed("show", lost)
            assert (shown["status"], shown["freshness"]) == ("running", "stale")
            assert shown["lease"]["expired"]
            checked = await scene.typed("doctor")
            assert [(one["worker"], one["lapsed"]) for one in checked["workers"]] == [("ann", True)]

            await until(lambda: settled(engine, failed))
            assert not await engine.reconcile()  # Once is enough.
            job, told = await looked(engine, lost)
            assert (job.status, job.attempts, job.losses) == (Status.SCHEDULED, 1, 1)
            assert says(
                told.past,
                "Attempt 1 (worker ann, token 1) was lost with its worker in phase charge",
                "as the reconciler found",
            )
            assert says(told.doubts, "Phase charge was cut off in work")
            told = await engine.why(failed)
            assert (told.status, told.freshness.word) == (Status.FAILED, Freshness.RECONCILED)
            assert "its worker was lost" in told.state
            assert "no handler reported it" in told.state
            assert says(told.doubts, "Phase run was cut off in work")
            shown = await scene.typed("show", failed)
            assert (shown["freshness"], shown["cause"]) == ("reconciled", "lease lost")

            await scene.worker("bob")
            scene.go()
            outcome = await engine.wait(lost, SOON)
            assert (outcome.completed, outcome.reconciled, outcome.result) == (True, False, 2)
            assert scene.ran(lost) == ["reserve 1", "charge 1", "charge 2"]
            assert scene.ran(failed) == ["run 1"]
            told = await engine.why(lost)
            assert told.freshness.word is Freshness.SETTLED
            assert not told.doubts

    play(scenario())


async def settled(engine: Engine, job_id: JobId) -> bool:
    """Whether the job has ended, once the reconciler has looked."""
    await engine.reconcile()
    return (await engine.show(job_id)).status.is_terminal


def test_s3_s4_given_a_worker_frozen_past_its_lease_then_its_late_result_is_evidence_and_no_more(
    scene: Scene,
) -> None:
    """S1, S3, S4, S11: the job belongs to whoever took it over, whatever the former one says."""

    async def scenario() -> None:
        async with scene.engine() as engine:
            frozen = await scene.worker("ann")
            job_id = (await engine.submit(handlers.order(str(scene.folder)))).job_id
            await scene.until_ran(job_id, "charge 1")
            await scene.worker("bob", reconcile_every=0.1)
            await scene.freeze(frozen)
            await scene.until_ran(job_id, "charge 2")
            before, told = await looked(engine, job_id)
            assert told.status is Status.RUNNING
            assert "Worker bob has held it under token 2" in told.state
            assert "Phase charge is in work, in attempt 2 of 3." in told.state
            assert says(told.past, "Attempt 1 (worker ann, token 1) was lost", "in phase charge")
            assert says(told.doubts, "Phase charge was cut off in work")

            scene.go(token=1)
            frozen.send_signal(signal.SIGCONT)

            async def late() -> bool:
                return bool((await engine.show(job_id)).late)

            await until(late)
            after, told = await looked(engine, job_id)
            assert (after.state, after.phases, after.token) == (
                before.state,
                before.phases,
                before.token,
            )
            assert (after.attempts, after.losses, after.late) == (1, 1, (1,))
            assert told.freshness.word in (Freshness.FRESH, Freshness.LATE)
            assert says(told.past, "A worker that had lost it (token 1)", "it changed nothing")
            assert says(told.doubts, "A worker that had lost the job reported late (token 1)")
            shown = await scene.typed("show", job_id)
            assert (shown["status"], shown["lease"]["worker"]) == ("running", "bob")
            checked = await scene.typed("doctor")
            holds = {one["worker"]: one["jobs"] for one in checked["workers"]}
            assert holds == {"ann": 0, "bob": 1}

            scene.go(token=2)
            outcome = await engine.wait(job_id, SOON)
            assert (outcome.completed, outcome.result) == (True, 2)
            assert scene.ran(job_id) == ["reserve 1", "charge 1", "charge 2"]
            history = [one.event for one in await engine.history(job_id)]
            completed = [one for one in history if isinstance(one, e.PhaseCompleted)]
            assert [(one.phase, one.token) for one in completed] == [("reserve", 1), ("charge", 2)]
            assert len(await ends(engine, job_id)) == 1
            told = await engine.why(job_id)
            assert told.freshness.word is Freshness.SETTLED
            assert says(told.doubts, "reported late (token 1)")
            assert frozen.poll() is None

    play(scenario())


def test_s23_s27_given_a_database_locked_past_a_lease_then_nothing_is_lost_but_what_is_said_to_be(
    scene: Scene,
) -> None:
    """S4, S23, S24, S27: a result that came meanwhile counts, or is on record as late."""

    async def scenario() -> None:
        async with scene.engine() as engine:
            worker = await scene.worker("ann", reconcile_every=0.1)
            job_id = (await engine.submit(handlers.order(str(scene.folder)))).job_id
            await scene.until_ran(job_id, "charge 1")
            loop = asyncio.get_running_loop()
            with scene.locked():
                over = loop.time() + 3
                scene.go()  # It reports while nobody can write.
                submitting = asyncio.create_task(engine.submit(handlers.order(str(scene.folder))))
                words = await words_until(engine, job_id, Freshness.STALE)
                assert Freshness.RECONCILED not in words
                found = await trust(engine, job_id)
                assert found.because.startswith("Its lease ran out ")
                shown = await scene.typed("show", job_id)
                assert (shown["status"], shown["freshness"]) == ("running", "stale")
                assert shown["lease"]["expired"]
                await asyncio.sleep(max(over - loop.time(), 0))
                # Who could not write has acknowledged nothing, and changed nothing.
                assert not submitting.done()
                assert (await trust(engine, job_id)).word is Freshness.STALE
                assert (await engine.show(job_id)).status is Status.RUNNING
                assert worker.poll() is None
            other = await submitting
            assert (await other.wait(SOON)).completed
            outcome = await engine.wait(job_id, SOON)
            assert (outcome.completed, outcome.reconciled) == (True, False)

            async def reported() -> bool:
                job = await engine.show(job_id)
                return outcome.result == 1 or 1 in job.late

            await until(reported)
            job, told = await looked(engine, job_id)
            assert told.freshness.word is Freshness.SETTLED
            assert len(await ends(engine, job_id)) == 1
            if outcome.result == 1:  # Its own result came first: nobody else had taken the job.
                assert (job.attempts, job.losses, job.late) == (0, 0, ())
                assert not told.past
            else:
                assert (job.attempts, job.losses) == (1, 1)
                assert says(told.past, "Attempt 1 (worker ann, token 1) was lost", "phase charge")
                assert says(told.past, "A worker that had lost it (token 1)")
            shown = await scene.typed("show", job_id)
            assert (shown["freshness"], shown["losses"]) == ("settled", job.losses)
            assert worker.poll() is None

    play(scenario())


def test_s11_s19_l6_given_a_deploy_during_a_saga_then_it_goes_on_where_it_was_and_burns_nothing(
    scene: Scene,
) -> None:
    """S11, S19, L6: a shutdown is nobody's fault, and least of all the job's."""

    async def scenario() -> None:
        async with scene.engine() as engine:
            former = await scene.worker("old", drain=0.2)
            job_id = (await engine.submit(handlers.deploy(str(scene.folder)))).job_id
            await scene.until_ran(job_id, "build 1")
            told = await engine.why(job_id)
            assert "Once phase build is done, phase publish begins." in told.next
            former.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(former.wait, LONG) == 0

            job, told = await looked(engine, job_id)
            assert (job.status, job.attempts, job.releases) == (Status.SCHEDULED, 0, 1)
            assert told.freshness.word is Freshness.UNKNOWN
            assert says(told.waits, "No living worker is known that runs kind deploy")
            assert says(
                told.past, "Its holder (worker old, token 1) shut down and gave it back, between"
            )
            assert not told.doubts
            assert "begins attempt 1 of 3" in told.next
            shown = await scene.typed("show", job_id)
            assert [one["status"] for one in shown["phases"]] == ["completed", "pending"]
            assert (shown["freshness"], shown["lease"]) == ("unknown", None)
            checked = await scene.typed("doctor")
            assert (checked["workers"], checked["findings"]) == ([], [])

            await scene.worker("new")
            outcome = await engine.wait(job_id, SOON)
            assert (outcome.completed, outcome.result) == (True, 1)  # What the old one built.
            assert scene.ran(job_id) == ["build 1", "publish 2"]
            job, told = await looked(engine, job_id)
            assert (job.attempts, job.losses, job.starts) == (0, 0, 2)
            assert told.freshness.word is Freshness.SETTLED

    play(scenario())


def test_s4_s9_s29_given_a_handler_that_ignores_a_cancel_then_it_is_fenced_off_and_said_to_be(
    scene: Scene,
) -> None:
    """S1, S4, S9, S29: after its grace the job ends, and nobody claims that it stopped."""

    async def scenario() -> None:
        async with scene.engine() as engine:
            worker = await scene.worker("ann", reconcile_every=0.1)
            job_id = (await engine.submit(handlers.deaf(str(scene.folder)))).job_id
            await scene.until_ran(job_id, "run 1")
            await engine.cancel(job_id, by="eve", reason="wrong price")
            asked = await engine.why(job_id)
            if asked.status is Status.RUNNING:  # A slow machine may be past the grace already.
                assert "eve asked for it to stop (wrong price)." in asked.state
                assert "or is fenced off when its grace is over" in asked.next
                assert asked.remedies[0].command == f"parcae cancel {job_id} --force"

            outcome = await engine.wait(job_id, SOON)
            assert (outcome.status, outcome.cause) == (Status.CANCELLED, Cause.CANCELLED)
            assert outcome.reconciled
            job, told = await looked(engine, job_id)
            assert told.freshness.word is Freshness.RECONCILED
            assert "no handler reported it" in told.state
            assert says(told.past, "eve asked for it to stop")
            assert says(told.doubts, "Phase run was cut off in work")
            assert says(told.doubts, "A handler whose lease was taken away may still be alive")
            (end,) = await ends(engine, job_id)
            assert isinstance(end, e.Cancelled)
            assert (end.interrupted, end.fence is not None) == ("run", True)

            await until(lambda: abandons(engine, 1))
            (there,) = (await scene.typed("workers"))["workers"]
            assert (there["state"], there["abandoned"], there["jobs"]) == ("idle", 1, 0)
            checked = await scene.typed("doctor")
            assert [one["rule"] for one in checked["findings"]] == ["abandoned"]

            scene.go()  # The handler that nobody could stop is done at last.
            await until(lambda: abandons(engine, 0))

            async def late() -> bool:
                return bool((await engine.show(job_id)).late)

            await until(late)
            after, told = await looked(engine, job_id)
            assert (after.state, after.phases) == (job.state, job.phases)
            assert (await ends(engine, job_id)) == [end]
            assert told.freshness.word is Freshness.RECONCILED
            assert says(told.past, "A worker that had lost it (token 1)", "it changed nothing")
            assert says(told.doubts, "reported late (token 1)", "though it does not count")
            shown = await scene.typed("show", job_id)
            assert (shown["status"], shown["freshness"]) == ("cancelled", "reconciled")
            assert scene.ran(job_id) == ["run 1"]
            # The worker itself is well, and runs what comes next.
            assert (
                await (await engine.submit(handlers.order(str(scene.folder)))).wait(SOON)
            ).completed
            assert worker.poll() is None

    play(scenario())


async def abandons(engine: Engine, number: int) -> bool:
    """Whether so many handlers go on although their lease is gone, by what their worker says."""
    return [one.abandoned for one in await engine.store.workers()] == [number]


def test_s3_s21_given_a_clock_set_back_an_hour_then_nothing_runs_twice_and_all_is_said(
    scene: Scene,
) -> None:
    """S1, S3, S4, S11, S21, S29: somebody may have to wait, and what is shown says so.

    The worker begins an hour ahead of this machine; then its clock is set right.
    """

    async def scenario() -> None:
        ahead = scene.folder / "ahead"
        ahead.write_text("3600")
        async with scene.engine(OffsetClock(ahead)) as engine:
            worker = await scene.worker("ann", reconcile_every=0.1, clock=ahead)
            job_id = (await engine.submit(handlers.order(str(scene.folder)))).job_id
            await scene.until_ran(job_id, "charge 1")
            before = await engine.show(job_id)
            assert before.lease is not None

            ahead.write_text("0")
            told = await engine.why(job_id)
            assert (told.status, told.freshness.word) == (Status.RUNNING, Freshness.UNKNOWN)
            assert "in the future: a clock is off" in told.freshness.because
            shown = await scene.typed("show", job_id)
            assert (shown["status"], shown["freshness"]) == ("running", "unknown")
            checked = await scene.typed("doctor")
            said = [one["message"] for one in checked["findings"] if one["rule"] == "clock"]
            assert len(said) == 2
            assert all("in the future" in one and "set back" in one for one in said)
            assert not checked["healthy"]

            # Somebody else comes, and settles whatever is overdue: nothing is.
            await scene.worker("bob", reconcile_every=0.1, clock=ahead)
            later = (await engine.submit(handlers.order(str(scene.folder)))).job_id
            await scene.until_ran(later, "charge 1")
            assert not await engine.reconcile()
            after = await engine.show(job_id)
            assert (after.state, after.token) == (before.state, before.token)
            there = {one["worker"]: one for one in (await scene.typed("workers"))["workers"]}
            assert there["bob"]["state"] in ("idle", "busy")

            # Whoever had it reports by the clock as it is now, and that counts.
            scene.go()
            for name in (job_id, later):
                outcome = await engine.wait(name, SOON)
                assert (outcome.completed, outcome.reconciled, outcome.result) == (True, False, 1)
                assert scene.ran(name) == ["reserve 1", "charge 1"]
                assert len(await ends(engine, name)) == 1
                job, told = await looked(engine, name)
                assert (job.attempts, job.losses, job.late) == (0, 0, ())
                assert told.freshness.word is Freshness.SETTLED
                assert not told.doubts
            # All that is left of it stands in the log, and is still told.
            checked = await scene.typed("doctor")
            said = [one["message"] for one in checked["findings"] if one["rule"] == "clock"]
            assert len(said) == 1, said
            assert said[0].startswith("the newest event lies ")
            assert worker.poll() is None

    play(scenario())


class Race:
    """Between reconcilers and a worker: whether the former have begun, and whether it is over."""

    def __init__(self) -> None:
        self.begun, self.over = asyncio.Event(), asyncio.Event()


def test_s1_s20_given_reconcilers_that_race_completions_then_each_job_ends_once(
    scene: Scene,
) -> None:
    """S1, S4, S20: whoever commits first is right, and the word tells which of the two it was."""

    async def scenario() -> None:
        async with scene.engine() as engine, scene.engine() as second, scene.engine() as third:
            worker = await scene.worker("ann")
            names = [
                (await engine.submit(handlers.fragile(str(scene.folder)))).job_id for _ in range(30)
            ]
            for name in names:
                await scene.until_ran(name, "run 1")
            await scene.freeze(worker)
            race = Race()
            counts = await asyncio.gather(
                thaw(scene, engine, worker, names, race),
                *(settle(one, race) for one in (engine, second, third)),
            )
            reconciled = 0
            for name in names:
                (end,) = await ends(engine, name)
                told = await engine.why(name)
                if isinstance(end, e.Completed):
                    assert told.freshness.word is Freshness.SETTLED
                    assert not told.doubts
                else:
                    assert isinstance(end, e.Failed)
                    assert (end.cause, end.reconciled) == (Cause.LEASE_LOST, True)
                    assert told.freshness.word is Freshness.RECONCILED
                    assert says(told.doubts, "Phase run was cut off in work")
                    reconciled += 1
            # No two reconcilers have settled the same job.
            assert sum(counts) == reconciled > 0
            there = (await scene.typed("doctor"))["workers"]
            assert [(one["worker"], one["jobs"]) for one in there] == [("ann", 0)]
            assert all(scene.ran(name) == ["run 1"] for name in names)

    play(scenario())


async def thaw(
    scene: Scene,
    engine: Engine,
    worker: subprocess.Popen[str],
    names: list[JobId],
    race: Race,
) -> int:
    """Let the worker go on as soon as the first leases have run out and somebody has noticed."""
    scene.go()
    await asyncio.wait_for(race.begun.wait(), LONG)
    worker.send_signal(signal.SIGCONT)
    for name in names:
        await engine.wait(name, SOON)
    race.over.set()
    return 0


async def settle(engine: Engine, race: Race) -> int:
    """Reconcile in small bites for as long as it lasts; how many jobs it settled."""
    count = 0
    while not race.over.is_set():
        count += len(await engine.reconcile(limit=2))
        if count:
            race.begun.set()
        await asyncio.sleep(0.005)
    return count
