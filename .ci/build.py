"""Build the source distribution, and from it the wheel, into OUT: python .ci/build.py OUT

Fails where a file of the package that git has is missing from one of them, where they hold anything else of
it, or where the source distribution makes another wheel than the clone does.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).parent.parent


def build(out: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel that it makes.

    Raises:
        SystemExit: they do not hold what they should; one line for each fault.
    """
    sdist = _hatch("sdist", ROOT, out)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            # Before Python 3.11.4 there is none, and a word for it neither.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(folder)
        (unpacked,) = Path(folder).iterdir()
        wheel = _hatch("wheel", unpacked, out)
        inside = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
        direct = _hatch("wheel", ROOT, Path(folder, "direct"))
        found = faults(package_files(), inside, contents(wheel), contents(direct))
    if found:
        sys.exit("\n".join(found))
    return sdist, wheel


def faults(
    package: Collection[str], sdist: Collection[str], wheel: dict[str, str], direct: dict[str, str]
) -> list[str]:
    """What is wrong with a build, in sentences.

    Args:
        package: the files that it should hold: "ganzoo/py.typed".
        sdist: the files of the source distribution.
        wheel: hashes of the files of the wheel that is made from it.
        direct: of the wheel that is made without it.
    """
    in_wheel = {name for name in wheel if ".dist-info/" not in name}
    in_sdist = {name for name in sdist if name.startswith("ganzoo/")}
    found = [f"{name} is missing from the wheel" for name in sorted(set(package) - in_wheel)]
    found += [f"{name} is missing from the sdist" for name in sorted(set(package) - in_sdist)]
    found += [
        f"{name} is in a build, and not in git" for name in sorted((in_wheel | in_sdist) - set(package))
    ]
    different = sorted(name for name in wheel.keys() | direct.keys() if wheel.get(name) != direct.get(name))
    return found + [f"{name} is another one in the wheel that the sdist makes" for name in different]


def package_files() -> list[str]:
    """All files of the package that git has or would add."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "ganzoo"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).exists()]


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def _hatch(target: str, source: Path, out: Path) -> Path:
    with tempfile.TemporaryDirectory() as empty:
        words = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", empty]
        done = subprocess.run(words, cwd=source, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the {target} cannot be built: {done.stderr.strip()}")
        (made,) = Path(empty).iterdir()
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(made, out))


if __name__ == "__main__":
    print(*build(Path(sys.argv[1])), sep="\n")
