"""The broken stores as subjects, each with the test that it has to fail, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from parcae.ports import Clock, Entropy, Store
from parcae_specs.contracts.broken import isolation, keeping, lasting, waking
from parcae_specs.subject import Capability, Subject

_GIVEN = (Capability.CLOCK, Capability.ENTROPY)


@frozen(kw_only=True)
class Broken:
    """A store that has to be found out.

    Attributes:
        subject: how to open it.
        fails: the test of the contract that names what is wrong with it.
        says: some of the words in which that test complains.
    """

    subject: Subject
    fails: str
    says: str


def _subject(kind: Callable[..., Store], *more: Capability) -> Subject:
    kept = issubclass(kind, lasting.Kept)  # type: ignore[arg-type]

    def opened(folder: Path, clock: Clock, entropy: Entropy) -> Store:
        given = {"folder": folder} if kept else {}
        return kind(clock=clock, entropy=entropy, **given)

    return Subject(
        name=f"{kind.__module__}:{kind.__qualname__}", open=opened, declared=(*_GIVEN, *more)
    )


def _all() -> Iterator[Broken]:
    for kind, fails, says in (
        (
            isolation.LostUpdate,
            "s5_of_many_concurrent_changes_of_one_job_none_is_lost",
            "an update was lost",
        ),
        (
            isolation.WriteSkew,
            "s26_of_two_that_each_depend_on_what_the_other_writes_one",
            "both wrote",
        ),
        (isolation.EarlyNow, "s21_now_is_read_inside_the_transaction", "before the locks were had"),
        (
            isolation.HalfWritten,
            "s23_when_the_second_change_is_refused_the_first",
            "a refused command changed something",
        ),
        (
            isolation.HalfVisible,
            "s23_nobody_ever_sees_half_of_a_transaction",
            "4 are written at once",
        ),
        (isolation.StaleRead, "s16_positions_follow_real_time", "an answered commit is not seen"),
        (
            isolation.SkipsLate,
            "s16_a_reader_of_the_log_sees_every_event_once",
            "a reader of the log missed",
        ),
        (
            keeping.NoSecondFence,
            "s1_an_ended_job_stays_as_it_ended",
            "should have been refused: unlawful",
        ),
        (
            keeping.NameReuse,
            "s22_the_name_of_a_deleted_job_is_not_given_again",
            "should have been refused: the job moved on",
        ),
        (
            keeping.ForgetsKeys,
            "s22_a_deleted_job_leaves_its_deletion_and_its_keys",
            "its key is gone",
        ),
        (
            keeping.KeepsHistory,
            "s22_a_deleted_job_leaves_its_deletion_and_its_keys",
            "more than its deletion is left",
        ),
        (
            keeping.DropsRenewals,
            "s5_renewals_move_the_expiry_and_are_no_events",
            "the renewal was not kept",
        ),
        (
            keeping.CountsRenewals,
            "s5_renewals_move_the_expiry_and_are_no_events",
            "takes no position",
        ),
        (
            keeping.VersionPerCommit,
            "s5_several_events_of_a_commit_take_the_versions",
            "events of a commit have the versions",
        ),
        (
            keeping.OffersByItself,
            "s5_what_a_change_owes_is_kept_as_its_effects_say",
            "otherwise than the effects say",
        ),
        (
            keeping.PlaceReuse,
            "s7_places_in_line_grow_whatever_becomes_of_the_jobs",
            "was used before",
        ),
        (
            keeping.LastInFirstOut,
            "s7_claims_find_their_kinds_and_queues_in_the_order",
            "S7: Claimable",
        ),
        (
            keeping.DueByName,
            "l3_what_falls_due_is_found_the_longest_overdue_first",
            "not the longest overdue first",
        ),
        (
            keeping.Swallows,
            "s18_when_a_rule_raises_nothing_is_written",
            "a rule raised, and they got",
        ),
        (waking.Mute, "l2_a_commit_wakes_whoever_waits", "has woken nobody"),
        (
            waking.EdgeTriggered,
            "l2_a_commit_between_the_mark_and_the_wait_is_not_missed",
            "has woken nobody",
        ),
        (waking.Busy, "l2_a_commit_wakes_whoever_waits", "though nothing is committed"),
        (waking.OneLoop, "l7_transactions_may_be_awaited_in_any_loop", "in four event loops"),
        (lasting.AnswersFirst, "s16_positions_follow_real_time", "an answered commit is not seen"),
        (
            lasting.SavesNowAndThen,
            "s27_opened_again_a_store_has_all_that_it_ack",
            "what was acknowledged is not there",
        ),
        (
            lasting.RestartsPlaces,
            "s27_opened_again_a_store_has_all_that_it_ack",
            "it gives other places",
        ),
    ):
        more = (Capability.DURABLE,) if issubclass(kind, lasting.Kept) else ()
        yield Broken(subject=_subject(kind, *more), fails=f"test_{fails}", says=says)


BROKEN = tuple(_all())
SOUND = _subject(lasting.Kept, Capability.DURABLE)
"""Made in the same way, and not broken: it must pass."""
