"""Where the pinned outside programs are installed: a cache outside the clone, one folder per lock file."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from gateway import Failed

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "wicketgate-test"


def folder(name, *files):
    """A folder that changes with the files and with Python's version."""
    digest = hashlib.sha256(b"".join(pathlib.Path(f).read_bytes() for f in files) + sys.version.encode())
    return CACHE / f"{name}-{digest.hexdigest()[:12]}"


def once(place, install):
    """Runs `install(place)` on an empty folder unless it once ran to its end there."""
    if not (place / ".ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        install(place)
        (place / ".ready").touch()
    return place


def venv(name, requirements):
    """A virtual environment with exactly the pinned packages."""
    def install(place):
        quietly(sys.executable, "-m", "venv", place)
        pip = [place / "bin/python", "-m", "pip", "--disable-pip-version-check"]
        quietly(*pip, "install", "--quiet", "--no-deps", "-r", requirements)
        quietly(*pip, "check")

    return once(folder(name, requirements), install)


def quietly(*words, cwd=None):
    """Runs a program; what it printed is shown only when it fails."""
    done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        raise Failed(f"`{' '.join(map(str, words))}` ended with {done.returncode}:\n{done.stdout[-3000:]}")
