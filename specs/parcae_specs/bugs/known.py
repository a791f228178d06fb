"""The bugs that other systems had, as far as this kernel can have them at all."""

from __future__ import annotations

from parcae_specs.bugs import models as m
from parcae_specs.bugs.bug import Bug
from parcae_specs.bugs.plant import Change

_GITHUB = "https://github.com/"

KNOWN: tuple[Bug, ...] = (
    Bug(
        name="a zombie's result is accepted: written by id only",
        seen=("Oban complete_job", "PgQueuer"),
        guarantee="S4",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.decide.fence",
                function="holds",
                old="lease is not None and lease.token == command.token",
                new="lease is not None and (lease.token == command.token"
                " or isinstance(command, c.Fail))",
            ),
        ),
    ),
    Bug(
        name="a stale put clears an active lease",
        seen=("the lease store",),
        guarantee="S4",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.decide.fence",
                function="holds",
                old="lease.token == command.token:",
                new="(lease.token == command.token or isinstance(command, c.Release)):",
            ),
        ),
    ),
    Bug(
        name="reclaimed while the holder still renews: staleness is counted from the claim",
        seen=(
            "pgqueuer#323",
            "pgqueuer#430",
            "hexpm#1825",
            f"{_GITHUB}boringnode/queue/issues/16",
        ),
        guarantee="S20",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.timing",
                function="_dues",
                old="liveness.expires_at if liveness else job.lease.expires_at",
                new="job.lease.expires_at",
            ),
        ),
    ),
    Bug(
        name="recovery takes work again after ownership was cleared",
        seen=("dbos-transact-py#742",),
        guarantee="S6",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.decide.draft",
                function="Draft.add",
                old="if lease is None:\n        self.liveness = None",
                new="if lease is None:\n        pass",
            ),
        ),
    ),
    Bug(
        name="a cancel that races completion is lost without a word",
        seen=("dbos-transact-py#767", f"{_GITHUB}windmill-labs/windmill/pull/11246"),
        guarantee="S9",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.decide.forward",
                function="complete_phase",
                old="overtook=cancel is not None",
                new="overtook=False",
            ),
        ),
    ),
    Bug(
        name="a shutdown marks running work cancelled for good",
        seen=("dbos-transact-golang#423",),
        guarantee="S9",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.decide.release",
                function="release",
                old="draft.running().cancel is not None",
                new="True",
            ),
        ),
    ),
    Bug(
        name="the slot of a crashed run is never freed: its row stays running for ever",
        seen=(
            "prefect#8566",
            "dagster#28456",
            "procrastinate#1518",
            "river#1258",
            f"{_GITHUB}danielplohmann/mcrit/pull/172",
        ),
        guarantee="L3",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.decide.reconcile",
                function="reconcile",
                old="due.at <= draft.now:",
                new="due.at <= draft.now and due.kind is not DueKind.LEASE:",
            ),
        ),
    ),
    Bug(
        name="cancelled twice at a phase boundary",
        seen=("the phase-runner queue",),
        guarantee="S9",
        model=m.ASKED_TWICE,
        changes=(
            Change(
                module="parcae.decide.operator",
                function="cancel",
                old="if state.cancel is None:",
                new="if True:",
            ),
        ),
    ),
    Bug(
        name="a job is cancelled, its phases are still pending",
        seen=("the phase-runner queue",),
        guarantee="S10",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.evolve",
                function="_mark",
                old="else PhaseStatus.SKIPPED",
                new="else PhaseStatus.PENDING",
            ),
        ),
    ),
    Bug(
        name="a partial retry drops the results of completed phases",
        seen=("the phase-runner queue",),
        guarantee="S11",
        model=m.RESUMING,
        changes=(
            Change(
                module="parcae.compensation",
                function="carry",
                old="elif phase.status is PhaseStatus.COMPLETED:",
                new="elif False:",
            ),
        ),
    ),
    Bug(
        name="a terminal path without a completion message: whoever waits, waits for ever",
        seen=("the FIFO executor",),
        guarantee="L2",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.saga",
                function="react",
                old="if after.status.is_terminal and not ended_before:",
                new="if after.status is Status.COMPLETED and not ended_before:",
            ),
        ),
    ),
    Bug(
        name="work that waits for its retry still runs after a cancel",
        seen=(
            "hatchet#4900",
            "restate#3656",
            f"{_GITHUB}rq/rq/issues/2160",
            f"{_GITHUB}dagster-io/dagster/issues/3323",
        ),
        guarantee="S9",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.decide.operator",
                function="cancel",
                old="elif isinstance(state, Running) and not command.force:",
                new="elif draft.status is Status.SCHEDULED:\n        pass\n"
                "    elif isinstance(state, Running) and not command.force:",
            ),
        ),
    ),
    Bug(
        name="a cancelled job that fails is retried all the same",
        seen=(f"{_GITHUB}rq/rq/issues/1408", f"{_GITHUB}OCA/queue/pull/773"),
        guarantee="S9",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.decide.ending",
                function="burn",
                old="state.cancel is not None",
                new="False",
            ),
        ),
    ),
    Bug(
        name="more attempts are made than the policy allows",
        seen=(
            f"{_GITHUB}Automattic/kue/issues/392",
            f"{_GITHUB}Galeria-Kaufhof/ha-jobs/issues/25",
        ),
        guarantee="S19",
        model=m.FORWARD,
        changes=(
            Change(
                module="parcae.retry",
                function="after_attempt",
                old="burned >= policy.max_attempts",
                new="burned > policy.max_attempts",
            ),
        ),
    ),
    Bug(
        name="a job that kills its workers is put back for ever",
        seen=(f"{_GITHUB}bee-queue/bee-queue/pull/53",),
        guarantee="S19",
        model=m.TIMID,
        changes=(
            Change(
                module="parcae.retry",
                function="_after_loss",
                old="if losses > policy.times else None",
                new="if False else None",
            ),
        ),
    ),
    Bug(
        name="only the last step is undone",
        seen=(f"{_GITHUB}danielgerlag/workflow-core/issues/206",),
        guarantee="S13",
        model=m.UNDOING,
        changes=(
            Change(
                module="parcae.compensation",
                function="plan",
                old="return Plan(tuple(owed), possible)",
                new="return Plan(tuple(owed[:1]), possible)",
            ),
        ),
    ),
    Bug(
        name="a timeout ends a saga without undoing what it did",
        seen=(f"{_GITHUB}apache/servicecomb-pack/issues/219",),
        guarantee="S13",
        model=m.UNDOING,
        changes=(
            Change(
                module="parcae.compensation",
                function="plan",
                old="if spec.undo is None:",
                new="if spec.undo is None or interrupted is not None:",
            ),
        ),
    ),
    Bug(
        name="renewals keep a handler that hangs alive for ever",
        seen=(f"{_GITHUB}timgit/pg-boss/issues/436",),
        guarantee="L1",
        model=m.HANGING,
        endless=True,
        changes=(
            Change(
                module="parcae.timing",
                function="_hard_timeout",
                old="return timing.undo if isinstance(job.state, Compensating) else timing.attempt",
                new="return timing.attempt * 1_000_000",
            ),
        ),
    ),
    Bug(
        name="a retry of a retry forgets a handler that may be alive",
        seen=("this kernel, before the explorer found it",),
        guarantee="S29",
        model=m.RETRYING,
        changes=(
            Change(
                module="parcae.decide.operator",
                function="submit",
                old="if fence is not None and fence <= now:",
                new="if fence is not None:",
            ),
        ),
    ),
)
