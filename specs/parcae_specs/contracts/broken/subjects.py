"""The broken stores as subjects, each with the test that it has to fail, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from parcae.ports import Clock, Entropy, Store
from parcae_specs.contracts.broken import (
    counting,
    desk,
    isolation,
    keeping,
    lasting,
    others,
    outgoing,
    starts,
    waking,
)
from parcae_specs.contracts.broken.base import Breakable
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


Faults = tuple[tuple[type[Breakable], str, str], ...]
"""A store, the test that it has to fail, and some of the words in which that one complains."""


def _subject(kind: type[Breakable], *more: Capability) -> Subject:
    kept = issubclass(kind, lasting.Kept)

    def opened(folder: Path, clock: Clock, entropy: Entropy) -> Store:
        given = {"folder": folder} if kept else {}
        return kind(clock=clock, entropy=entropy, **given)

    return Subject(
        name=f"{kind.__module__}:{kind.__qualname__}", open=opened, declared=(*_GIVEN, *more)
    )


JOBS: Faults = (
    (
        counting.TwoInstants,
        "s26_a_survey_beside_commits_still_counts_each_job_once",
        "Store 15: counted",
    ),
    (
        counting.SumsOfTheListed,
        "s26_a_survey_says_what_is_set_and_what_it_left_out",
        "what is not listed counts in its queue",
    ),
    (counting.AgelessLine, "s7_a_job_stands_where_it_will_be_claimed", "S7"),
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
        keeping.KeepsShape,
        "s11_a_migrated_job_has_its_new_shape",
        "S5: not the fold of its events",
    ),
    (
        keeping.NameReuse,
        "s22_the_name_of_a_deleted_job_is_not_given_again",
        "should have been refused: the job moved on",
    ),
    (
        keeping.HidesGaps,
        "s16_a_reader_that_comes_too_late_for_what_was_deleted",
        "what was deleted last stood elsewhere",
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
        keeping.CutsShort,
        "s7_a_claim_finds_those_behind_the_jobs_that_it_is_left_without",
        "S7: without",
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
)
OTHERS: Faults = (
    (
        others.ForgetsEdges,
        "s8_a_view_holds_all_who_wait_directly_or_not",
        "of those who wait",
    ),
    (
        others.FirstLevel,
        "s8_a_view_holds_all_who_wait_directly_or_not",
        "of those who wait",
    ),
    (
        others.OwesNothing,
        "s8_of_more_than_a_commit_should_hold_the_rest_is_owed",
        "the rest is forgotten",
    ),
    (
        others.NeededWhilePending,
        "s8_a_job_is_needed_until_all_that_depend_on_it_have_ended",
        "needed are frozenset()",
    ),
    (others.DropsRevisions, "s5_a_queue_is_the_fold_of_its_events", "its history counts []"),
    (
        others.JobsFirst,
        "s23_nobody_sees_a_members_end_without_its_group",
        "members ended, their group has",
    ),
    (
        others.JobsAnyway,
        "s4_a_revision_of_another_version_conflicts",
        "a refused command changed something",
    ),
    (
        others.NeverRestless,
        "l3_a_group_that_has_to_go_on_is_shown",
        "it has to go on, and is not found",
    ),
    (
        others.JobsAlone,
        "s16_the_log_holds_the_events_of_all",
        "others are in the log",
    ),
    (
        others.ForgetsSettings,
        "s27_they_are_there_when_the_store_is_opened_again",
        "S27: there is",
    ),
)
STARTS: Faults = (
    (
        starts.IgnoresHeld,
        "s6_a_claim_is_shown_how_many_slots",
        "{} are said to be held",
    ),
    (
        starts.NeverFrees,
        "s6_no_lane_gets_beyond_its_limit",
        "a slot is free again at once",
    ),
    (
        starts.LimitsLast,
        "s7_a_full_lane_holds_up_nobody_behind_it",
        "held up by those who cannot start",
    ),
    (
        starts.Ageless,
        "s7_with_aging_nobody_is_overtaken_for_ever",
        "go before one who is old enough",
    ),
    (
        starts.NeverPromotes,
        "s7_a_job_is_offered_from_its_time_on",
        "after 10 seconds",
    ),
    (
        starts.ForgetsRates,
        "l2_a_rate_lets_jobs_start_when_it_says",
        "nobody knows how often jobs have started",
    ),
    (
        starts.StaleSettings,
        "s7_a_paused_queue_starts_nothing_forward",
        "start in a paused queue",
    ),
)

OUTGOING: Faults = (
    (
        outgoing.TellsNobody,
        "s14_every_event_that_is_wanted_is_owed",
        "S14: nobody owes",
    ),
    (
        outgoing.OwesLater,
        "s14_nobody_sees_an_event_without_what_it_owes",
        "S14: an event is there, and nobody is owed it",
    ),
    (
        outgoing.ForgetsSenders,
        "s15_what_is_being_sent_is_given_to_nobody_else",
        "S25: nobody knows that it is a repeat",
    ),
    (
        outgoing.IgnoresSeal,
        "s15_none_begins_while_the_store_is_sealed",
        "S15: the seal is not shown",
    ),
    (
        outgoing.LosesBodies,
        "s15_its_bytes_are_kept",
        "S15: the bytes of a delivery are gone",
    ),
    (
        outgoing.GoesWithTheJob,
        "s22_a_deleted_job_takes_none_of_its_deliveries",
        "S22: deliveries went with their job",
    ),
    (
        outgoing.NeverLooksInFront,
        "s15_whichever_of_a_job_is_found_the_first",
        "S15: sent before the one in front of it",
    ),
    (
        outgoing.NewestFirst,
        "l4_what_is_due_is_found_the_longest_due_first",
        "L4: not the longest due first",
    ),
    (
        outgoing.KeepsBytes,
        "s22_a_delivery_goes_with_its_bytes",
        "S22: its bytes are left",
    ),
    (
        outgoing.KeepsSecrets,
        "s5_a_secret_is_kept_beside_its_subscription",
        "secrets are kept that count no more",
    ),
)

BESIDE: Faults = (
    (desk.ShortSighted, "s26_what_is_looked_at", "who looks is shown something else"),
    (desk.Elephant, "s26_given_workers_long_gone", "a worker long gone is still there"),
    (desk.Clingy, "s26_given_workers_that_come_and_go", "a worker that said farewell is there"),
    (desk.Premature, "s22_what_has_ended_is_found", "S22: found too early"),
    (desk.Sweeper, "s17_only_keys_that_are_over_go", "S22: a key that counts is gone"),
    (desk.Hasty, "s17_only_keys_that_are_over_go", "S17: a key is gone before its time"),
)


def _all() -> Iterator[Broken]:
    for kind, fails, says in (*JOBS, *OTHERS, *STARTS, *OUTGOING, *BESIDE):
        more = (Capability.DURABLE,) if issubclass(kind, lasting.Kept) else ()
        yield Broken(subject=_subject(kind, *more), fails=f"test_{fails}", says=says)


BROKEN = tuple(_all())
SOUND = _subject(lasting.Kept, Capability.DURABLE)
"""Made in the same way, and not broken: it must pass."""
