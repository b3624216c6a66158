"""The client's side: commands by words, and how they ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
TESTS = Path(__file__).parents[1]


@dataclass
class Ended:
    """How a command ended.

    Attributes:
        status: its exit status; minus the number of the signal that ended it.
        out, err: what it said.
        operations: what it did to files below its folder: a name and the paths, for each.
    """

    words: tuple[str, ...]
    status: int
    out: str
    err: str
    operations: list[list[str]]
    seconds: float
    cpu: float

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    @property
    def sentence(self) -> bool:
        """Whether it said one sentence that is meant for people."""
        said = [line for line in self.err.splitlines() if line.startswith("ganzoo: ")]
        return len(said) == 1 and "Traceback" not in self.err and "failed: " not in self.err

    def __str__(self) -> str:
        said = f"{self.out}{self.err}".strip()[-600:]
        return f"ganzoo {' '.join(self.words)} ended with {self.status}: {said}"


class Server:
    """A process that forks one for each command. `scratch` is for caches and for what commands say."""

    def __init__(self, scratch: Path, caches: Path) -> None:
        self._said = {name: str(scratch / name) for name in ("out", "err", "report")}
        scratch.mkdir(parents=True, exist_ok=True)
        own = {key: value for key, value in os.environ.items() if key not in ("GANZOO_DATA", "COLUMNS")}
        paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        own |= {"XDG_CACHE_HOME": str(caches), "XDG_DATA_HOME": str(caches), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "killing.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**own, "PYTHONPATH": os.pathsep.join(paths)},
            text=True,
        )

    def ganzoo(
        self,
        folder: Path,
        *words: str,
        kill: int | None = None,
        half: bool = False,
        copies: Path | None = None,
        after: float | None = None,
    ) -> Ended:
        """Run `ganzoo WORDS` in a folder, and wait for its end.

        Args:
            kill: die before the operation of this number, from 0; `half`: after half of it, if it is a write.
            copies: a folder that takes copies of `folder` before each operation (`Operations.start`).
            after: be killed after so many seconds, whatever is under way.
        """
        request = {"folder": str(folder), "words": words, "kill": kill, "half": half, "after": after}
        self._ask({**request, "copies": copies and str(copies), **self._said})
        answer = self._answer()
        out, err, report = (Path(self._said[name]).read_text() for name in ("out", "err", "report"))
        done = [json.loads(line) for line in report.splitlines()]
        return Ended(words, answer["status"], out, err, done, answer["seconds"], answer["cpu"])

    def go_on(self, folder: Path, words: Sequence[str], **how: Any) -> Ended:
        """As a person would: resume folder/run, or start it with `words` once more if there is none yet."""
        started = (folder / "run" / "config.json").is_file()
        return self.ganzoo(folder, *(["resume", "run"] if started else words), **how)

    def wait(self) -> None:
        """Until it is ready: it has imported everything."""
        self._answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> None:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server of commands has ended")
        return json.loads(line)


class Servers:
    """As many as there are processors, to work through a list with."""

    def __init__(self, scratch: Path) -> None:
        caches = scratch / "caches"
        self._all = [Server(scratch / str(i), caches) for i in range(len(os.sched_getaffinity(0)))]
        self._free: queue.Queue[Server] = queue.Queue()
        for server in self._all:
            server.wait()
            self._free.put(server)

    @contextmanager
    def one(self) -> Iterator[Server]:
        server = self._free.get()
        try:
            yield server
        finally:
            self._free.put(server)

    def each(self, act: Callable[[Server, T], R], items: Iterable[T]) -> list[R]:
        """act(server, item) for all items, several at once; the results in order."""

        def lent(item: T) -> R:
            with self.one() as server:
                return act(server, item)

        with ThreadPoolExecutor(len(self._all)) as threads:
            return list(threads.map(lent, items))

    def close(self) -> None:
        for server in self._all:
            server.close()
