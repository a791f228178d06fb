"""Guards taken away, one by one: each has to be missed."""

from __future__ import annotations

from parcae_specs.bugs import models as m
from parcae_specs.bugs.bug import Bug
from parcae_specs.bugs.plant import Change
from parcae_specs.explorer.model import Model


def _bug(name: str, guarantee: str, model: Model, *texts: tuple[str, str, str]) -> Bug:
    """A bug in functions named as ``module:function`` below ``parcae``."""
    changes = []
    for where, old, new in texts:
        module, _, function = where.partition(":")
        changes.append(Change(module=f"parcae.{module}", function=function, old=old, new=new))
    return Bug(name=name, guarantee=guarantee, model=model, changes=tuple(changes))


GUARDS: tuple[Bug, ...] = (
    _bug(
        "a phase starts under an expired lease",
        "S24",
        m.FORWARD,
        ("decide.forward:start_phase", "if draft.expired():", "if False:"),
    ),
    _bug(
        "a phase starts after a cancel was requested",
        "S9",
        m.FORWARD,
        ("decide.forward:start_phase", "draft.refuse_if_cancelled(command)", "pass"),
    ),
    _bug(
        "a phase starts past the attempt's timeout",
        "S30",
        m.OUTLIVED,
        ("decide.forward:start_phase", "if timed_out(job, draft.now):", "if False:"),
    ),
    _bug(
        "a phase starts past the deadline",
        "S30",
        m.LATE_CLAIM,
        ("decide.forward:start_phase", "if past_deadline(job, draft.now):", "if False:"),
    ),
    _bug(
        "an expired lease is renewed",
        "S24",
        m.FORWARD,
        ("decide.claims:renew", "if draft.expired():", "if False:"),
        ("decide.claims:renew", "due is not None and due.at <= draft.now", "False"),
    ),
    _bug(
        "a renewal moves the expiry back",
        "S3",
        m.CLOCKS,
        ("decide.claims:renew", "if expires_at < liveness.expires_at:", "if False:"),
    ),
    _bug(
        "a repeated claim is granted under an expired lease",
        "S24",
        m.FORWARD,
        ("decide.draft:Draft.lease_of", "if self.expired():", "if False:"),
    ),
    _bug(
        "a token restarts at one",
        "S3",
        m.FORWARD,
        ("decide.claims:claim", "Token(job.token + 1)", "Token(1)"),
        ("evolve:_claimed", "event.token > job.token", "event.token > 0"),
    ),
    _bug(
        "a repeated result is not known for one",
        "S25",
        m.FORWARD,
        ("decide.fence:holds", "_repeated(draft, command)", "False"),
    ),
    _bug(
        "a retry runs beside a handler whose lease runs on",
        "S29",
        m.OUTLIVED,
        ("decide.ending:burn", "max(due + verdict.delay, fence or due)", "due + verdict.delay"),
    ),
    _bug(
        "an undo runs beside a handler whose lease runs on",
        "S29",
        m.OUTLIVED,
        ("decide.ending:end", "draft.now if forced else max(due, fence or due)", "draft.now"),
    ),
    _bug(
        "a forced overlap is not on the record",
        "S29",
        m.UNDOING,
        (
            "decide.ending:end",
            "overlap=forced and fence is not None and fence > draft.now",
            "overlap=False",
        ),
    ),
    _bug(
        "a retry is counted from when somebody looked",
        "S30",
        m.OVERSLEPT,
        (
            "decide.ending:burn",
            "max(due + verdict.delay, fence or due)",
            "draft.now + verdict.delay",
        ),
    ),
    _bug(
        "the reconciler settles one thing and leaves the rest",
        "L3",
        m.OVERSLEPT,
        ("decide.reconcile:reconcile", "while (due :=", "if (due :="),
    ),
    _bug(
        "a cancel's grace never runs out",
        "L3",
        m.FORWARD,
        ("timing:_dues", "isinstance(state, Running) and state.cancel is not None", "False"),
    ),
    _bug(
        "an attempt that was cut off is taken not to have happened",
        "S13",
        m.UNDOING,
        ("compensation:plan", "phase.maybe or spec.name == interrupted", "False"),
    ),
    _bug(
        "what was cut off is handed to an undo that cannot handle it",
        "S13",
        m.RETRYING,
        ("compensation:plan", "possible and spec.undo.unknown", "True"),
    ),
    _bug(
        "phases are undone in the order in which they were done",
        "S12",
        m.UNDOING,
        (
            "compensation:plan",
            "return Plan(tuple(owed), possible)",
            "return Plan(tuple(owed[::-1]), possible)",
        ),
    ),
    _bug(
        "what an origin did is taken over twice",
        "S12",
        m.RETRYING,
        ("admit:retry", "if once in view.keys:", "if False:"),
    ),
    _bug(
        "shutdowns hand a job back without a bound",
        "S19",
        m.FORWARD,
        ("decide.release:release", "job.releases >= job.spec.retry.max_releases", "False"),
    ),
    _bug(
        "a job is in line before all it waits for is settled",
        "S8",
        m.WAITING,
        ("decide.operator:settle_dependency", "elif len(state.unsettled) == 1:", "else:"),
        ("evolve:_waiting", "_require(not state.unsettled,", "_require(True,"),
    ),
    _bug(
        "the last in line is served first",
        "S7",
        m.LINE,
        ("admission:order", "-offer.priority, offer.place)", "-offer.priority, -offer.place)"),
    ),
    _bug(
        "a retry keeps its old place in line",
        "S7",
        m.LINE,
        (
            "decide.ending:burn",
            "at, place = draft.now, draft.place",
            "at, place = draft.now, job.place",
        ),
    ),
    _bug(
        "an ended job is deleted while it is retained",
        "S22",
        m.KEPT,
        ("decide.operator:delete", "if free_at > draft.now:", "if False:"),
    ),
    _bug(
        "a completed phase is run again",
        "S2",
        m.FORWARD,
        ("decide.forward:start_phase", "if wanted != job.next_phase:", "if False:"),
        ("state:Job.next_phase", "is not PhaseStatus.COMPLETED", "is not PhaseStatus.SKIPPED"),
    ),
)
