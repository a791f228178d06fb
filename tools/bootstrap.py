"""Make the environment a make target runs in: `bootstrap.py dev` or `bootstrap.py demo`.

`requirements/<name>.txt` names every distribution at its exact version, and the project itself is
installed on top, editable. What proves that an environment is whole is the stamp, written last: a
build that was interrupted leaves a folder but no stamp, and is done again from nothing.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"dev": ROOT / ".venv", "demo": ROOT / ".venv-demo"}


def main(name: str) -> None:
    folder = FOLDERS[name]
    lock = ROOT / "requirements" / f"{name}.txt"
    stamp = folder / "stamp"
    wanted = fingerprint(folder, lock)
    if interpreter(folder).exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"making {folder.name} with Python {sys.version.split()[0]}")
    try:
        build(folder, lock)
    except subprocess.CalledProcessError as error:
        sys.exit(f"parcae: {folder.name} is not ready, see above: {' '.join(error.cmd)} failed")
    except OSError as error:
        sys.exit(f"parcae: {folder.name} is not ready: {error}")
    stamp.write_text(wanted)


def fingerprint(folder: Path, lock: Path) -> str:
    """Everything an environment depends on; the folder too, for its scripts name it."""
    parts = [str(folder).encode(), sys.version.encode(), sys.base_prefix.encode()]
    parts += [path.read_bytes() for path in (lock, ROOT / "pyproject.toml", Path(__file__))]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def build(folder: Path, lock: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    install = next(installers(interpreter(folder)), None)
    if install is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            f"parcae: Python {version} can install nothing: install python{version}-venv "
            "(Debian, Ubuntu) or uv, then repeat"
        )
    run(*install, "--requirement", str(lock))
    # The build backend comes from the lock, not from a second, unpinned resolution.
    run(*install, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))


def installers(python: Path) -> Iterator[list[str]]:
    """The ways of installing into an environment that work here, the usual one first.

    Debian and Ubuntu ship Python without ensurepip, and pip may then still be on the host.
    """
    if importlib.util.find_spec("ensurepip") and works(str(python), "-I", "-m", "ensurepip"):
        yield [str(python), "-I", "-m", "pip", "install", "-qq"]
    host = [sys.executable, "-m", "pip", "--python", str(python)]
    if works(*host, "--version"):
        yield [*host, "install", "-qq"]
    if uv := shutil.which("uv"):
        yield [uv, "pip", "install", "--quiet", "--python", str(python)]


def interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


def run(*command: str) -> None:
    # Standard output belongs to the target: `make demo ARGS=--json` prints one document there.
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def works(*command: str) -> bool:
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def say(words: str) -> None:
    print(f"parcae: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
