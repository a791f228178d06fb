"""The kernel and TLC walk one model, by turns: whose states come faster, and what each takes.

The model is of several jobs under one clock, each with every command of its configuration: the
product of what is compared edge by edge. The kernel answers a command to a job once and remembers
it, as the explorer does; the module's answers are computed by TLC, which prints nothing here.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from attrs import Factory, define, frozen

from parcae.timing import next_due
from parcae_specs.tla.graph import State
from parcae_specs.tla.kernel import TICK as SECOND
from parcae_specs.tla.kernel import World, first, labels, step
from parcae_specs.tla.models import Model
from parcae_specs.tla.project import project
from parcae_specs.tla.tlc import DONE, Failed, Tools, config, module

JOBS = 2
COURSE = Model(
    name="race",
    undo=("unknown",),
    offered=("claim", "start", "complete", "fail", "renew", "reconcile", "tick"),
)
FOUND = re.compile(r"([\d,]+) states generated, ([\d,]+) distinct states found, 0 states left")

PRODUCT = """VARIABLE other
Quiet(j, c) == Answered(j, c).job
Alone(j) == {c \\in Commands(j) : c.name # "tick"}
BothInit == job = Admitted /\\ other = Admitted
BothNext ==
    \\/ \\E c \\in Alone(job) : job' = Quiet(job, c) /\\ UNCHANGED other
    \\/ \\E c \\in Alone(other) : other' = Quiet(other, c) /\\ UNCHANGED job
    \\/ /\\ Tick(job).answer = "ok" /\\ Tick(other).answer = "ok"
       /\\ job' = Tick(job).job /\\ other' = Tick(other).job
===="""


@frozen(kw_only=True)
class Lap:
    """One walk through the model.

    Attributes:
        states: how many.
        steps: between them, those that change nothing included.
        seconds: of processor time.
        wall: seconds that passed.
        size: bytes of memory that a state takes.
    """

    states: int
    steps: int
    seconds: float
    wall: float
    size: float

    @property
    def speed(self) -> float:
        """States a second of processor time."""
        return self.states / self.seconds


@define
class Answers:
    """The states of one job, numbered, and where the commands lead from each."""

    model: Model
    numbers: dict[State, int] = Factory(dict)
    worlds: list[World] = Factory(list)
    after: list[tuple[tuple[int, ...], int, int] | None] = Factory(list)

    def number(self, world: World) -> int:
        """The number of the state that a world is in."""
        state = project(world)
        known = self.numbers.get(state)
        if known is None:
            known = self.numbers[state] = len(self.worlds)
            self.worlds.append(world)
            self.after.append(None)
        return known

    def of(self, number: int) -> tuple[tuple[int, ...], int, int]:
        """Where commands lead, how many there are, and where a tick does; -1: it may not come."""
        found = self.after[number]
        if found is not None:
            return found
        world, asked, targets = self.worlds[number], 0, set[int]()
        for label in labels(self.model, world):
            if label.name == "tick":
                continue
            asked += 1
            _, after = step(world, label)
            targets.add(number if after is world else self.number(after))
        targets.discard(number)
        ticked = self._ticked(world)
        self.after[number] = found = (tuple(sorted(targets)), asked, ticked)
        return found

    def _ticked(self, world: World) -> int:
        due = next_due(world.stored.job, world.stored.liveness)
        late = due is not None and due.at - world.now <= -self.model.late * SECOND
        return -1 if late else self.number(World(world.stored, world.now + SECOND))


def walk(model: Model) -> Lap:
    """The kernel, breadth first through all pairs of job states."""
    begun, wall = time.process_time(), time.perf_counter()
    answers = Answers(model)
    start = answers.number(first(model))
    order = array("q", [start << 32 | start])
    known = set(order)
    steps = index = 0
    while index < len(order):
        for after in _after(answers, order[index]):
            if after not in known:
                known.add(after)
                order.append(after)
        steps += _asked(answers, order[index])
        index += 1
    size = sys.getsizeof(known) + len(known) * sys.getsizeof(1 << 40) + order.itemsize * len(order)
    return Lap(
        states=len(known),
        steps=steps,
        seconds=time.process_time() - begun,
        wall=time.perf_counter() - wall,
        size=size / len(known),
    )


def _after(answers: Answers, pair: int) -> list[int]:
    one, other = pair >> 32, pair & 0xFFFFFFFF
    mine, _, ticked = answers.of(one)
    theirs, _, passed = answers.of(other)
    found = [after << 32 | other for after in mine]
    found += [one << 32 | after for after in theirs]
    if ticked >= 0 and passed >= 0:
        found.append(ticked << 32 | passed)
    return found


def _asked(answers: Answers, pair: int) -> int:
    one, other = answers.of(pair >> 32), answers.of(pair & 0xFFFFFFFF)
    return one[1] + other[1] + (one[2] >= 0 and other[2] >= 0)


def run(model: Model, found: Tools) -> Lap:
    """TLC on the same, with one worker, printing nothing.

    Raises:
        Failed: it did not come to its end.
    """
    begun, wall = _children(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="parcae-race-") as folder:
        place = Path(folder)
        shutil.copy(found.module, place)
        (place / "Model.tla").write_text(module(model).replace("====", PRODUCT))
        (place / "Model.cfg").write_text(config(model).replace("Init", "BothInit", 1))
        text = (place / "Model.cfg").read_text().replace("NEXT Next", "NEXT BothNext")
        (place / "Model.cfg").write_text(text)
        command = [found.java, "-XX:+UseSerialGC", f"-Djava.io.tmpdir={place}"]
        command += ["-cp", str(found.jar.resolve()), "tlc2.TLC", "-nowarning", "-deadlock"]
        command += ["-workers", "1", "-metadir", str(place / "states"), "Model.tla"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    seconds, wall = _children() - begun, time.perf_counter() - wall
    counted = FOUND.search(done.stdout)
    if DONE not in done.stdout or counted is None:
        raise Failed(done.stdout[-2_000:])
    generated, distinct = (int(one.replace(",", "")) for one in counted.groups())
    return Lap(states=distinct, steps=generated - 1, seconds=seconds, wall=wall, size=0)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def race(found: Tools, rounds: int = 3) -> Iterator[str]:
    """The laps, by turns, each in a line; then the ratio of their speeds.

    Raises:
        AssertionError: they did not walk the same graph.
    """
    ours, theirs = list[Lap](), list[Lap]()
    for number in range(rounds):
        ours.append(walk(COURSE))
        theirs.append(run(COURSE, found))
        mine, other = ours[-1], theirs[-1]
        assert (mine.states, mine.steps) == (other.states, other.steps), f"{mine} and {other}"
        yield f"{number + 1}: kernel {_told(mine)}; TLC {_told(other)}"
    yield _verdict(ours, theirs)


def _told(lap: Lap) -> str:
    return f"{lap.speed:,.0f} states a second ({lap.seconds:.1f} s of processor, {lap.wall:.1f} s)"


def _verdict(ours: Sequence[Lap], theirs: Sequence[Lap]) -> str:
    ratios = [mine.speed / other.speed for mine, other in zip(ours, theirs, strict=True)]
    return (
        f"{ours[0].states:,} states, {ours[0].steps:,} steps of {JOBS} jobs: the kernel's come "
        f"{median(ratios):.2f} times as fast as TLC's ({min(ratios):.2f} to {max(ratios):.2f}); "
        f"{ours[0].size:.0f} bytes a state"
    )
