"""The server: `python -m killing.forks` reads a request a line, forks, and says how the command ended."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from killing.operations import operations, patch

PATIENCE = 120  # seconds that a command may take


def warm() -> None:
    """Import all that commands need, and read once what none of them changes. No thread may start here."""
    import matplotlib.figure
    import torch
    import torch._dynamo  # which optimizers import at their first step

    import ganzoo
    from ganzoo.data import mnist, pictures
    from ganzoo.system.provenance import provenance

    for module in pkgutil.walk_packages(ganzoo.__path__, "ganzoo."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    torch.set_num_threads(1)
    provenance()
    matplotlib.figure.Figure().subplots().figure.savefig(io.BytesIO())
    mnist.read_5k = functools.cache(mnist.read_5k)
    mnist.read_5k()
    pictures.drawn = remembered(pictures.drawn)  # most of the time of a tiny run


def known(value: Any) -> Any:
    """What tells an argument from others, with a hash in the place of numbers."""
    if hasattr(value, "numpy"):
        return tuple(value.shape), str(value.dtype), hashlib.sha256(value.numpy().tobytes()).hexdigest()
    if dataclasses.is_dataclass(value):
        return type(value).__name__, known(list(vars(value).items()))
    if isinstance(value, list | tuple) or type(value).__name__ == "dict_items":
        return [known(part) for part in value]
    return value


def remembered(draw: Any) -> Any:
    """A function that is not worked out twice for equal arguments, whichever process was the first."""
    folder = Path(os.environ["XDG_CACHE_HOME"], "drawn")
    folder.mkdir(parents=True, exist_ok=True)

    @functools.wraps(draw)
    def drawn(*arguments, **options):
        key = repr((draw.__name__, known(arguments), known(options.items()))).encode()
        path = folder / hashlib.sha256(key).hexdigest()
        if not path.exists():
            beside = path.with_suffix(f".{os.getpid()}")
            beside.write_bytes(draw(*arguments, **options))
            beside.replace(path)
        return path.read_bytes()

    return drawn


def command(request: dict[str, Any], report: int) -> None:
    """In the forked process: run a command, and end with its exit status."""
    from ganzoo.cli.main import main

    signal.alarm(PATIENCE)
    os.chdir(request["folder"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644), number)
    operations.start(*(request[key] for key in ("folder", "kill", "half", "copies")), report)
    status = 99
    try:
        main(request["words"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def forked(request: dict[str, Any]) -> dict[str, Any]:
    report = os.open(request["report"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    began = time.monotonic()
    child = os.fork()
    if not child:
        command(request, report)
    os.close(report)
    if request["after"] is not None:
        ended = os.pidfd_open(child)  # readable when it has
        select.select([ended], [], [], request["after"])
        os.close(ended)
        os.kill(child, signal.SIGKILL)  # our own, and its number stays its own until it is waited for
    _, status, used = os.wait4(child, 0)
    seconds = time.monotonic() - began
    cpu = used.ru_utime + used.ru_stime
    return {"status": os.waitstatus_to_exitcode(status), "seconds": seconds, "cpu": cpu}


def serve() -> None:
    patch(sys.addaudithook)
    warm()
    answers = os.dup(1)
    os.dup2(2, 1)
    os.write(answers, b"{}\n")  # ready
    for line in sys.stdin:
        os.write(answers, f"{json.dumps(forked(json.loads(line)))}\n".encode())


if __name__ == "__main__":
    serve()
    os._exit(0)  # at once: there is nothing to tidy up
