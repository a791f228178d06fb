"""Bugs about slots, locks, dependents, groups and constraints: found among many jobs at once."""

from __future__ import annotations

from attrs import evolve

from parcae.grouping import Member
from parcae.spec import DependencyPolicy
from parcae.values import JobId
from parcae_specs.bugs.bug import Bug
from parcae_specs.bugs.plant import Change
from parcae_specs.explorer.crowds.model import DATA, Crowd, group
from parcae_specs.explorer.crowds.slices import SLICES
from parcae_specs.explorer.crowds.slices.parts import after, member, one, together

LIMIT_ONE, LIMIT_TWO, KEYS = (SLICES[name] for name in ("limit one", "limit two", "keys"))
SETTINGS, STARTS, PARENTS = (SLICES[name] for name in ("settings", "starts", "parents"))
POLICIES, CHAIN, MEANWHILE = (SLICES[name] for name in ("policies", "chain", "meanwhile"))
SAGA, STOPPED, NEIGHBOURS = (SLICES[name] for name in ("group saga", "group stop", "neighbours"))
ENDED, STARTED, REPLACED = (SLICES[name] for name in ("until ended", "until started", "replaced"))

AT_ONCE = evolve(SLICES["moment"], name="at once", batch=100, cascade=100)
"""Two parents that fall due at the same moment, and are looked at in one commit."""

_ALWAYS = (DependencyPolicy.PROCEED,)
AWAITED = evolve(
    SLICES["batch"],
    name="awaited",
    first=(
        together(member(), callback=Member(spec=one("z"), payload=DATA)),
        after(JobId(group(0)), policies=_ALWAYS),
    ),
)
"""A group for which more wait than one view holds."""

SIBLINGS = evolve(POLICIES, name="siblings", cascade=100)
"""Children that are told in one commit."""

WHOLE = evolve(SAGA, name="whole", window=100)
"""A group that is looked at as a whole."""


def _bug(
    name: str,
    guarantee: str,
    model: Crowd,
    *texts: tuple[str, str, str],
    seen: tuple[str, ...] = (),
) -> Bug:
    """A bug in functions named as ``module:function`` below ``parcae``."""
    changes = []
    for where, old, new in texts:
        module, _, function = where.partition(":")
        changes.append(Change(module=f"parcae.{module}", function=function, old=old, new=new))
    return Bug(name=name, seen=seen, guarantee=guarantee, model=model, changes=tuple(changes))


CROWDED: tuple[Bug, ...] = (
    _bug(
        "a job of limit 1 ran eleven times at once",
        "S6",
        LIMIT_ONE,
        ("admission:Room.left", "- self._totals.get(lane.queue, 0)", "- 0"),
        seen=("solid_queue PR#761",),
    ),
    _bug(
        "a job scheduled for later blocks a whole lock",
        "L2",
        LIMIT_TWO,
        ("admission:offer", "at=state.ready_at", "at=job.submitted_at"),
        ("handle:_offered", "and due(stored.job, view.now, queue)", ""),
        seen=("procrastinate#1599",),
    ),
    _bug(
        "unique inserts race: two jobs stand for one constraint",
        "S17",
        ENDED,
        ("admit:submit", "holder = _holder(view, spec)", "holder = None"),
        seen=("oban#1087",),
    ),
    _bug(
        "an insert succeeds, and there is no job",
        "S17",
        ENDED,
        (
            "admit:_standing",
            "a.Admitted(job_id=row.job_id,",
            "a.Admitted(job_id=job_id(view.now, view.seed),",
        ),
        seen=("oban#1093",),
    ),
    _bug(
        "two parents end at the same moment, and their child waits for ever",
        "L1",
        AT_ONCE,
        ("ledger:Ledger.settle", "while self._ended:", "for _ in self._ended and (1,):"),
        seen=("this project's own issue",),
    ),
)

CROWD_GUARDS: tuple[Bug, ...] = (
    _bug(
        "a paused queue starts jobs",
        "S6",
        SETTINGS,
        ("admission:Room.left", "if queue.paused and not undo:", "if False:"),
    ),
    _bug(
        "a limit that is lowered below what runs lets everything start",
        "S6",
        SETTINGS,
        ("admission:Room.left", "return max(left, 0)", "return left"),
    ),
    _bug(
        "the limit of each key is not kept",
        "S6",
        KEYS,
        ("admission:Room.left", "- self._held.get(lane, 0)", "- 0"),
    ),
    _bug(
        "one claim for several jobs is not counted as several",
        "S6",
        LIMIT_ONE,
        (
            "admission:Room.take",
            "self._totals[lane.queue] = self._totals.get(lane.queue, 0) + 1",
            "pass",
        ),
    ),
    _bug(
        "a start is not remembered by the rate that it spends",
        "S6",
        STARTS,
        ("handle:claim", "() if found.undo else room.spent(found.lane, name)", "()"),
    ),
    _bug(
        "a lane is served from its end",
        "S7",
        LIMIT_ONE,
        ("admission:choose", "one[0]), reverse=True)", "one[0]))"),
    ),
    _bug(
        "a key that is full blocks the keys behind it",
        "L2",
        KEYS,
        ("admission:_head", "line.pop()", "line.clear()"),
    ),
    _bug(
        "children whose places are drawn in one commit share one",
        "S7",
        SIBLINGS,
        ("ledger:Ledger.enter", "max(self.place, Place(job.place + 1))", "self.place"),
    ),
    _bug(
        "a job is started though what it depends on has failed",
        "S8",
        PARENTS,
        (
            "decide.operator:settle_dependency",
            "met = well or dependency.policy is DependencyPolicy.PROCEED",
            "met = True",
        ),
    ),
    _bug(
        "a crash between two levels leaves the lower one pending",
        "L1",
        CHAIN,
        ("ledger:Ledger.enter", "if job_id in self.view.partial:", "if False:"),
    ),
    _bug(
        "the rest of many children is forgotten after the second commit",
        "L1",
        POLICIES,
        (
            "handle:_settle_the_rest",
            "remember((), now) if name in ledger.view.partial else ()",
            "()",
        ),
    ),
    _bug(
        "a child that is submitted while its parent ends waits for ever",
        "L1",
        MEANWHILE,
        ("admit:admit", "in outcomes if outcome is not None", "in outcomes if False"),
    ),
    _bug(
        "a group ends, and one of two that wait for it is not told",
        "L1",
        AWAITED,
        ("ledger:Ledger.group_events", "if group_id in self.view.partial:", "if False:"),
    ),
    _bug(
        "a job that others need is deleted",
        "S22",
        PARENTS,
        ("handle:_refuse_if_needed", "if job in view.needed:", "if False:"),
    ),
    _bug(
        "a member is deleted while its group may have to undo it",
        "S22",
        STOPPED,
        ("handle:_refuse_if_needed", "group is not None and group.status is None", "False"),
    ),
    _bug(
        "a group is not told of the end of its members",
        "L5",
        SAGA,
        ("ledger:Ledger.settle", "if parent in self._news:", "if False:"),
    ),
    _bug(
        "one bad end does not stop the rest of the group",
        "S13",
        SAGA,
        (
            "groups.decide:member_ended",
            "bad = outcome is not Status.COMPLETED",
            "bad = False",
        ),
    ),
    _bug(
        "a group skips members beyond its window when it stops",
        "S9",
        SAGA,
        (
            "grouping:_stop",
            "sight.first + len(view.members)",
            "sight.first + 2 * len(view.members)",
        ),
    ),
    _bug(
        "a group stops the members of another in place of its own",
        "S9",
        NEIGHBOURS,
        ("grouping:advance", "iter(view.groups.values())", "reversed(tuple(view.groups.values()))"),
    ),
    _bug(
        "members are undone in the order in which they were done",
        "S12",
        WHOLE,
        ("grouping:_undo", "for name in view.members:", "for name in view.members[::-1]:"),
    ),
    _bug(
        "members are undone though one is quarantined",
        "S12",
        STOPPED,
        ("groups.decide:_may_undo", "not quarantined and", ""),
    ),
    _bug(
        "a group that has an undo to do says that it is over",
        "S13",
        SAGA,
        ("groups.decide:_next", "group.compensate and _may_undo(group)", "False"),
    ),
    _bug(
        "a group whose undo failed says that it is compensated",
        "S13",
        STOPPED,
        ("groups.decide:_outcome", "if group.undone.get(Status.QUARANTINED, 0):", "if False:"),
    ),
    _bug(
        "a job that has started still stands for those that may wait once",
        "S17",
        STARTED,
        ("admit:_waits", "and job.starts == 0", "and job.starts >= 0"),
    ),
    _bug(
        "a job for which others wait is replaced",
        "S17",
        REPLACED,
        ("admit:_standing", "and not awaited", ""),
    ),
    _bug(
        "what is replaced runs beside what replaces it",
        "S17",
        REPLACED,
        ("admit:_replace", "if stored is not None and _waits(stored.job):", "if False:"),
    ),
)
