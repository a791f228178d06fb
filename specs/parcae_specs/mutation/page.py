"""``specs/mutation.md``: what was killed, and each survivor with the reason why it may live."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from parcae_specs.mutation.explained import reason
from parcae_specs.mutation.lay import MODULES, MUTMUT, TESTS
from parcae_specs.mutation.results import DEAD, Mutant

HEAD = (
    "Written by `python -m parcae_specs.mutation`. {mutmut} changes one thing at a time in a copy "
    "of the kernel and runs the quick tests that come by there, none of which walks states, "
    "simulates or crashes anything: {tests}. It makes no mutants of decorated functions, classes "
    "and module-level data; the weakenings of [known bugs](known-bugs.md) and the walks stand for "
    "those.",
    "{total:,} mutants of {modules}: {killed:,} killed ({share:.1%}), {slow:,} of them by tests "
    "that did not end; {survived:,} survived, of which {explained:,} change nothing that can be "
    "seen, for the reasons below. Without those, {meaningful:.1%} are killed.",
)

TABLE = """
| module | mutants | killed | survived | of those explained |
|---|---|---|---|---|
"""


def page(found: Sequence[Mutant], alive: Sequence[Mutant]) -> str:
    """The page; ``alive`` are those of ``found`` that survived, with what they change."""
    killed = sum(one.status in DEAD for one in found)
    why = [one for one in alive if reason(one) is not None]
    facts: dict[str, Any] = {
        "mutmut": MUTMUT.replace("==", " "),
        "tests": ", ".join(TESTS),
        "total": len(found),
        "modules": ", ".join(MODULES),
        "slow": sum(one.status == "too slow" for one in found),
        "killed": killed,
        "share": killed / max(len(found), 1),
        "survived": len(alive),
        "explained": len(why),
        "meaningful": killed / max(len(found) - len(why), 1),
    }
    head = (textwrap.fill(one.format(**facts), 100, break_on_hyphens=False) for one in HEAD)
    parts = ("# Mutants", *head)
    rest = ("".join(_rows(found, why)), "".join(_survivors(alive)))
    return "\n\n".join(parts) + "\n" + TABLE + "".join(rest)


def _rows(found: Sequence[Mutant], why: Sequence[Mutant]) -> Iterator[str]:
    every, alive, told = Counter[str](), Counter[str](), Counter(one.module for one in why)
    for one in found:
        every[one.module] += 1
        alive[one.module] += one.status not in DEAD
    for name, number in sorted(every.items()):
        rest = alive[name]
        yield f"| {name or 'parcae'} | {number} | {number - rest} | {rest} | {told[name]} |\n"


def _survivors(alive: Sequence[Mutant]) -> Iterator[str]:
    by_reason = defaultdict[str, list[Mutant]](list)
    for one in alive:
        by_reason[reason(one) or "Not explained: no test sees it, and one could."].append(one)
    yield "\n## Survivors\n"
    for words, some in sorted(by_reason.items()):
        yield f"\n{words}\n\n"
        for one in some:
            untested = " (no test comes by)" if one.status == "no test" else ""
            yield f"- {one.place}{untested}: `{_short(one.change)}`\n"


def _short(text: str) -> str:
    plain = text.replace("`", "'")
    return plain if len(plain) <= 180 else f"{plain[:179]}…"
