"""Check that this clone is a release, build it into dist/, and say what to upload: python .ci/release.py

Nothing is published.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib

from build import ROOT, build

DATED = r"^## {version} \(\d{{4}}-\d{{2}}-\d{{2}}\)$"


def faults(version: str, changelog: str, status: str, tags: str) -> list[str]:
    """Why this is no release of that version, in sentences.

    Args:
        status: what `git status --porcelain` says.
        tags: those of the commit, one a line.
    """
    found = []
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        found.append(f"pyproject.toml: version {version} is not of the form 1.2.3")
    titles = [line for line in changelog.splitlines() if line.startswith("## ")]
    if not titles or not re.match(DATED.format(version=re.escape(version)), titles[0]):
        first = titles[0] if titles else "nothing"
        found.append(f"CHANGELOG.md begins with {first!r}: expected '## {version} (YEAR-MONTH-DAY)'")
    if status.strip():
        found.append(f"not everything is committed: {', '.join(line[3:] for line in status.splitlines())}")
    if f"v{version}" not in tags.split():
        found.append(f"the commit has no tag v{version}: git tag -a v{version}")
    return found


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = faults(version, changelog, _git("status", "--porcelain"), _git("tag", "--points-at", "HEAD"))
    if found:
        sys.exit("this is no release yet:\n" + "\n".join(f"- {one}" for one in found))
    made = build(ROOT / "dist")
    print(f"{project['name']} {version} is built; nothing is published. To upload:")
    for path in made:
        print(f"  {hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT)}")
    print(f"  twine upload {' '.join(str(path.relative_to(ROOT)) for path in made)}")
    print(f"  git push origin v{version}")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
