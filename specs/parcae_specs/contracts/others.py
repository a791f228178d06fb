"""Other processes that open the same store, seen from the test that starts them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from parcae_specs.subject import Subject

CHILD = "parcae_specs.contracts.child"


def process(module: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A Python process that imports what this one imports."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        **options,
    )


async def killed_while_writing(subject: Subject, folder: Path) -> list[str]:
    """Have a process submit jobs, and kill it; the jobs whose submission was answered."""
    writer = process(CHILD, "submit", subject.name, folder)
    assert writer.stdout is not None
    said: list[str] = []
    for line in writer.stdout:
        said.append(line.strip())
        if len(said) == 20:
            writer.kill()
    await asyncio.to_thread(writer.wait)
    _close(writer)
    return said


async def racing(subject: Subject, folder: Path, number: int) -> list[Any]:
    """Have processes claim one job and submit under one key, at once; what each was answered."""
    racers = [process(CHILD, "race", subject.name, folder, i) for i in range(number)]
    for one in racers:
        assert one.stdout is not None
        line = await asyncio.to_thread(one.stdout.readline)
        assert line == "ready\n", f"expected ready, got {line!r}"
    for one in racers:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [await asyncio.to_thread(one.communicate, timeout=30) for one in racers]
    return [json.loads(output) for output, _ in said]


def _close(one: subprocess.Popen[str]) -> None:
    for stream in (one.stdin, one.stdout):
        if stream is not None:
            stream.close()
