"""A living job takes another shape: nothing that it did, or owes, is lost, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve as replace
from hypothesis import example, settings
from hypothesis import given as forall
from hypothesis import strategies as st

from parcae import events as e
from parcae.codec import decode_job, encode_job, encode_spec
from parcae.commands import Migrate
from parcae.compensation import plan
from parcae.context import idempotency_key, results
from parcae.errors import Corrupt, Reason, Rejected
from parcae.evolve import evolve
from parcae.reshape import fault, proposed
from parcae.saga import resubmission as retry
from parcae.shape import Moves, Reshaped, Shape
from parcae.shapes import migrated
from parcae.spec import PhaseSpec, RetryMode
from parcae.state import Job, PhaseStatus, UndoStatus
from parcae.values import TERMINAL, JobId, Status
from parcae_specs.invariants import history
from parcae_specs.invariants import job as invariants
from parcae_specs.scenarios.common import ONCE
from parcae_specs.story import (
    JOB,
    Story,
    at,
    cancel,
    claim,
    done,
    fail,
    given,
    migrate,
    release,
    shape,
    start,
    submit,
    undo,
    undone,
)

OLD = shape("1", "a~", "b", "c")
ALL = "abcdefg"


def half_way(*more: Any) -> Story:
    """A job of ``OLD`` that has done a, and that nobody holds."""
    return given(submit("a~", "b", "c"), claim(), start("a"), done("a", result=b"1"), *more)


def between() -> Story:
    return half_way(release())


@pytest.mark.parametrize(
    ("now", "moves", "why"),
    [
        (("b", "c"), Moves(), "it has done phase 'a', or may have: say what that is today"),
        (("a", "b"), Moves(), "phase 'a' is to be undone, and would have no undo"),
        (("x", "a~", "b"), Moves(), "phase 'x' comes before 'a', which is done"),
        (("a~",), Moves(), "nothing would be left for it to do"),
        (("x~", "a"), Moves(renamed={"a": "x"}), "the name of phase 'a' would be that of two"),
        (("b", "c"), Moves(renamed={"a": "x"}), "there is no phase 'x' today"),
        (("a~", "c"), Moves(passed=("y",)), "there is no phase 'y' today"),
        (("a~", "c"), Moves(kept=("z",)), "the job has no phase 'z'"),
        (("a~", "c"), Moves(renamed={"z": "c"}), "the job has no phase 'z'"),
        (("b~", "c"), Moves(renamed={"b": "c"}), "it has done phase 'a'"),
    ],
)
def test_s18_s28_given_something_that_would_be_lost_then_it_is_refused_and_says_what(
    now: tuple[str, ...], moves: Moves, why: str
) -> None:
    """S11, S13, S18, S28: and nothing has changed."""
    story = between()
    story.when(migrate(OLD, shape("2", *now), moves)).refused(Reason.NOT_MIGRATABLE)
    assert why in str(story.last.refusal)


def test_s12_given_two_phases_done_then_their_order_cannot_be_turned() -> None:
    """S12: undos go in the reverse order of what happened."""
    story = given(submit("a~", "b~", "c"), claim())
    story.when(start("a"), done("a"), start("b"), done("b"), release())
    was = shape("1", "a~", "b~", "c")
    story.when(migrate(was, shape("2", "b~", "a~", "c"))).refused(Reason.NOT_MIGRATABLE)
    assert "in another order than it did" in str(story.last.refusal)


def test_s12_s13_given_a_phase_that_may_have_happened_then_it_stays_so() -> None:
    """S12, S13: with an undo that can handle that, or not at all."""
    was = shape("1", "a?", "b")
    story = given(submit("a?", "b"), claim(), start("a"), release())
    story.when(migrate(was, shape("2", "a~", "b"))).refused(Reason.NOT_MIGRATABLE)
    assert "its undo could not handle that" in str(story.last.refusal)
    story.when(migrate(was, shape("2", "x", "y?"), Moves(renamed={"a": "y"}))).then(e.Migrated)
    assert [(one.status, one.maybe) for one in story.job.phases] == [
        (PhaseStatus.PENDING, False),
        (PhaseStatus.PENDING, True),
    ]
    (owed,) = plan(story.job, None).owed
    assert (owed.phase, owed.unknown) == ("y", True)


def test_s3_s29_given_a_job_that_somebody_holds_then_it_is_left_to_them() -> None:
    """S3, S29: nothing is changed from under a handler."""
    half_way().when(migrate(OLD, shape("2", "a~", "d"))).refused(Reason.UNLAWFUL)
    undoing = half_way(fail(permanent=True), claim("bob"))
    undoing.when(migrate(OLD, shape("2", "a~", "d"))).refused(Reason.HELD)


def test_s25_given_the_same_again_then_nothing_and_given_another_shape_then_a_refusal() -> None:
    """S25: whoever was quicker has done it; what was found for one shape is no use for another."""
    new = shape("2", "a~", "d")
    story = between().when(migrate(OLD, new)).then(e.Migrated)
    story.when(migrate(OLD, new)).then()
    story.when(migrate(OLD, shape("3", "a~", "e"))).refused(Reason.NOT_MIGRATABLE)
    assert "not as it was looked at" in str(story.last.refusal)
    story.when(migrate(new, shape("3", "a~", "e"))).then(e.Migrated)
    assert story.job.spec.definition == "3"


def test_s30_given_something_overdue_then_what_fell_due_first_wins() -> None:
    """S30: the outcome does not depend on who looks."""
    story = given(submit("a", "b", deadline=at(10)), at(11))
    story.when(migrate(shape("1", "a", "b"), shape("2", "a"))).then(e.Failed)


def test_s11_given_a_phase_that_is_renamed_then_its_result_and_its_keys_stay_its_own() -> None:
    """S11: to whom it called, it is the same phase; in retries of the job, too."""
    story = between()
    keys = idempotency_key(story.job, "a"), idempotency_key(story.job, "a", undo=True)
    story.when(migrate(OLD, shape("2", "x~", "d"), Moves(renamed={"a": "x", "c": "d"})))
    job = story.job
    assert (idempotency_key(job, "x"), idempotency_key(job, "x", undo=True)) == keys
    assert results(job) == {"x": "result/a"}
    assert [one.goes_by for one in job.spec.phases] == ["a", "c"]
    later = shape("3", "y~", "d")
    story.when(
        migrate(Shape(version="2", phases=job.spec.phases), later, Moves(renamed={"x": "y"}))
    )
    assert idempotency_key(story.job, "y") == keys[0]
    story.when(claim("bob"), start("d", 2), fail(2, permanent=True))
    assert [one.phase for one in story.job.undos] == ["y"]
    story.when(claim("bob", "u"), undo("y", 3), undone("y", 3))
    assert story.job.status is Status.COMPENSATED
    again = retry(story.job, RetryMode.RESUME, job_id=JobId("n"), seed=1).spec
    assert [one.goes_by for one in again.phases] == ["a", "c"]


def test_s11_given_a_migrated_origin_then_its_retries_do_no_more_than_they_should() -> None:
    """S11, S12: what it only kept is not done once more, and what it passed is in a new start."""
    moves = Moves(kept=("a",), passed=("z",))
    story = given(submit("a~", "b", "c", retry=ONCE), claim(), start("a"), done("a"))
    story.when(start("b"), done("b"), release())
    story.when(migrate(OLD, shape("2", "z", "b", "d"), moves)).then(e.Migrated)
    assert [one.name for one in story.job.spec.phases] == ["a", "b", "d"]
    story.when(claim("bob", "s"), start("d", 2), fail(2, permanent=True))
    story.when(claim("bob", "u"), undo("a", 3), undone("a", 3))
    assert story.job.status is Status.COMPENSATED

    def phases(mode: RetryMode) -> list[str]:
        spec = retry(story.job, mode, job_id=JobId("n"), seed=1).spec
        return [one.name for one in spec.phases]

    assert phases(RetryMode.FROM_START) == ["z", "b", "d"]
    assert phases(RetryMode.RESUME) == ["b", "d"]


def test_s5_given_a_history_that_loses_something_then_it_is_corrupt() -> None:
    """S5: no run of this kernel writes it, so that nobody believes it."""
    story = between()
    phases = (PhaseSpec(name="b"),)
    event = e.Migrated(at=at(9), shape=Reshaped(definition="2", phases=phases, whole=phases))
    with pytest.raises(Corrupt, match="it was migrated, but phase 'a' has happened"):
        evolve(JOB, story.job, event)
    undoing = half_way(fail(permanent=True), claim("bob")).job
    with pytest.raises(Corrupt, match="while somebody held it"):
        evolve(JOB, undoing, event)


@pytest.mark.parametrize("wrong", ["ab", ["a", 1]])
def test_given_moves_that_are_none_then_they_are_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Moves(renamed=wrong)
    with pytest.raises(TypeError, match="expected names of phases, got the text 'ab'"):
        Moves(kept="ab")
    with pytest.raises(ValueError, match="expected renamed to name each phase once"):
        Moves(renamed={"a": "c", "b": "c"})


SHAPES = st.lists(st.sampled_from(ALL[:5]), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.tuples(*(st.sampled_from([n, f"{n}~", f"{n}?"]) for n in names))
)


@st.composite
def moved(draw: st.DrawFn, job: tuple[str, ...], now: tuple[str, ...]) -> Moves:
    """Any moves between the two, sensible or not."""
    ours, todays = ([name.rstrip("~?") for name in names] for names in (job, now))
    size = draw(st.integers(0, min(len(ours), len(todays))))
    renamed = zip(draw(st.permutations(ours))[:size], draw(st.permutations(todays)), strict=False)
    kept = draw(st.lists(st.sampled_from(ours), unique=True, max_size=2))
    passed = draw(st.lists(st.sampled_from(todays), unique=True))
    return Moves(renamed=tuple(renamed), kept=kept, passed=passed)


CASES = SHAPES.flatmap(
    lambda job: SHAPES.flatmap(lambda now: st.tuples(st.just(job), st.just(now), moved(job, now)))
)
ENDS = st.sampled_from(["is given back", "fails", "is cancelled", "is undone in part"])


def progressed(job: tuple[str, ...], steps: int, then: str) -> Story:
    """A job that nobody holds, of which so many steps of an ordinary run were made."""
    names = [name.rstrip("~?") for name in job]
    walk = [one for name in names for one in (start(name), done(name, result=name.encode()))]
    story = Story().when(submit(*job), claim(), *walk[: min(steps, len(walk) - 1)])
    if then == "is given back":
        return story.when(release())
    story.when(cancel("ops") if then == "is cancelled" else fail(permanent=True))
    if then == "is cancelled":
        story.when(release())
    elif then == "is undone in part" and story.job.status is Status.COMPENSATING:
        first = story.job.undos[0].phase
        story.when(claim("bob", "s"), undo(first, 2), undone(first, 2), release(2))
    return story


def standing(job: Job) -> dict[str, tuple[PhaseSpec, Any]]:
    """What has happened or may have, by the name it goes by."""
    pairs = zip(job.spec.phases, job.phases, strict=True)
    return {
        spec.goes_by: (spec, one)
        for spec, one in pairs
        if one.status is PhaseStatus.COMPLETED or one.maybe
    }


@settings(max_examples=400, deadline=None)
@forall(CASES, st.integers(0, 8), ENDS)
@example((("a~", "b?"), ("z", "y?", "d"), Moves(kept=("a",), passed=("z",))), 3, "is given back")
def test_s11_s12_s13_given_any_shapes_progress_and_moves_then_nothing_is_lost_or_it_is_refused(
    case: tuple[tuple[str, ...], tuple[str, ...], Moves], steps: int, then: str
) -> None:
    """S5, S11, S12, S13, S18: and the job still ends, with each undo that was owed done or owed."""
    was, now, moves = shape("1", *case[0]), shape("2", *case[1]), case[2]
    story = progressed(case[0], steps, then)
    before = story.job
    command = migrate(was, now, moves)
    ahead = migrated(before, command)
    story.when(command)
    if story.last.refusal is not None:
        # What is foreseen, and what is decided, is one and the same.
        assert isinstance(ahead, str) or before.status in TERMINAL
        assert story.job == before
        return
    after = story.job
    assert isinstance(ahead, Job)
    assert replace(ahead, version=after.version) == after
    _kept_all(before, after)
    _ends(story)
    assert [found for check in invariants.JOB.values() if (found := check(story.job))] == []
    told = [check(JOB, story.history, story.job) for check in history.HISTORY.values()]
    assert [one for one in told if one] == []
    _owes_what_it_owed(before, story.job)


def _kept_all(before: Job, after: Job) -> None:
    old, new = standing(before), standing(after)
    assert list(new) == list(old)
    assert [one for _, one in new.values()] == [one for _, one in old.values()]
    for name, (spec, one) in old.items():
        today = new[name][0]
        assert spec.undo is None or today.undo is not None
        assert idempotency_key(after, today.name) == idempotency_key(before, spec.name)
        if one.result is not None:
            assert results(after)[today.name] == results(before)[spec.name]
    assert [(one.status, one.unknown, one.tries) for one in after.undos] == [
        (one.status, one.unknown, one.tries) for one in before.undos
    ]
    # What a store keeps are the spec of the admission and the state.
    for admitted in (before.spec, after.spec):
        assert decode_job(JOB, encode_spec(admitted), encode_job(after)) == after


def _ends(story: Story) -> None:
    """Run what is left of it, but for its last phase, and undo it all then."""
    if story.job.status is Status.SCHEDULED:
        story.when(at(100), claim("eve", "last"))
        job = story.job
        token = job.token
        left = [spec.name for spec, one in zip(job.spec.phases, job.phases, strict=True)
                if one.status is not PhaseStatus.COMPLETED]  # fmt: skip
        for name in left[:-1]:
            story.when(start(name, token), done(name, token, result=b"x"))
            assert story.last.refusal is None
        story.when(start(left[-1], token), fail(token, permanent=True))
    while story.job.status is Status.COMPENSATING:
        story.when(at(200), claim("eve", f"{story.job.version}"))
        token, name = story.job.token, story.job.undos[0].phase
        name = next(one.phase for one in story.job.undos if one.status is not UndoStatus.DONE)
        story.when(undo(name, token), undone(name, token))
        assert story.last.refusal is None
        if story.job.lease is not None:
            story.when(release(token))
    assert story.job.status in TERMINAL


def _owes_what_it_owed(before: Job, ended: Job) -> None:
    today = {spec.goes_by: spec.name for spec in ended.spec.phases}
    undos = {one.phase for one in ended.undos}
    for name, (spec, _) in standing(before).items():
        if spec.undo is not None:
            assert today[name] in undos


@settings(max_examples=200)
@forall(CASES, st.integers(0, 8))
def test_s2_given_any_case_then_what_is_proposed_without_fault_is_what_the_fold_takes(
    case: tuple[tuple[str, ...], tuple[str, ...], Moves], steps: int
) -> None:
    """S2, S5: ``decide`` and ``evolve`` ask the same question."""
    job = progressed(case[0], steps, "is given back").job
    now = shape("2", *case[1])
    try:
        phases = proposed(job, now, case[2])
    except ValueError:
        return
    event = e.Migrated(
        at=at(9), shape=Reshaped(definition="2", phases=phases, whole=now.phases), by="ops"
    )
    if fault(job, phases) is None:
        moved_job = evolve(JOB, job, event)
        assert moved_job is not None
        assert (moved_job.status, moved_job.token) == (job.status, job.token)
    else:
        with pytest.raises(Corrupt):
            evolve(JOB, job, event)


def test_s18_given_a_command_for_no_job_then_it_is_refused() -> None:
    """S18, S28."""
    story = Story().when(Migrate(was=OLD, now=shape("2", "a~")))
    assert isinstance(story.last.refusal, Rejected)
    assert story.last.refusal.reason is Reason.NOT_FOUND
