"""One word says how far what is shown can be trusted, and its evidence says why."""

from __future__ import annotations

import pytest
from attrs import evolve as replace
from hypothesis import given as for_all

from parcae import freshness
from parcae.freshness import Assessment, Freshness, Policy, assess
from parcae.queues import Queue
from parcae.spec import Retry, Timing
from parcae.state import Stored
from parcae.timing import DueKind, next_due
from parcae.values import Instant, WorkerId, minutes, seconds
from parcae_specs.scenarios import SCENARIOS, play
from parcae_specs.scenarios.common import PARENTS
from parcae_specs.story import (
    Step,
    Story,
    at,
    cancel,
    claim,
    done,
    fail,
    given,
    reconcile,
    renew,
    start,
    submit,
)
from parcae_specs.strategies import stories

WORKERS = frozenset({WorkerId("ann")})


def of(story: Story, now: Instant, policy: Policy | None = None) -> Assessment:
    """What is said of the job of a story."""
    assert story.stored is not None
    return assess(story.job, story.stored.liveness, now, policy)


@pytest.mark.parametrize(
    ("steps", "now", "word"),
    [
        ((submit("a", dependencies=PARENTS),), at(10_000), Freshness.FRESH),
        ((submit("a", run_at=at(500)),), at(400), Freshness.FRESH),
        ((submit("a"),), at(60), Freshness.FRESH),
        ((submit("a"),), at(61), Freshness.LATE),
        ((submit("a", deadline=at(50)),), at(50), Freshness.STALE),
        ((submit("a", dependencies=PARENTS, deadline=at(50)),), at(50), Freshness.STALE),
        ((submit("a", timing=Timing(stale_after=minutes(2))),), at(120), Freshness.STALE),
        ((submit("a"), claim()), at(15), Freshness.FRESH),
        ((submit("a"), claim()), at(16), Freshness.LATE),
        ((submit("a"), claim()), at(29.9), Freshness.LATE),
        ((submit("a"), claim()), at(30), Freshness.STALE),
        ((submit("a"), claim(), at(20), renew()), at(30), Freshness.FRESH),
        ((submit("a"), at(20), claim()), at(19), Freshness.UNKNOWN),
        ((submit("a"), claim(), cancel(), at(25), renew()), at(31), Freshness.STALE),
        ((submit("a"), claim(), start("a"), done("a")), at(99), Freshness.SETTLED),
        ((submit("a"), claim(), fail(permanent=True)), at(99), Freshness.SETTLED),
        ((submit("a"), cancel()), at(99), Freshness.SETTLED),
        ((submit("a", deadline=at(50)), at(50), reconcile()), at(99), Freshness.RECONCILED),
    ],
)
def test_the_words_of_some_jobs(steps: tuple[Step, ...], now: Instant, word: Freshness) -> None:
    assert of(given(*steps), now).word is word


def test_a_paused_queue_makes_nobody_late() -> None:
    paused = Queue(name="default", paused_at=at(5))
    said = of(given(submit("a")), at(10_000), Policy(queue=paused))
    assert said.word is Freshness.FRESH
    assert said.evidence.paused_at == at(5)
    assert "paused" in said.because


def test_an_undo_is_done_in_a_paused_queue_too_so_that_it_can_be_late() -> None:
    story = given(submit("a~", "b"), claim(), start("a"), done("a"), fail(permanent=True))
    paused = Policy(queue=Queue(name="default", paused_at=at(0)))
    assert of(story, at(60), paused).word is Freshness.FRESH
    assert of(story, at(61), paused).word is Freshness.LATE


def test_a_kind_that_no_living_worker_knows_is_unknown_only_once_it_could_start() -> None:
    nobody = Policy(workers=frozenset())
    assert of(given(submit("a")), at(1), nobody).word is Freshness.UNKNOWN
    assert of(given(submit("a", run_at=at(60))), at(1), nobody).word is Freshness.FRESH
    somebody = of(given(submit("a")), at(1), Policy(workers=WORKERS))
    assert (somebody.word, somebody.evidence.workers) == (Freshness.FRESH, 1)
    assert of(given(submit("a")), at(1)).evidence.workers is None


def test_a_lost_job_never_looks_like_one_that_failed_by_itself() -> None:
    once = Retry(max_attempts=1)
    failed = given(submit("a", retry=once), claim(), start("a"), fail())
    lost = given(submit("a", retry=once), claim(), start("a"), at(30), reconcile())
    assert failed.job.status is lost.job.status
    assert of(failed, at(40)).word is Freshness.SETTLED
    assert of(lost, at(40)).word is Freshness.RECONCILED
    assert "reconciler" in of(lost, at(40)).because


def test_the_evidence_of_a_held_job_is_its_heartbeat_and_the_expiry_of_its_lease() -> None:
    story = given(submit("a"), claim(), at(5), renew())
    evidence = of(story, at(12)).evidence
    assert (evidence.heard_at, evidence.expires_at) == (at(5), at(35))
    assert evidence.due is not None
    assert evidence.due.kind is DueKind.LEASE
    assert (evidence.waiting_since, evidence.age) == (None, None)


def test_the_evidence_of_a_job_in_line_is_its_age() -> None:
    evidence = of(given(submit("a")), at(12)).evidence
    assert (evidence.waiting_since, evidence.age) == (at(0), seconds(12))
    assert (evidence.heard_at, evidence.expires_at) == (None, None)


def test_a_lease_without_a_record_of_its_worker_is_looked_at_by_its_first_expiry() -> None:
    story = given(submit("a"), claim())
    assert assess(story.job, None, at(5)).word is Freshness.UNKNOWN
    assert assess(story.job, None, at(30)).word is Freshness.STALE


def test_patience_is_a_matter_of_policy() -> None:
    patient = Policy(patience=minutes(10))
    assert of(given(submit("a")), at(500), patient).word is Freshness.FRESH
    assert of(given(submit("a")), at(601), patient).word is Freshness.LATE


def test_every_word_is_defined() -> None:
    assert freshness.__doc__ is not None
    assert all(f"\n``{word}``\n" in freshness.__doc__ for word in Freshness)


def holds(stored: Stored, now: Instant) -> None:
    """The word follows from the state, and nothing contradicts it."""
    job, said = stored.job, assess(stored.job, stored.liveness, now)
    ended = job.status.is_terminal
    assert (said.word in (Freshness.SETTLED, Freshness.RECONCILED)) == ended
    if ended:
        assert (said.word is Freshness.RECONCILED) == job.state.reconciled  # type: ignore[union-attr]
        assert next_due(job, stored.liveness) is None
        return
    due = next_due(job, stored.liveness)
    assert (said.word is Freshness.STALE) == (due is not None and due.at <= now)
    assert said.because.endswith(".")
    assert said.because[0].isupper()


@pytest.mark.parametrize("name", SCENARIOS)
def test_in_every_scenario_the_word_follows_from_the_state(name: str) -> None:
    story = Story()
    for step in SCENARIOS[name]:
        story.when(step)
        if story.stored is not None:
            for later in (0, 5, 20, 40, 2_000):
                holds(story.stored, story.now + seconds(later))


@for_all(stories())
def test_wherever_commands_lead_the_word_follows_from_the_state(story: Story) -> None:
    if story.stored is not None:
        for later in (-40, 0, 16, 30, 100, 2_000):
            holds(story.stored, story.now + seconds(later))


def test_an_ended_job_is_never_told_stale_by_what_fell_due_before() -> None:
    ended = play("ignores a cancel").stored
    assert ended is not None
    assert assess(ended.job, None, at(10_000)).word is Freshness.RECONCILED
    assert assess(replace(ended.job), None, at(0)).word is Freshness.RECONCILED
