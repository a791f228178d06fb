"""For each guard of the rules about many jobs, a view in which nothing else refuses what is asked.

The counterpart of :mod:`parcae_specs.bugs.sole` for what is decided over a whole view.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping

from attrs import evolve

from parcae import admit, grouping, groups
from parcae import commands as c
from parcae.change import Key, KeyRow, View
from parcae.configure import configure
from parcae.definitions import Request
from parcae.errors import Reason, Rejected
from parcae.graphs import Graph
from parcae.grouping import Edge, Plan
from parcae.ledger import Ledger
from parcae.queues import Bounds, Queue, SetLimit
from parcae.spec import RetryMode, Unique
from parcae.values import MAX_BLOB, GroupId, JobId, Place
from parcae_specs.bugs.sole import Guard, functions, refusals
from parcae_specs.explorer.cell import NOW
from parcae_specs.explorer.crowds.model import DATA
from parcae_specs.explorer.crowds.slices.parts import member, one
from parcae_specs.explorer.run import Run
from parcae_specs.explorer.slices.parts import job

MODULES = ("admit", "grouping", "ledger", "groups.decide", "queues.decide", "graphs")
HERE = JobId("there")
ONCE = admit.Idempotency(key=Key(scope="submit", key="once"), ttl=NOW - NOW)


def guards() -> Iterator[Guard]:
    """All refusals that stand in the rules over a whole view."""
    for name in MODULES:
        module = importlib.import_module(f"parcae.{name}")
        for function, value in functions(module):
            for number, reason in refusals(value):
                yield Guard(module.__name__, function, number, reason)


def _view(**parts: object) -> View:
    return View(now=NOW, place=Place(1), seed=5, **parts)  # type: ignore[arg-type]


def _taken() -> View:
    """The key was used with another request."""
    row = KeyRow(key=ONCE.key, fingerprint="another", job_id=HERE)
    return _view(keys={ONCE.key: row})


def _resumable(*, taken: bool) -> View:
    run = Run((job("a", "b"),))
    run.put(0, c.Cancel())
    stored = run.cells[0].stored
    assert stored is not None
    name = stored.job.id
    key = admit.carry_key(name)
    keys = {key: KeyRow(key=key, fingerprint="", job_id=HERE)} if taken else {}
    return _view(jobs={name: stored}, keys=keys, blobs={(name, "payload"): DATA})


def _retry() -> object:
    view = _resumable(taken=True)
    return admit.retry(view, next(iter(view.jobs)), RetryMode.RESUME)


def _backwards() -> Plan:
    late = evolve(member(), after=(Edge(index=1),))
    return Plan(members=(late, member()))


def _one_of_a_kind() -> Plan:
    """A group of a job for which another may stand."""
    alone = member()
    return Plan(members=(evolve(alone, spec=evolve(alone.spec, unique=Unique())),))


def _crowded_queue() -> View:
    keys = {str(number): Bounds(limit=1) for number in range(10_000)}
    return _view(queues={"q": Queue(name="q", keys=keys)})


def _dangling() -> object:
    graph = Graph()
    graph.add(Request(spec=one(), payload=DATA), name="a", after=["nowhere"])
    return graph.names()


PROBES: Mapping[tuple[str, Reason], Callable[[], object]] = {
    ("admit.admit", Reason.TOO_LARGE): lambda: admit.submit(_view(), one(), b"1" * (MAX_BLOB + 1)),
    ("admit.retry", Reason.NOT_FOUND): lambda: admit.retry(_view(), HERE, RetryMode.FROM_START),
    ("admit.retry", Reason.ALREADY_RETRIED): _retry,
    ("admit.seen", Reason.KEY_REUSED): lambda: admit.submit(_taken(), one(), DATA, ONCE),
    ("grouping._member", Reason.CYCLE): lambda: grouping.submit_group(_view(), _backwards()),
    ("grouping._refuse_unique", Reason.BAD_INPUT): lambda: grouping.submit_group(
        _view(), _one_of_a_kind()
    ),
    ("grouping.cancel_group", Reason.NOT_FOUND): lambda: grouping.cancel_group(
        _view(), GroupId("group/none")
    ),
    ("ledger.Ledger.outcome", Reason.UNKNOWN_DEPENDENCY): lambda: Ledger(_view()).outcome(HERE),
    ("groups.decide.opened", Reason.TOO_LARGE): lambda: groups.opened(
        groups.GroupOpened(at=NOW, seed=1, size=10_001), GroupId("group/large")
    ),
    ("queues.decide._bounds", Reason.BAD_INPUT): lambda: configure(
        _view(), "q", SetLimit(limit=1, key="line\nbreak")
    ),
    ("queues.decide._bounds", Reason.TOO_LARGE): lambda: configure(
        _crowded_queue(), "q", SetLimit(limit=1, key="one more")
    ),
    ("graphs.Graph.names", Reason.UNKNOWN_DEPENDENCY): _dangling,
}
"""What is asked, by the place of the guard and the reason it names."""


NAMING = frozenset({("grouping._member", Reason.CYCLE)})
"""Guards that only name a reason: a job that is not admitted yet cannot be waited for anyhow."""


def refusal(probe: Callable[[], object]) -> Reason | None:
    """Why it is refused; ``None``: it is taken, or breaks what stands behind the guards."""
    try:
        probe()
    except Rejected as refused:
        return refused.reason
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return None
