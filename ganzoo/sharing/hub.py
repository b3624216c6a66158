"""`ganzoo push` and `ganzoo pull`: a generator on the Hugging Face hub, in its usual layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ganzoo.data.hub import SITE
from ganzoo.data.network import first_to_answer
from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.running.generator import Generator, read_generator
from ganzoo.running.hub_cache import WEIGHTS, is_repo
from ganzoo.sharing.formats import save
from ganzoo.sharing.model_card import SAMPLES, model_card
from ganzoo.system.extras import extra
from ganzoo.system.files import write_json, write_whole

PROBE_SECONDS = 5.0
CONFIG, CARD = "config.json", "README.md"
SHOWN = 64


def push(generator: Generator, repo: str, private: bool = False, message: str = "") -> str:
    """Upload a generator with its card; returns the address of the repository.

    Raises:
        UsageError: huggingface_hub is missing, the name is none, or nobody is logged in.
        WorkError: the hub does not answer, or refuses.
    """
    hub = _hub()
    check_repo(repo)
    _refuse_silence(repo)
    with TemporaryDirectory() as folder:
        write_repository(generator, Path(folder), repo)
        with _told(repo):
            api = hub.HfApi(endpoint=_endpoint())
            made = api.create_repo(repo, private=private or None, exist_ok=True)
            api.upload_folder(
                repo_id=repo, folder_path=folder, commit_message=message or "Upload with ganzoo push"
            )
    return str(made)


def write_repository(generator: Generator, folder: Path, repo: str) -> None:
    """What a repository holds: weights, settings, a card and a picture."""
    save(generator, folder / WEIGHTS)
    settings = {"model_type": generator.about.model, "step": generator.step, **generator.about.as_json()}
    write_json(folder / CONFIG, settings)
    write_whole(folder / CARD, model_card(generator, repo).encode())
    if not generator.about.condition_shape and generator.card.knows_units:
        from ganzoo.data.pictures import picture

        picture(folder / SAMPLES, generator.sample(SHOWN, seed=0))


def pull(repo: str, revision: str | None = None, offline: bool = False) -> Generator:
    """Fetch a generator into the hub's own cache, and open it.

    Raises:
        UsageError: huggingface_hub is missing, there is no such repository, or it holds no generator.
        WorkError: the hub does not answer, or refuses.
    """
    hub = _hub()
    check_repo(repo)
    if not offline:
        _refuse_silence(repo)
    with _told(repo):
        path = hub.hf_hub_download(
            repo, WEIGHTS, revision=revision, endpoint=_endpoint(), local_files_only=offline
        )
    return read_generator(Path(path), "cpu", repo)


def check_repo(repo: str) -> None:
    if not is_repo(repo):
        raise UsageError(f"{repo!r} is no name on the hub: expected OWNER/NAME, of letters and digits")


def _hub() -> Any:
    return extra("huggingface_hub", "the hub", "hub")


def _endpoint() -> str | None:
    """Read now: the library reads it when it is imported."""
    return os.environ.get("HF_ENDPOINT") or None


def _refuse_silence(repo: str) -> None:
    """Raise a WorkError where nobody answers: the library would try for half a minute."""
    if first_to_answer([_endpoint() or SITE], PROBE_SECONDS) is None:
        raise WorkError(f"{_site()} does not answer: it takes a network to reach {repo}")


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """Whatever the library raises, in one sentence."""
    from huggingface_hub import errors

    try:
        yield
    except errors.LocalTokenNotFoundError as error:
        raise UsageError("nobody is logged in: type hf auth login, or set HF_TOKEN") from error
    except errors.GatedRepoError as error:
        raise UsageError(f"{repo} is for those whom its owner lets in: ask there") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        missing = "revision" if isinstance(error, errors.RevisionNotFoundError) else "repository"
        raise UsageError(f"no such {missing} of {repo} there, or it is private: hf auth login") from error
    except errors.LocalEntryNotFoundError as error:
        raise WorkError(f"{repo} is not in the hub's cache, and {_site()} does not answer") from error
    except errors.EntryNotFoundError as error:
        raise UsageError(f"{repo} holds no {WEIGHTS}: ganzoo push makes one") from error
    except errors.HfHubHTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise UsageError(f"the hub does not let you do that to {repo}: hf auth login") from error
        raise WorkError(f"{_site()} refuses {repo}: {_short(error)}; try again later") from error
    except Exception as error:  # of its library for networks, another one in each version
        raise WorkError(f"{_site()} does not answer ({_short(error)}): nothing is lost, try again") from error


def _short(error: Exception) -> str:
    return re.sub(r"\s*\(Request ID[^)]*\)", "", first_line(error))[:200]


def _site() -> str:
    return _endpoint() or "the hub"
