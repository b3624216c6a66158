"""A run's folder on other storage too: after each checkpoint, beside training."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import ClassVar

from ganzoo.errors import UsageError, WorkError
from ganzoo.system.console import notice
from ganzoo.system.stores import Store, below, check_address
from ganzoo.training.stored import FOLDER, SAMPLES, step_of, steps_done
from ganzoo.training.trainer import Callback, Trainer

CONFIG = "config.json"
SOURCE = ".address"  # in a folder here: of which address it is a copy


class Upload(Callback):
    """Copies the run's folder to other storage after each checkpoint: s3://, gs:// and the like, by fsspec.

    It does so beside training, which never waits for a network; the end of the run waits for the last copy.
    Where it fails, a notice says so, and the next checkpoint tries again.

    Args:
        to: address of a folder, in which the run gets one of the same name as here.
    """

    uses: ClassVar = ("ganzoo run mlp-gan --dataset ring8 --callback upload:to=s3://BUCKET/runs",)

    def __init__(self, to: str) -> None:
        check_address(to)
        self.to = to
        self.must = True  # the end of the run is an error where the last copy fails
        self._copy: Copy | None = None
        self._at_work: threading.Thread | None = None
        self._failed: WorkError | None = None

    def begin(self, trainer: Trainer) -> None:
        self._every = trainer.config.checkpoint_every
        self._copy = Copy(trainer.folder, self.to)
        try:
            self._copy.check(trainer.step)
        except WorkError as error:
            if self.must:
                raise
            notice(f"{error}: tried again at the next checkpoint")
        (trainer.folder / SOURCE).write_text(f"{self._copy.address}\n", encoding="utf-8")
        self._failed = None

    def after_step(self, trainer: Trainer) -> None:
        if trainer.step % self._every == 0 or trainer.is_last:
            self._begin()

    def at_end(self, trainer: Trainer) -> None:
        assert self._copy is not None
        self._wait()
        self._begin()  # with what others wrote at the end
        self._wait()
        if self._failed and self.must:
            raise WorkError(
                f"{self._failed}; the run is whole in {trainer.folder}, and ganzoo resume copies it again"
            )

    def close(self) -> None:
        self._wait()

    def _begin(self) -> None:
        if self._at_work is None or not self._at_work.is_alive():  # else the one after this takes all along
            self._at_work = threading.Thread(target=self._try, name="ganzoo-upload", daemon=True)
            self._at_work.start()

    def _wait(self) -> None:
        if self._at_work is not None:
            self._at_work.join()

    def _try(self) -> None:
        assert self._copy is not None
        try:
            self._copy.bring_up_to_date()
        except WorkError as error:
            if self._failed is None:
                notice(f"{error}: the next checkpoint tries again")
            self._failed = error
        else:
            self._failed = None


def catch_up(folder: Path, to: str) -> None:
    """Copy what a run that is done left uncopied. Raises WorkError where that fails again."""
    Copy(folder, to).bring_up_to_date()


class Copy:
    """The copy of a run's folder, of the same name, in the folder at an address."""

    def __init__(self, folder: Path, to: str) -> None:
        self.folder, self.address = folder, below(to, folder.name)
        self._sent: dict[str, tuple[int, int]] = {}  # size and time of what was sent, by name

    def check(self, step: int) -> None:
        """Begin to copy.

        Raises:
            UsageError: what is there is another run, or further than step `step`.
            WorkError: nothing can be written there.
        """
        store = Store(self.address)
        there = store.sizes()
        if CONFIG not in there:
            if (self.folder / CONFIG).exists():
                store.put(self.folder, CONFIG)  # now, as nothing may be written there
            return
        done = newest(there)
        if not step and done:
            raise UsageError(
                f"{self.address} holds a run already, of {done} steps: ganzoo resume {self.address} goes on "
                "with it; name another folder with --out"
            )
        if done > step:
            raise UsageError(
                f"the run at {self.address} has done {done} steps, and that in {self.folder} {step}: ganzoo "
                f"resume {self.address} goes on with the former"
            )

    def bring_up_to_date(self) -> None:
        """Have there what has changed here, and no longer what is no longer here.

        A checkpoint comes after all that it makes valid, and an older one goes after it: whenever this is cut
        off, what is there can be gone on with.

        Raises:
            WorkError: it could not be; or somebody else has gone on with the run there.
        """
        store = Store(self.address)
        there = store.sizes()
        if newest(there) > steps_done(self.folder):
            raise WorkError(
                f"{self.address} is further than {self.folder}, as another process goes on with it"
            )
        here = {name: path for path in sorted(self.folder.rglob("*")) if (name := self._name(path))}
        for name in sorted(here, key=lambda name: (name.startswith(FOLDER), name)):
            try:
                stat = here[name].stat()
                seen = (stat.st_size, stat.st_mtime_ns)
                # A picture is written once: of an earlier process it needs no second look.
                known = seen if name.startswith(SAMPLES) else None
                if self._sent.get(name, known) != seen or there.get(name) != stat.st_size:
                    store.put(self.folder, name)
                self._sent[name] = seen
            except (FileNotFoundError, WorkError):
                if here[name].exists():
                    raise
                continue  # the next checkpoint has taken its place meanwhile
        for name in there.keys() - here.keys():
            if name.startswith(f"{FOLDER}/") and step_of(Path(name)) >= 0:
                store.remove(name)

    def _name(self, path: Path) -> str:
        """The name of a file there; "" of what is of this machine alone: locks, and parts of files."""
        name = path.relative_to(self.folder)
        return (
            "" if any(part.startswith(".") for part in name.parts) or not path.is_file() else name.as_posix()
        )


def newest(names: dict[str, int]) -> int:
    """The step of the newest checkpoint among files; 0 where there is none."""
    start = f"{FOLDER}/step-"
    return max((step_of(Path(name)) for name in names if name.startswith(start)), default=0)
