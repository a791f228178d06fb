"""Real processes that share one file: openers, claimers, submitters, writers, and one that dies."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from parcae.ports import Query
from parcae.values import JobId, Status
from parcae_adapters.sqlite import SqliteStore, Unusable
from parcae_adapters.sqlite.turnstile import Turnstile
from parcae_specs.contenders import started, together
from parcae_specs.drive import Driver

HAMMERING = 1.5
"""Seconds."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


async def submitted(path: Path, count: int) -> list[JobId]:
    store = SqliteStore(path)
    jobs = [await Driver(store).submit() for _ in range(count)]
    await store.close()
    return jobs


async def audited(path: Path) -> tuple[object, ...]:
    store = SqliteStore(path)
    found = await store.audit(), await store.count(Query()), await store.log()
    await store.close()
    return found


def test_sixteen_processes_that_make_the_file_at_once_all_open_it(path: Path) -> None:
    answers = together([started("open", path) for _ in range(16)])
    assert answers == [{}] * 16


def test_of_five_processes_that_claim_one_job_exactly_one_gets_it(path: Path) -> None:
    """S3."""
    asyncio.run(submitted(path, 1))
    answers = together([started("claim", path, f"w{i}") for i in range(5)])
    assert sorted(answers) == [[]] * 4 + [[1]]


def test_five_processes_that_submit_under_one_key_admit_one_job(path: Path) -> None:
    """S17."""
    answers = together([started("submit-once", path, "k") for _ in range(5)])
    assert len(set(answers)) == 1
    faults, counted, log = asyncio.run(audited(path))
    assert (faults, counted, len(log)) == ((), {Status.SCHEDULED: 1}, 2)  # type: ignore[arg-type]


def test_a_process_that_dies_in_mid_transaction_leaves_nothing_of_it(path: Path) -> None:
    """S23. Its rows were written, and not committed."""
    (job,) = asyncio.run(submitted(path, 1))
    before = asyncio.run(audited(path))
    dying = started("die", path, job)
    dying.communicate(timeout=30)
    assert dying.returncode == -signal.SIGKILL
    assert asyncio.run(audited(path)) == before
    asyncio.run(submitted(path, 1))


@pytest.mark.alone
def test_of_two_processes_that_write_all_the_time_each_gets_its_share(path: Path) -> None:
    """L7."""
    counts = together([started("hammer", path, HAMMERING) for _ in range(2)])
    assert min(counts) >= 0.4 * sum(counts), counts
    assert asyncio.run(audited(path))[0] == ()


@pytest.mark.alone
def test_left_to_sqlite_alone_one_of_two_processes_starves(path: Path) -> None:
    """The control of the test above: without turns it must fail, and by far."""
    counts = together([started("hammer", path, HAMMERING, "without turns") for _ in range(2)])
    assert min(counts) < 0.3 * sum(counts), counts


@pytest.mark.alone
def test_of_eight_processes_that_write_all_the_time_none_starves(path: Path) -> None:
    counts = together([started("hammer", path, HAMMERING) for _ in range(8)])
    assert min(counts) >= 0.04 * sum(counts), counts


@pytest.mark.alone
def test_a_commit_of_another_process_is_noticed_within_a_tenth_of_a_second(path: Path) -> None:
    async def scenario() -> None:
        store = SqliteStore(path)
        other = started("commit-at-times", path, 20)
        collecting = asyncio.create_task(asyncio.to_thread(together, [other]))
        noticed: list[float] = []
        mark = store.mark()
        while not collecting.done():
            waiting = asyncio.create_task(store.wait(mark))
            await asyncio.wait({waiting, collecting}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                mark = waiting.result()
                noticed.append(time.time())
            else:
                waiting.cancel()
        (committed,) = await collecting
        # The first wake-ups are those of its opening.
        late = [min((n - at for n in noticed if n >= at), default=9.0) for at in committed]
        late.sort()
        # A busy machine may hold back one or two of them.
        assert late[len(late) * 8 // 10] < 0.1, late
        await store.close()

    asyncio.run(scenario())


@pytest.mark.alone
def test_while_nothing_happens_a_store_takes_less_than_a_hundredth_of_a_processor(
    path: Path,
) -> None:
    async def scenario() -> float:
        store = SqliteStore(path)
        waiting = asyncio.create_task(store.wait(store.mark()))
        await asyncio.sleep(0.2)
        before = resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.sleep(2)
        after = resource.getrusage(resource.RUSAGE_SELF)
        waiting.cancel()
        await store.close()
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert asyncio.run(scenario()) / 2 < 0.01


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_after_a_fork_a_store_refuses_the_child_and_serves_the_parent(path: Path) -> None:
    store = SqliteStore(path)
    asyncio.run(Driver(store).submit())
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(Driver(store).submit())
        except Unusable as error:
            os._exit(0 if "fork" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    async def scenario() -> None:
        await Driver(store).submit()
        assert await store.audit() == ()
        await store.close()

    asyncio.run(scenario())


@pytest.mark.alone
def test_turns_alternate_and_nobody_waits_longer_than_its_patience(path: Path) -> None:
    mine, theirs = Turnstile(str(path), 0.05), Turnstile(str(path), 0.05)
    with mine.turn() as first:
        assert first
        with theirs.turn() as second:
            assert not second, "went on without, for only fairness depends on it"
    with theirs.turn() as third:
        assert third
    mine.close()
    theirs.close()
    with mine.turn() as closed:
        assert not closed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_fork_keeps_no_turn_from_others_though_its_parent_dies(path: Path) -> None:
    """A lock belongs to whoever has the file open: a fork that lives on would keep it."""
    (said, say), (held, hold) = os.pipe(), os.pipe()
    parent = os.fork()
    if parent == 0:
        with Turnstile(str(path), 1).turn():
            if os.fork() == 0:
                os.close(hold)
                os.write(say, b"alive")
                # Until this test has ended.
                os.read(held, 1)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    assert os.read(said, 5) == b"alive"
    with Turnstile(str(path), 0.1).turn() as had:
        assert had
    for end in (said, say, held, hold):
        os.close(end)


def test_in_a_folder_where_no_file_can_be_made_nobody_takes_turns(tmp_path: Path) -> None:
    alone = Turnstile(str(tmp_path / "missing" / "jobs.db"), 1)
    with alone.turn() as had:
        assert not had
    alone.close()
