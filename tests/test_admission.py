"""Who may start, and who goes first (S7)."""

from __future__ import annotations

from typing import Any

from attrs import evolve as replace
from hypothesis import given as for_all
from hypothesis import strategies as st

from parcae import handle as rules
from parcae.admission import due, offer, order
from parcae.change import View
from parcae.commands import Claim
from parcae.effects import Offer
from parcae.spec import Timing
from parcae.state import Stored
from parcae.values import JobId, Lane, Place, WorkerId, seconds
from parcae_specs.scenarios.undoing import TO_UNDO
from parcae_specs.story import at, cancel, claim, given, submit

KINDS = frozenset({"demo"})


def waiting(place: int, **changes: Any) -> Stored:
    """A job in line."""
    stored = given(submit("a", **changes)).stored
    assert stored is not None
    job = replace(stored.job, id=JobId(str(place)), place=Place(place))
    return Stored(job=job)


def chosen(*jobs: Stored, now: float = 0, queues: frozenset[str] | None = None) -> list[str]:
    """Whom a claimer is given, in order."""
    seen = View(
        now=at(now), place=Place(100), seed=0, jobs={stored.job.id: stored for stored in jobs}
    )
    asked = Claim(worker=WorkerId("ann"), request="r1")
    made = rules.claim(seen, asked, kinds=KINDS, queues=queues, limit=100)
    return [change.job_id for change in made]


def test_a_job_is_offered_from_its_time_until_it_is_too_late() -> None:
    bounded = given(submit("a", run_at=at(5), priority=2, timing=Timing(stale_after=seconds(9))))
    assert offer(bounded.job) == Offer(
        at=at(5),
        until=at(14),
        kind="demo",
        lane=Lane(),
        undo=False,
        priority=2,
        place=bounded.job.place,
    )
    assert [due(bounded.job, at(second)) for second in (4, 5, 13, 14)] == [False, True, True, False]


def test_only_who_waits_is_offered() -> None:
    assert offer(given(submit("a"), claim()).job) is None
    assert offer(given(submit("a"), cancel()).job) is None
    undoing = given(*TO_UNDO)
    found = offer(undoing.job)
    assert found is not None
    assert (found.undo, found.until) == (True, None)
    assert offer(undoing.when(claim()).job) is None


def test_s7_undos_go_first_then_priority_then_place() -> None:
    undoing = given(*TO_UNDO).stored
    assert undoing is not None
    undoing = replace(undoing, job=replace(undoing.job, id=JobId("undo"), place=Place(99)))
    line = (waiting(3), waiting(1), waiting(2, priority=5), undoing, waiting(4, priority=-1))
    assert chosen(*line) == ["undo", "2", "1", "3", "4"]


def test_s7_a_job_for_later_never_blocks_one_that_is_due() -> None:
    later = waiting(1, run_at=at(60), priority=9)
    assert chosen(later, waiting(2)) == ["2"]
    assert chosen(later, waiting(2), now=60) == ["1", "2"]


def test_a_claimer_is_given_only_its_kinds_and_queues() -> None:
    files = waiting(1, lane=Lane("files", "tenant"))
    other = waiting(2, kind="other")
    assert chosen(files, other, waiting(3)) == ["1", "3"]
    assert chosen(files, other, waiting(3), queues=frozenset({"files"})) == ["1"]


@for_all(st.permutations(range(6)), st.lists(st.integers(-1, 1), min_size=6, max_size=6))
def test_s7_the_order_does_not_depend_on_how_the_jobs_were_found(
    places: list[int], priorities: list[int]
) -> None:
    jobs = [waiting(place, priority=priorities[place]) for place in places]
    expected = sorted(range(6), key=lambda place: (-priorities[place], place))
    assert chosen(*jobs) == [str(place) for place in expected]
    offers = [found for job in jobs if (found := offer(job.job))]
    assert len({order(found) for found in offers}) == 6
