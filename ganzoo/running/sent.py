"""A new run that is asked for at an address: it is trained under runs/ here, and copied there as it goes."""

from __future__ import annotations

from ganzoo.errors import UsageError
from ganzoo.plan.callbacks import settled_callbacks, with_callbacks
from ganzoo.plan.config import Config
from ganzoo.registry.spec import Spec
from ganzoo.running.folder import RUNS, refuse_taken
from ganzoo.system.stores import Store
from ganzoo.training.upload import CONFIG


def sent(config: Config, out: str) -> tuple[Config, str]:
    """Settings and folder of a new run that is to be at an address: the folder is under runs/.

    Raises:
        UsageError: the address, or the folder, is taken.
        WorkError: the storage cannot be reached.
    """
    store = Store(out)
    where = store.address.removesuffix(f"/{store.name}")
    if CONFIG in store.sizes():
        raise UsageError(
            f"{out} holds a run already: ganzoo resume {out} goes on with it; name another address"
        )
    refuse_taken(RUNS / store.name)
    return with_callbacks(config, settled_callbacks([Spec("upload", {"to": where})])), str(RUNS / store.name)
