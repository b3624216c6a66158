"""A process that has imported all that cells need and forks one for each: python -m ganzoo.bench.warm

It reads a request a line, {"number", "folder", "task", "log", "place"} for a cell or {"number", "signal"}
for one that runs, and answers {"number", "status"} when one has ended. It computes nothing and starts no
thread, so that a fork is as a process that has just imported everything.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ganzoo.bench import work
from ganzoo.system.provenance import commit

TICK = 0.03  # seconds between two looks at who has ended
# What is imported late: by optimizers at their first step, by pictures, by metrics.
LATE = (
    "torch._dynamo",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "PIL.PngImagePlugin",
    "numpy.ctypeslib",
    "scipy.linalg",
    "scipy.special",
)


def warm() -> None:
    """Import everything, and look up once what stays the same."""
    for name in LATE:
        with suppress(ImportError):  # a cell that needs it says so
            importlib.import_module(name)
    commit()
    gc.collect()
    gc.freeze()  # else the first collection in a fork touches every page, and so copies it


def requests(cells: dict[int, int], lines: int, answers: int) -> Iterator[dict[str, Any]]:
    """What is asked for, until nobody is there to ask; tells in between which of `cells` have ended.

    Args:
        cells: process by number; who has ended is removed.
        lines, answers: file descriptors.
    """
    rest = b""
    while True:
        if select.select([lines], [], [], TICK if cells else None)[0]:
            more = os.read(lines, 65536)
            if not more:
                return
            *whole, rest = (rest + more).split(b"\n")
            for line in whole:
                yield json.loads(line)
        for number, process in list(cells.items()):
            if (status := ended(process)) is not None:
                del cells[number]
                os.write(answers, b"%s\n" % json.dumps({"number": number, "status": status}).encode())


def ended(process: int) -> int | None:
    """How a child has ended, as `subprocess` counts: below 0 by a signal; None where it runs."""
    which = status = 0
    if sys.platform != "win32":
        which, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if which else None


def fork() -> int:
    """The process that is forked; 0 in itself."""
    process = -1
    if sys.platform != "win32":
        process = os.fork()
    return process


def become(request: dict[str, Any]) -> None:
    """In the fork: be the process of that cell, as `python -m ganzoo.bench.work FOLDER TASK` begins."""
    os.chdir(request["place"])
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, log, log)):
        os.dup2(file, number)
    os.close(log)
    os.close(nothing)
    sys.argv = [str(work.__file__), request["folder"], request["task"]]
    if "numpy" in sys.modules:  # Python's own numbers are seeded anew by fork, and torch's are fixed in both
        sys.modules["numpy"].random.seed()


def main() -> None:
    lines, answers = os.dup(0), os.dup(1)  # what else is printed goes nowhere
    os.dup2(2, 1)
    warm()
    os.write(answers, b"{}\n")  # ready
    alive, ours = os.pipe()  # our end of it closes when we are gone, and cells end with it
    cells = dict[int, int]()
    for request in requests(cells, lines, answers):
        number = request["number"]
        if "signal" in request:
            if number in cells:  # not waited for yet, so its number is still its own
                os.kill(cells[number], request["signal"])
            continue
        process = fork()
        if process:
            cells[number] = process
            continue
        for file in (lines, answers, ours):
            os.close(file)
        become(request)
        work.main(alive)
        return


if __name__ == "__main__":
    main()
