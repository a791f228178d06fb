"""A job against the definition of today: what differs, what is needed, what a worker does."""

from __future__ import annotations

import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from parcae import events as e
from parcae.errors import Reason
from parcae.shape import Shape
from parcae.shapes import (
    Changed,
    DifferenceKind,
    Handlers,
    Verdict,
    differences,
    fit,
    lacks,
    needs,
    shape_of,
)
from parcae.spec import PhaseSpec, RetryMode
from parcae.state import Job, PhaseStatus, UndoStatus
from parcae.values import Cause, Status
from parcae_specs.invariants import job as invariants
from parcae_specs.scenarios.common import origin
from parcae_specs.story import (
    Step,
    Story,
    at,
    cancel,
    claim,
    done,
    fail,
    given,
    like,
    phases,
    quarantine,
    release,
    start,
    submit,
    undo,
    undone,
)


def shape(*names: str, version: str = "2") -> Shape:
    return Shape(version=version, phases=phases(*names))


def handlers(*names: str) -> Handlers:
    """Handlers for these phases; with a ``~`` or ``?`` also for their undos."""
    bare = [name.rstrip("~?") for name in names]
    undos = [name[:-1] for name in names if name[-1] in "~?"]
    return Handlers(phases=frozenset(bare), undos=frozenset(undos))


@pytest.mark.parametrize(
    ("job", "now", "found"),
    [
        (("a", "b~"), ("a", "b~"), []),
        (("a", "b"), ("a",), [(DifferenceKind.REMOVED, "b")]),
        (("a",), ("a", "b"), [(DifferenceKind.ADDED, "b")]),
        (("a", "b"), ("a", "c"), [(DifferenceKind.REMOVED, "b"), (DifferenceKind.ADDED, "c")]),
        (("a", "b", "c"), ("a", "c", "b"), [(DifferenceKind.REORDERED, "")]),
        (("a",), ("a~",), [(DifferenceKind.UNDO_ADDED, "a")]),
        (("a?",), ("a",), [(DifferenceKind.UNDO_REMOVED, "a")]),
        (("a?",), ("a~",), [(DifferenceKind.UNDO_CHANGED, "a")]),
    ],
)
def test_given_two_shapes_then_their_differences_have_a_kind_and_name_both_sides(
    job: tuple[str, ...], now: tuple[str, ...], found: list[tuple[DifferenceKind, str]]
) -> None:
    told = differences(shape(*job, version="1"), shape(*now))
    assert [(one.kind, one.phase) for one in told] == found
    for one in told:
        assert one.job
        assert one.now
        assert one.means
        assert str(one) == f"the job has {one.job}, the definition {one.now}: {one.means}"


NAMES = st.lists(st.sampled_from("abcde"), min_size=1, max_size=5, unique=True).flatmap(
    lambda names: st.tuples(*(st.sampled_from([n, f"{n}~", f"{n}?"]) for n in names))
)


@forall(NAMES, NAMES)
def test_given_any_two_shapes_then_nothing_differs_exactly_if_they_are_the_same(
    job: tuple[str, ...], now: tuple[str, ...]
) -> None:
    told = differences(shape(*job, version="1"), shape(*now))
    assert bool(told) == (job != now)
    mirrored = differences(shape(*now), shape(*job, version="1"))
    assert bool(mirrored) == bool(told)
    opposite = {DifferenceKind.ADDED: DifferenceKind.REMOVED}
    added = {one.phase for one in told if one.kind in opposite}
    assert added == {one.phase for one in mirrored if one.kind is DifferenceKind.REMOVED}


def test_s11_given_a_completed_phase_then_its_handler_is_not_needed_but_its_undo_is() -> None:
    """S11, S12: what is done is never run again, and may have to be undone."""
    story = given(submit("a~", "b", "c~"), claim(), start("a"), done("a"))
    assert needs(story.job) == (("b", "c"), ("a", "c"))
    assert lacks(story.job, handlers("b", "c~")) == ("the undo of 'a'",)
    assert lacks(story.job, handlers("a~", "c~")) == ("phase 'b'",)


def test_s12_given_a_job_that_undoes_then_only_what_it_still_owes_is_needed() -> None:
    """S12, S13: what is undone already needs nothing."""
    story = given(
        submit("a~", "b~", "c"),
        *(claim(), start("a"), done("a"), start("b"), done("b"), start("c")),
        fail(permanent=True),
        *(claim("bob"), undo("b"), undone("b")),
    )
    assert needs(story.job) == ((), ("a",))
    story.when(undo("a"), undone("a"))
    assert story.job.status is Status.COMPENSATED
    assert needs(story.job) == ((), ())


def test_given_each_choice_then_a_worker_runs_gives_back_or_quarantines() -> None:
    """S11, S12: never something else than what was admitted."""
    job = given(submit("a", "b")).job
    now, full, short = shape("a"), handlers("a", "b"), handlers("a")
    for choice, has, verdict in (
        (Changed.REFUSE, full, Verdict.RUN),
        (Changed.REFUSE, short, Verdict.GIVE_BACK),
        (Changed.FINISH, full, Verdict.RUN),
        (Changed.FINISH, short, Verdict.GIVE_BACK),
        (Changed.QUARANTINE, full, Verdict.QUARANTINE),
        (Changed.QUARANTINE, short, Verdict.QUARANTINE),
    ):
        assert fit(job, now, has, choice).verdict is verdict, (choice, has)
    same = fit(job, shape("a", "b", version="9"), full, Changed.QUARANTINE)
    assert (same.verdict, str(same)) == (Verdict.RUN, "")
    assert str(fit(job, now, short, Changed.FINISH)) == "there is no handler for phase 'b'"


def test_given_a_job_that_takes_up_another_then_quarantine_leaves_it_to_whoever_asked() -> None:
    """S13: or what a quarantined job owes could never be undone."""
    again = given(submit("a", "b", origin=origin(RetryMode.RESUME))).job
    for has, verdict in ((handlers("a", "b"), Verdict.RUN), (handlers("a"), Verdict.GIVE_BACK)):
        assert fit(again, shape("a"), has, Changed.QUARANTINE).verdict is verdict


STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.sampled_from(
        [
            *(claim("ann", request) for request in ("r", "s", "t")),
            *(one(name, token) for one in (start, done) for name in "abc" for token in (1, 2, 3)),
            *(one(name, token) for one in (undo, undone) for name in "abc" for token in (2, 3)),
            *(fail(token) for token in (1, 2)),
            *(release(token, "phase 'b'") for token in (1, 2, 3)),
            cancel("ops"),
            at(5),
            at(50),
        ]
    ),
    max_size=6,
)


def likely(job: tuple[str, ...], steps: int) -> Story:
    """A job of which so many steps of an ordinary run were made."""
    names = [name.rstrip("~?") for name in job]
    walk: list[Step] = [submit(*job), claim()]
    for name in names:
        walk += [start(name), done(name)]
    return Story().when(*walk[: 1 + steps])


@settings(max_examples=200)
@forall(NAMES, NAMES, st.integers(1, 8), st.sampled_from(["fails", "is given back"]), STEPS)
def test_s11_s12_s13_given_any_shape_and_progress_then_each_choice_loses_nothing(
    job: tuple[str, ...], now: tuple[str, ...], steps: int, then: str, more: list[Step]
) -> None:
    """S1, S11, S12, S13, S18: quarantine owes exactly what stood; a fit runs what was admitted."""
    story = likely(job, steps)
    if then == "fails":
        story.when(fail(permanent=True))
    else:
        story.when(release(1, "phase 'x'"))
    story.when(*more)
    before = story.job
    _fits_whatever_it_is(before, shape(*now))
    story.when(quarantine("ops", "it has changed"))
    if before.status.is_terminal or before.lease is not None or before.status is Status.PENDING:
        story.refused(Reason.HELD if _undoing(before) else Reason.UNLAWFUL)
        return
    after = story.job
    if after.state.cause is not Cause.DEFINITION_CHANGED:  # type: ignore[union-attr]
        return  # something had fallen due before it, and wins (S30)
    assert after.status is Status.QUARANTINED
    assert [one.token for one in after.phases] == [one.token for one in before.phases]
    for old, new in zip(before.phases, after.phases, strict=True):
        assert (old.status is PhaseStatus.COMPLETED) == (new.status is PhaseStatus.COMPLETED)
        assert old.result == new.result
    standing = {
        spec.name
        for spec, one in zip(before.spec.phases, before.phases, strict=True)
        if spec.undo and (one.status is PhaseStatus.COMPLETED or one.maybe)
    }
    undone_before = {one.phase for one in before.undos if one.status is UndoStatus.DONE}
    owed = {one.phase for one in after.undos if one.status is not UndoStatus.DONE}
    assert owed == standing - undone_before
    assert {one.phase for one in after.undos if one.status is UndoStatus.DONE} == undone_before
    assert [check(after) for check in invariants.JOB.values() if check(after)] == []


def _undoing(job: Job) -> bool:
    return job.status is Status.COMPENSATING


def _fits_whatever_it_is(job: Job, now: Shape) -> None:
    """With all old handlers it finishes; without one that it needs nobody begins it."""
    if job.status.is_terminal:
        return
    ours = frozenset(spec.name for spec in job.spec.phases)
    undos = frozenset(spec.name for spec in job.spec.phases if spec.undo)
    assert fit(job, now, Handlers(phases=ours, undos=undos), Changed.FINISH).verdict is Verdict.RUN
    forward, backward = needs(job)
    completed = {
        spec.name
        for spec, one in zip(job.spec.phases, job.phases, strict=True)
        if one.status is PhaseStatus.COMPLETED
    }
    assert not completed & set(forward)
    for name in forward:
        without = Handlers(phases=ours - {name}, undos=undos)
        assert fit(job, now, without, Changed.FINISH).verdict is Verdict.GIVE_BACK
    for name in backward:
        without = Handlers(phases=ours, undos=undos - {name})
        assert fit(job, now, without, Changed.FINISH).verdict is Verdict.GIVE_BACK


def test_s12_s13_given_a_job_between_attempts_when_quarantined_then_it_owes_what_it_did() -> None:
    """S12, S13: and who asked, and why, stands before it in the history."""
    story = given(submit("a~", "b~"), claim(), start("a"), done("a"), release())
    story.when(quarantine("ops", "phase 'b' is gone")).then(
        e.Annotated(at=at(0), by="ops", note="phase 'b' is gone"),
        like(e.Quarantined, cause=Cause.DEFINITION_CHANGED, trigger=None, reconciled=False),
    )
    assert [(one.phase, one.status) for one in story.job.undos] == [("a", UndoStatus.OWED)]
    story.when(quarantine()).refused(Reason.UNLAWFUL)


def test_s29_given_a_job_that_somebody_holds_when_quarantined_then_it_is_left_to_them() -> None:
    """S3, S18, S29: nothing is taken from under a handler."""
    given(submit("a"), claim()).when(quarantine()).refused(Reason.UNLAWFUL)
    undoing = (submit("a~", "b"), claim(), start("a"), done("a"), fail(permanent=True), claim())
    given(*undoing).when(quarantine()).refused(Reason.HELD)


def test_s30_given_something_overdue_when_quarantined_then_what_fell_due_first_wins() -> None:
    """S30: the outcome does not depend on who looks."""
    story = given(submit("a", deadline=at(10)), at(11)).when(quarantine())
    story.then(like(e.Failed, cause=Cause.DEADLINE, reconciled=True))


def test_s19_given_a_worker_that_lacks_a_handler_then_giving_back_burns_nothing_up_to_a_bound() -> (
    None
):
    """S19: and says what was lacking."""
    story = given(submit("a"), claim()).when(release(1, "phase 'a'"))
    story.then(like(e.Released, voluntary=True, burned=False, lacks="phase 'a'"))
    assert (story.job.attempts, story.job.releases) == (0, 1)
    assert story.job.status is Status.SCHEDULED


def test_the_shape_of_a_job_is_what_it_was_admitted_with() -> None:
    job = given(submit("a~", definition="7")).job
    assert shape_of(job.spec) == Shape(version="7", phases=phases("a~"))
    assert isinstance(job.spec.phases[0], PhaseSpec)
