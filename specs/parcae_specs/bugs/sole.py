"""Every guard is somewhere the sole reason of a refusal: taken away, what it refused is taken.

A guard is an ``if`` of ``parcae.decide`` that ends in a refusal. Each is removed in turn, and the
same commands are put to the same reachable jobs: where one was refused and is not any more,
nothing else stood behind that guard there. A guard without such a place is dead code, or untested.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from attrs import evolve, frozen

import parcae.decide
from parcae import commands as c
from parcae.errors import Corrupt, Reason, Rejected, Superseded
from parcae.shape import Shape
from parcae.spec import Carried, PhaseSpec, Spec
from parcae.values import MAX_BLOB, Blob, JobId, Place, Status, Token, WorkerId, blob, seconds
from parcae_specs.bugs.plant import holders
from parcae_specs.explorer.belief import RAISED
from parcae_specs.explorer.cell import NOW, Cell
from parcae_specs.explorer.crowd import job_name
from parcae_specs.explorer.model import Model
from parcae_specs.explorer.search import explore
from parcae_specs.explorer.slices.parts import BRISK, job


@frozen
class Guard:
    """A refusal in the kernel.

    Attributes:
        module: where it stands.
        function: in which function, or method as ``Class.method``.
        number: which ``if`` of that function, from 0.
        reason: the reason that it names.
    """

    module: str
    function: str
    number: int
    reason: Reason

    @property
    def place(self) -> tuple[str, Reason]:
        """Where it stands, and what for."""
        return f"{self.module.removeprefix('parcae.')}.{self.function}", self.reason

    def __str__(self) -> str:
        return ": ".join(self.place)


Probe = tuple[JobId, Cell, c.Command]


def guards() -> Iterator[Guard]:
    """All guards of ``parcae.decide``."""
    for info in pkgutil.iter_modules(parcae.decide.__path__, "parcae.decide."):
        module = importlib.import_module(info.name)
        for name, function in functions(module):
            for number, reason in refusals(function):
                yield Guard(info.name, name, number, reason)
    assert isinstance(parcae.decide.decide, FunctionType)
    for number, reason in refusals(parcae.decide.decide):
        yield Guard("parcae.decide", "decide", number, reason)


def functions(module: Any) -> Iterator[tuple[str, FunctionType]]:
    """The functions and methods that a module defines, by their names."""
    for name, value in vars(module).items():
        if getattr(value, "__module__", "") != module.__name__:
            continue
        if isinstance(value, FunctionType):
            yield name, value
        elif isinstance(value, type):
            for inner, method in vars(value).items():
                if isinstance(method, FunctionType):
                    yield f"{name}.{inner}", method


def _tree(function: FunctionType) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def refusals(function: FunctionType) -> Iterator[tuple[int, Reason]]:
    """Which of a function's conditions end in a refusal, and for what reason."""
    ifs = [node for node in ast.walk(_tree(function)) if isinstance(node, ast.If)]
    for number, node in enumerate(ifs):
        if isinstance(node.body[-1], ast.Raise):
            for inner in ast.walk(node.body[-1]):
                if isinstance(inner, ast.Attribute) and _is_reason(inner):
                    yield number, Reason[inner.attr]


def _is_reason(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "Reason"


@contextmanager
def removed(guard: Guard) -> Iterator[None]:
    """The kernel without one guard, inside the block only."""
    owner: Any = importlib.import_module(guard.module)
    *path, name = guard.function.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    tree = _tree(original)
    ifs = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    ifs[guard.number].test = ast.copy_location(ast.Constant(False), ifs[guard.number].test)
    made: dict[str, Any] = {}
    flags = sys.modules[guard.module].__dict__
    exec(compile(tree, f"<without {guard}>", "exec", dont_inherit=True), flags, made)
    places = [(owner, name)] if path else list(holders(original))
    for holder, attribute in places:
        setattr(holder, attribute, made[name])
    try:
        yield
    finally:
        for holder, attribute in places:
            setattr(holder, attribute, original)


NAMING = frozenset(
    {
        # Each of these says more exactly what the guard after it would refuse as well.
        ("decide.claims.claim", Reason.PAST_DEADLINE),
        ("decide.claims.renew", Reason.EXPIRED),
        ("decide.forward.start_phase", Reason.PHASE_RUNNING),
        ("decide.decide", Reason.NOT_FOUND),
    }
)
"""Guards that only name a reason: taken away, the refusal stays, under another name."""


def probes(models: Iterable[Model], worlds: int) -> Sequence[Probe]:
    """Every command of a small universe, put to every job of the first worlds of these models."""
    found: list[Probe] = [(job_name(0), Cell(), command) for command in _to_nobody()]
    for model in models:
        cells = explore(model, worlds).space.tables.cells.values
        found += [(job_name(0), cell, command) for cell in cells for command in universe(cell)]
    return found


def _to_nobody() -> Iterator[c.Command]:
    """What might be said where there is no job."""
    late = job("a", timing=evolve(BRISK, deadline=seconds(1)))
    yield evolve(late, not_before=NOW + seconds(2))
    yield evolve(job("a"), carried=(Carried(phase="nowhere"),))
    yield c.Cancel()


def universe(cell: Cell) -> Iterator[c.Command]:
    """What anybody might say to a job, in protocol or out of it."""
    if cell.stored is None:
        return
    spec, last = cell.stored.job.spec, int(cell.stored.job.token)
    lease = cell.stored.job.lease
    yield job("a")
    yield c.Claim(worker=WorkerId("other"), request="other")
    if lease is not None:
        yield c.Claim(worker=lease.worker, request=lease.request)
    yield c.Cancel()
    yield c.Quarantine()
    yield from _other_shapes(spec)
    yield c.Delete(retention=seconds(1))
    for parent in (*(one.parent for one in spec.dependencies), JobId("nobody")):
        for outcome in (Status.COMPLETED, Status.RUNNING):
            yield c.SettleDependency(parent=parent, outcome=outcome)
    for token in sorted({0, last, last + 1}):
        yield from _spoken(Token(token), [phase.name for phase in spec.phases])


def _other_shapes(spec: Spec) -> Iterator[c.Command]:
    """Shapes that a job might take: with a phase more, as if it had another one, without undos."""
    now = Shape(version="today", phases=(*spec.phases, PhaseSpec(name="more")))
    bare = tuple(PhaseSpec(name=one.name) for one in now.phases)
    was = Shape(version=spec.definition, phases=spec.phases)
    yield c.Migrate(was=was, now=now)
    yield c.Migrate(was=now, now=now)
    yield c.Migrate(was=was, now=evolve(now, phases=bare))


def _spoken(token: Token, phases: Sequence[str]) -> Iterator[c.Command]:
    yield c.Renew(token=token)
    yield c.Fail(token=token, error=RAISED)
    yield c.Fail(token=token, error=RAISED, final=True, retry_at=NOW + seconds(1))
    yield c.Abandon(token=token, error=RAISED)
    yield c.Release(token=token)
    yield c.ConfirmCancel(token=token)
    huge = Blob("result/huge", MAX_BLOB + 1, "0")
    for name in (*phases, "nowhere"):
        yield c.StartPhase(token=token, phase=name)
        yield c.CompletePhase(token=token, phase=name, result=blob(f"result/{name}", b"1"))
        yield c.CompletePhase(token=token, phase=name, result=blob(f"result/{name}", b"2"))
        yield c.CompletePhase(token=token, phase=name, result=huge)
        yield c.StartUndo(token=token, phase=name)
        yield c.CompleteUndo(token=token, phase=name)
        yield c.FailUndo(token=token, phase=name, error=RAISED)


def refusal(probe: Probe) -> Reason | None:
    """Why a command is refused; ``None``: it is taken, or breaks what stands behind the guards."""
    name, cell, command = probe
    try:
        parcae.decide.decide(name, cell.stored, command, NOW, Place(9))
    except (Rejected, Superseded) as refused:
        return refused.reason
    except (Corrupt, AssertionError, AttributeError, KeyError, ValueError):
        return None
    return None


def refused(probes_: Sequence[Probe]) -> dict[Reason, list[Probe]]:
    """The probes that are refused, by the reason."""
    found: dict[Reason, list[Probe]] = {}
    for probe in probes_:
        reason = refusal(probe)
        if reason is not None:
            found.setdefault(reason, []).append(probe)
    return found


def sole(guard: Guard, candidates: Sequence[Probe]) -> Probe | None:
    """A probe that nothing but this guard refuses; ``None``: there is none among them."""
    with removed(guard):
        return next((probe for probe in candidates if refusal(probe) is None), None)


def renamed(guard: Guard, candidates: Sequence[Probe]) -> Probe | None:
    """A probe that without this guard is refused for another reason; ``None``: there is none."""
    with removed(guard):
        return next((probe for probe in candidates if refusal(probe) is not guard.reason), None)
