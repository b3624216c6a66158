"""Results and runs of a suite at an address too, from which another machine goes on."""

from __future__ import annotations

from pathlib import Path

from ganzoo.errors import WorkError
from ganzoo.running.fetched import fetch_newer
from ganzoo.system.console import notice
from ganzoo.system.stores import Store, below
from ganzoo.training.stored import saved
from ganzoo.training.upload import Copy, Upload

RESULTS = Path("results")


class Copied:
    """What `--out ADDRESS` keeps there; here it is in a folder of the same name under results/.

    Args:
        address: a folder on other storage.
        suite: a name.
    """

    def __init__(self, address: str, suite: str) -> None:
        self._store = Store(address)
        self._suite = suite
        self._name = f"{suite}.jsonl"
        self._failed: WorkError | None = None
        self._there: set[str] = set()  # runs that are there

    @property
    def here(self) -> Path:
        return RESULTS / self._store.name

    def fetch_results(self) -> None:
        """Have the results here that are there, where these are more.

        Raises:
            WorkError: they cannot be had.
        """
        there, path = self._store.sizes(), self.here / self._name
        if there.get(self._name, 0) > (path.stat().st_size if path.exists() else 0):
            self._store.get(self.here, [self._name])
        parts = [name.split("/") for name in there]
        self._there = {part[1] for part in parts if part[0] == self._suite and len(part) > 2}

    @property
    def runs(self) -> str:
        """The address under which the runs of cells are."""
        return below(self._store.address, self._suite)

    def fetch_run(self, folder: Path) -> None:
        """Have the run of a cell here as far as it is there."""
        if folder.name in self._there:
            fetch_newer(Store(below(self.runs, folder.name)), folder)

    def ended(self, folder: Path) -> None:
        """A cell has ended, and its line is in the results: both are sent. What fails is tried again."""
        try:
            if saved(folder):  # else its weights went there from where it was worked on, and it with them
                Copy(folder, self.runs).bring_up_to_date()
            self._store.put(self.here, self._name)
        except WorkError as error:
            if self._failed is None:
                notice(f"{error}: tried again as the next cell ends")
            self._failed = error
        else:
            self._failed = None

    def end(self) -> None:
        """Have all results there, also those of an earlier time. Raises WorkError if they cannot be."""
        path = self.here / self._name
        if path.exists() and self._store.sizes().get(self._name) != path.stat().st_size:
            self._store.put(self.here, self._name)


def lookers(task: dict[str, object]) -> list[Upload]:
    """Who copies a cell as it goes, where its task names an address; without it it goes on."""
    if not task.get("copies"):
        return []
    upload = Upload(str(task["copies"]))
    upload.must = False
    return [upload]
