"""A run in MLflow."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from ganzoo.errors import UsageError, first_line
from ganzoo.training.loggers import id_in, keep_id, need
from ganzoo.training.trainer import Callback, Trainer

FORBIDDEN = re.compile(r"[^\w.\-/ ]", re.ASCII)  # in the name of a metric
LONGEST = 500  # characters of a setting
AT_ONCE = 100  # settings in a request


class Mlflow(Callback):
    """All numbers of the log and all scores in MLflow; a run that goes on goes on there too.

    pip install "ganzoo-torch[mlflow]". It sends them to what `uri`, or else $MLFLOW_TRACKING_URI, names: a
    server, or a local place such as sqlite:///mlflow.db, which needs no network.

    Args:
        experiment: in which the run is.
        uri: where; none: as MLflow is set up.
    """

    def __init__(self, experiment: str = "ganzoo", uri: str | None = None) -> None:
        need("mlflow", "mlflow")
        self._experiment, self._uri = experiment, uri
        self._client: Any = None
        self._run = ""
        self._done: dict[str, int] = {}  # the last step of each metric that is there already
        self._status = "FAILED"

    def begin(self, trainer: Trainer) -> None:
        from mlflow.tracking import MlflowClient  # slow, and nobody else needs it

        try:
            self._client = MlflowClient(tracking_uri=self._uri)
            self._run = id_in(trainer.folder, "mlflow")
            if self._run:
                self._client.update_run(self._run, status="RUNNING")
            else:
                self._create(trainer)
        except UsageError:
            raise
        except Exception as error:  # of the network, of a database, its own
            raise UsageError(
                f"the callback mlflow cannot begin ({first_line(error)}): look at what mlflow:uri=... or "
                "MLFLOW_TRACKING_URI names"
            ) from error

    def _create(self, trainer: Trainer) -> None:
        from mlflow.entities import Param

        found = self._client.get_experiment_by_name(self._experiment)
        place = self._client.create_experiment(self._experiment) if found is None else found.experiment_id
        run = self._client.create_run(place, run_name=trainer.folder.name).info.run_id
        settings = [Param(_named(key), value[:LONGEST]) for key, value in trainer.config.identity().items()]
        for start in range(0, len(settings), AT_ONCE):
            self._client.log_batch(run, params=settings[start : start + AT_ONCE])
        self._run = run
        keep_id(trainer.folder, "mlflow", run)

    def after_log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        self._log(trainer, {key: value for key, value in row.items() if key != "step"})

    def after_scores(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        self._log(trainer, {f"score/{key}": value for key, value in scores.items()})

    def _log(self, trainer: Trainer, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = [
            Metric(name, value, now, trainer.step)
            for name, value in ((_named(key), value) for key, value in values.items())
            if trainer.rollbacks or trainer.step > self._last(name, trainer)
        ]
        if new:
            self._client.log_batch(self._run, metrics=new)

    def _last(self, name: str, trainer: Trainer) -> int:
        """The last step of a metric that a process before wrote: after a kill steps come again, the same."""
        if not trainer.started_at:
            return -1
        if name not in self._done:
            history = self._client.get_metric_history(self._run, name)
            self._done[name] = max((metric.step for metric in history), default=-1)
        return self._done[name]

    def at_end(self, trainer: Trainer) -> None:
        self._status = "FINISHED" if trainer.is_last else "KILLED"

    def close(self) -> None:
        if self._run:
            self._client.set_terminated(self._run, status=self._status)


def _named(key: str) -> str:
    return FORBIDDEN.sub("_", key)
