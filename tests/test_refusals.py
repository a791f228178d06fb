"""What a refusal says, to the letter: it is all that whoever is refused has to go on (S28)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator

import pytest

from parcae import Context, Engine, Jobs
from parcae import commands as c
from parcae.change import View
from parcae.errors import LeaseLost, Rejected, Superseded
from parcae.handle import handle
from parcae.saga import resubmission
from parcae.spec import Carried, Lost, OnLost, Retry, RetryMode, Timing
from parcae.values import MAX_BLOB, Blob, JobId, Place, Status, Token, minutes, seconds
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.testing import run_until_idle
from parcae_specs.scenarios import play
from parcae_specs.scenarios.common import PARENTS, origin
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import (
    JOB,
    Step,
    at,
    cancel,
    claim,
    confirm,
    delete,
    done,
    fail,
    given,
    release,
    renew,
    settle,
    start,
    undo,
    undo_failed,
    undone,
)
from parcae_specs.story import submit as admit

HASTY = Timing(attempt=seconds(10), undo=seconds(10))
STALE = Timing(stale_after=minutes(1))
HUGE = c.CompletePhase(token=Token(1), phase="a", result=Blob("result/a", MAX_BLOB + 1, "00" * 32))
HELD = (admit("a", "b"), claim(), start("a"))
UNDOING = (*TO_UNDO, claim("bob"))
HASTILY = (
    admit("a~", "b", retry=Retry(max_attempts=1), timing=HASTY),
    *(claim(), start("a"), done("a"), start("b"), fail(), claim("bob")),
)
UNDO = origin(RetryMode.UNDO)
A, B, Z = (Carried(phase=name) for name in "abz")
DAY = "2026-01-01 00:00:"

Case = tuple[tuple[Step, ...], c.Command, str]

REJECTED: tuple[Case, ...] = (
    ((), cancel(), f"there is no job {JOB}"),
    ((admit("a"),), admit("a"), "the job exists already"),
    ((admit("a"),), start("a", 0), "token 0 was never given, the last is 0"),
    (HELD, renew(2), "token 2 was never given, the last is 1"),
    (UNDOING, claim("cyd"), "held by bob"),
    ((admit("a", run_at=at(9)), at(8)), claim(), f"not before {DAY}09+00:00"),
    ((admit("a", deadline=at(9)), at(9)), claim(), f"its deadline was {DAY}09+00:00"),
    ((admit("a", timing=STALE), at(60)), claim(), f"it is due since {DAY}00+00:00"),
    ((admit("a"), claim(), cancel()), claim(), "a cancel was requested"),
    (
        (*HELD, done("a", result=b"1")),
        done("a", result=b"2"),
        "phase completed of token 1 was taken with another result",
    ),
    ((admit("a"), claim(), cancel()), start("a"), "a cancel was requested"),
    ((admit("a", timing=HASTY), claim(), at(10)), start("a"), "the attempt is past its timeout"),
    (
        (admit("a", deadline=at(9)), claim(), at(9)),
        start("a"),
        f"its deadline was {DAY}09+00:00",
    ),
    (HELD, start("b"), "phase 'a' is running"),
    ((admit("a", "b"), claim()), start("b"), "'b' is not the next"),
    ((admit("a", "b"), claim()), start("z"), "there is no phase 'z'; there are a, b"),
    (HELD, HUGE, f"expected a result of at most {MAX_BLOB} bytes, got {MAX_BLOB + 1}"),
    ((admit("a"), claim()), done("a"), "phase 'a' was not started under this lease"),
    (HELD, confirm(), "nobody requested a cancel"),
    ((*HASTILY, at(10)), undo("a"), "the undo is past its timeout"),
    (UNDOING, undo("a"), "the undo of 'b' is next, not that of 'a'"),
    (UNDOING, undone("b"), "the undo of 'b' was not started under this lease"),
    (UNDOING, undo_failed("b"), "the undo of 'b' was not started under this lease"),
    (
        (),
        admit("a", "b", carried=(Z,)),
        "expected phases of ['a', 'b'], each once, to be carried over, got ['z']",
    ),
    ((), admit("a", "b", carried=(A, B)), "expected a phase that is left to do"),
    (
        (),
        admit("a", "b", not_before=at(5), dependencies=PARENTS),
        "a job that takes something over cannot wait for others",
    ),
    ((), admit("a~", "b", origin=UNDO), "expected something to undo"),
    (
        (),
        admit("a", deadline=at(5), run_at=at(6)),
        f"expected a deadline later than its start at {DAY}06+00:00, got {DAY}05+00:00",
    ),
    ((admit("a", dependencies=PARENTS),), settle("z"), "it does not depend on z"),
    (
        (admit("a", dependencies=PARENTS),),
        settle("p", Status.RUNNING),
        "expected the outcome of an ended job, got running",
    ),
    (
        (admit("a"), cancel(), at(59)),
        delete(retention=minutes(1)),
        "it is kept until 2026-01-01 00:01:00+00:00",
    ),
)

SUPERSEDED: tuple[Case, ...] = (
    ((admit("a"), claim(), at(30)), claim(), "the lease of 'r' has expired"),
    ((*HELD, at(30)), renew(), f"the lease expired at {DAY}30+00:00"),
    (
        (admit("a", timing=HASTY), claim(), at(10)),
        renew(),
        f"nothing is renewed after {DAY}10+00:00: its time is over",
    ),
    (
        (at(9), *HELD, at(8)),
        renew(),
        f"a renewal at {DAY}08+00:00 would shorten the lease from {DAY}39+00:00",
    ),
    ((*HELD, release(), claim()), renew(1), "Renew refused: token 1 is not current"),
    (
        (admit("a"), claim(), at(30)),
        start("a"),
        "the lease has expired: no phase may start under it",
    ),
    ((*UNDOING, at(30)), undo("b"), "the lease has expired: no undo may start under it"),
)


@pytest.mark.parametrize(("steps", "command", "words"), REJECTED)
def test_s28_a_rejection_says_what_was_refused_of_which_job_and_why(
    steps: tuple[Step, ...], command: c.Command, words: str
) -> None:
    story = given(*steps)
    status = story.job.status if story.stored else None
    refusal = story.when(command).last.refusal
    assert isinstance(refusal, Rejected)
    name = type(command).__name__
    assert str(refusal) == f"{name} refused for job {JOB}: {words}"
    assert (refusal.command, refusal.status) == (name, status)


@pytest.mark.parametrize(("steps", "command", "words"), SUPERSEDED)
def test_s28_whoever_comes_too_late_is_told_by_what(
    steps: tuple[Step, ...], command: c.Command, words: str
) -> None:
    refusal = given(*steps).when(command).last.refusal
    assert isinstance(refusal, Superseded)
    assert str(refusal) == words


OWES = "retries an undo until it will not succeed"
NOT_RETRIED: tuple[tuple[str, RetryMode, tuple[str, ...], str], ...] = (
    ("is held by a worker", RetryMode.FROM_START, (), "it is running, not ended"),
    ("completes", RetryMode.RESUME, (), "it is completed, nothing is left to do"),
    ("completes", RetryMode.UNDO, (), "it owes no undo"),
    (
        "only undoes what its origin owed",
        RetryMode.RESUME,
        (),
        "it only undoes; retry the job it undoes",
    ),
    (
        "fails for good at once",
        RetryMode.RESUME,
        ("a",),
        "phases settled by hand go with mode undo only",
    ),
    (OWES, RetryMode.UNDO, ("z", "c"), "it owes no undo of c, z"),
)


@pytest.mark.parametrize(("name", "mode", "settled", "words"), NOT_RETRIED)
def test_s28_what_cannot_be_retried_so_says_it_of_which_job_and_mode(
    name: str, mode: RetryMode, settled: tuple[str, ...], words: str
) -> None:
    ended = play(name).job
    with pytest.raises(Rejected) as refused:
        resubmission(ended, mode, job_id=JobId("new"), seed=1, settled=settled)
    error = refused.value
    assert str(error) == f"job {ended.id} cannot be retried with mode {mode}: {words}"
    assert (error.command, error.status) == (f"retry {mode}", ended.status)


def test_s28_what_may_have_happened_is_named_with_its_way_out() -> None:
    lost = OnLost(action=Lost.QUARANTINE)
    story = given(admit("a~", on_lost=lost), claim(), start("a"), at(30), c.Reconcile())
    with pytest.raises(Rejected) as refused:
        resubmission(story.job, RetryMode.UNDO, job_id=JobId("new"), seed=1)
    error = refused.value
    assert str(error) == (
        f"nobody knows whether phase 'a' of job {JOB} happened, and its undo cannot handle that: "
        "settle it by hand, then name it as settled"
    )
    assert (error.command, error.status) == ("undo", Status.QUARANTINED)


jobs = Jobs()


@jobs.job("small", retry=Retry(max_attempts=1))
def small(ctx: Context, text: str) -> None:
    raise ValueError(ctx.phase + text)


async def _admissions() -> Iterator[tuple[Rejected, str, str]]:
    """Each refusal of an admission, the command that it should name, and what it should say."""
    engine = Engine(MemoryStore(clock=ManualClock()))
    failed = (await engine.submit(small("a"), idempotency_key="order-17")).job_id
    await run_until_idle(engine, jobs)
    heir = (await engine.retry(failed)).job_id
    text = "x" * MAX_BLOB
    size = len(small(text).payload)
    taken = f"the key 'order-17' was used with another request, for job {failed}"
    asked: tuple[tuple[Awaitable[object], str, str], ...] = (
        (
            engine.submit(small(text)),
            "Submit",
            f"expected a payload of at most {MAX_BLOB} bytes, got {size}",
        ),
        (engine.submit(small("b"), idempotency_key="order-17"), "Submit", taken),
        (
            engine.submit(small("a"), idempotency_key="order-17", key="another lane"),
            "Submit",
            taken,
        ),
        (engine.retry(JOB), "retry resume", f"there is no job {JOB}"),
        (
            engine.retry(failed),
            "retry resume",
            f"what job {failed} did was taken over already, by job {heir}",
        ),
    )
    return iter([(await _refusal(ask), command, words) for ask, command, words in asked])


async def _refusal(ask: Awaitable[object]) -> Rejected:
    with pytest.raises(Rejected) as refused:
        await ask
    return refused.value


def test_s28_the_rules_that_admit_say_it_too() -> None:
    for refusal, command, words in asyncio.run(_admissions()):
        assert (str(refusal), refusal.command) == (words, command)


def test_a_payload_may_be_as_large_as_it_may_be() -> None:
    async def admitted() -> Status:
        engine = Engine(MemoryStore(clock=ManualClock()))
        least = len(small("").payload)
        handle = await engine.submit(small("x" * (MAX_BLOB - least)))
        return (await engine.show(handle.job_id)).status

    assert asyncio.run(admitted()) is Status.SCHEDULED


def test_s28_a_late_result_is_told_that_it_is_kept_as_evidence() -> None:
    late = given(*HELD, release()).stored
    assert late is not None
    view = View(now=at(100), place=Place(50), seed=7, jobs={JOB: late})
    answer = handle(view, JOB, fail(1)).answer
    assert isinstance(answer, LeaseLost)
    assert str(answer) == "token 1 is not current; its late result is kept as evidence"
