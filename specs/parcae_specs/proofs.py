"""Which test and which part of the specification stands behind each guarantee.

``python -m parcae_specs.proofs`` writes ``specs/guarantees.md``. A proof names its guarantee: in
the name of the test or function (``test_s9_given…``) or in its docstring (``S9``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

PAGE = Path("specs/guarantees.md")

GUARANTEES: Mapping[str, str] = {
    "S1": "one end: at most one terminal event, after it only audit events",
    "S2": "legal moves: every recorded (status, event) pair is in `TRANSITIONS`",
    "S3": "one holder: at most one lease is current; tokens of a job strictly increase",
    "S4": "fencing: no command with a stale token changes anything but evidence",
    "S5": "fold: stored state = fold of stored events, at every commit",
    "S6": "slots: nothing starts while those held reach the limit; held exactly under a lease",
    "S7": "FIFO: within lane and priority no job starts before an earlier one that was due",
    "S8": "dependencies: no job starts before all it depends on allow it",
    "S9": "cancel: at most one; after a request no phase starts, nothing is retried or released",
    "S10": "no contradiction: an ended job has no pending or running phase",
    "S11": "phases kept: a completed phase is never run again",
    "S12": "compensation order: reverse, each at most once to success, owed by one job",
    "S13": "nothing owed in silence",
    "S14": "owed is recorded: each wanted event has exactly one delivery, in the same commit",
    "S15": "deliveries: same id and body; none after a recorded one, none after a seal",
    "S16": "log: positions only grow, a reader sees every event once, in per-job order",
    "S17": "idempotent admission: one key, one job, under any race",
    "S18": "no harm on refusal: a rejected command changes nothing",
    "S19": "attempts: never more starts that burn than the policy allows",
    "S20": "reconcile twice = once; fresh and terminal jobs are untouched",
    "S21": "clocks: under skew and jumps all of this holds",
    "S22": "deletion: only ended jobs past retention; keys survive it",
    "S23": "atomic: a crash leaves each commit wholly there or not at all",
    "S24": "expiry needs no reaper",
    "S25": "repeatable: an accepted result repeated gives the first answer, for ever",
    "S26": "deterministic: same history, same state, on any Python, hash seed or store",
    "S27": "acknowledged means durable",
    "S28": "refusals name their reason",
    "S29": "no overlap with a handler that may be alive, unless forced",
    "S30": "when somebody looks does not matter",
    "L1": "every admitted job ends",
    "L2": "no slot is lost: waiting jobs of a queue below its limit start",
    "L3": "stale work settles within lease + one reconcile interval",
    "L4": "every owed delivery is delivered, dead or withheld",
    "L5": "compensation ends in compensated or quarantined",
    "L6": "drain ends within its limit, whatever handlers do",
    "L7": "no worker starves while others claim",
    "L8": "quiet: when faults stop, everything has ended within a computable time",
}
"""What holds today, by id."""

_WORD = re.compile(r"\b([SL]\d{1,2})\b")
_RANGE = re.compile(r"\b([SL])(\d{1,2})[\-–]([SL])(\d{1,2})\b")
_NAME = re.compile(r"(?:^|_)([sl]\d{1,2})(?=_|$)")


def named(text: str) -> frozenset[str]:
    """The ids that a docstring names, ranges (``S1–S5``) spelled out."""
    found = set(_WORD.findall(text))
    for letter, first, again, last in _RANGE.findall(text):
        if letter == again:
            found |= {f"{letter}{number}" for number in range(int(first), int(last) + 1)}
    return frozenset(found)


def claims(path: Path) -> Iterator[tuple[str, str]]:
    """Every (guarantee, function or class) that a module claims to prove."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        ids = named(ast.get_docstring(node) or "")
        ids |= {found.upper() for found in _NAME.findall(node.name.lower())}
        for one in ids & GUARANTEES.keys():
            yield one, node.name


def proofs(root: Path) -> Mapping[str, Mapping[str, set[str]]]:
    """By guarantee and kind (``tests``, ``specs``): the modules that stand behind it."""
    found: dict[str, dict[str, set[str]]] = {
        one: {"tests": set(), "specs": set()} for one in GUARANTEES
    }
    for kind, folder in (("tests", root / "tests"), ("specs", root / "specs/parcae_specs")):
        for path in sorted(folder.rglob("*.py")):
            if path.name == "proofs.py":
                continue
            name = path.relative_to(folder).with_suffix("").as_posix()
            for guarantee, function in claims(path):
                if kind == "specs" or function.startswith(("test", "Test")):
                    found[guarantee][kind].add(name)
    return found


def unproven(root: Path) -> list[str]:
    """The guarantees that hold today by nobody's test."""
    return [one for one, kinds in proofs(root).items() if not kinds["tests"]]


def page(root: Path) -> str:
    """``specs/guarantees.md``."""
    rows = [
        f"| {one} | {GUARANTEES[one]} | {_listed(kinds['tests'])} | {_listed(kinds['specs'])} |"
        for one, kinds in proofs(root).items()
    ]
    return (
        "# What stands behind each guarantee\n\n"
        "Written by `python -m parcae_specs.proofs`; a test says when it is stale, and fails where "
        "a guarantee\nhas no test.\n\n"
        "| id | guarantee | tests | specification |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _listed(modules: set[str]) -> str:
    return ", ".join(sorted(modules)) or "–"


if __name__ == "__main__":
    PAGE.write_text(page(Path()), encoding="utf-8")
