"""What a person reads of a generator on the hub: README.md, made of what its file says."""

from __future__ import annotations

import re
from typing import Any

from ganzoo.data.kinds import kind_of
from ganzoo.running.generator import Generator
from ganzoo.system.console import number

SAMPLES = "samples.png"
TAGS = ("ganzoo", "gan")
PIPELINES = {"images": "unconditional-image-generation"}
MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def model_card(generator: Generator, repo: str) -> str:
    """A README.md with the header that the hub reads."""
    from huggingface_hub import ModelCardData

    about = generator.about
    measured = [(one, name, value) for one in about.measured for name, value in one.scores.items()]
    data = ModelCardData(
        library_name="ganzoo",
        tags=[*TAGS, about.model],
        pipeline_tag=PIPELINES.get(kind_of(about)),
        model_name=repo.rpartition("/")[2],
        eval_results=[_result(generator, name, value) for _, name, value in measured] or None,
    )
    header = data.to_yaml(line_break="\n")
    rows = [f"| {plain(word)} | {plain(told)} |" for word, told in generator.facts()]
    scores = [
        f"| {plain(name)} | {number(value)} | {number(one.real[name]) if name in one.real else ''} "
        f"| {plain(_protocol(one.protocol))} |"
        for one, name, value in measured
    ]
    table = "\n".join(["| score | generated | real | protocol |", "|---|---|---|---|", *scores])
    parts = [
        f"---\n{header}\n---",
        f"# {plain(repo.rpartition('/')[2])}",
        f"A generator, {plain(about.model)} trained on {plain(about.dataset)}, made with ganzoo.",
        f"![samples]({SAMPLES})",
        "## Draw from it\n\n```sh\nganzoo pull " + repo + "\nganzoo sample " + repo + "\n```",
        f'```python\nimport ganzoo\n\ngenerator = ganzoo.load_generator("{repo}")  # after ganzoo pull\n'
        f"samples = generator.sample({_example(generator)})\n```",
        "## How it was made\n\n| what | value |\n|---|---|\n" + "\n".join(rows),
        f"```sh\n{command(generator)}\n```",
    ]
    if scores:
        parts.append(
            f"## Scores\n\n{table}\n\n*real*: the same of as many samples of the data. Scores of different "
            f"protocols do not compare."
        )
    return "\n\n".join(parts) + "\n"


def _result(generator: Generator, name: str, value: float) -> Any:
    from huggingface_hub import EvalResult

    about = generator.about
    return EvalResult(
        task_type=PIPELINES.get(kind_of(about), "other"),
        dataset_type=about.dataset,
        dataset_name=about.dataset,
        metric_type=name.partition("@")[0],
        metric_name=name,
        metric_value=value,
    )


def _protocol(protocol: dict[str, Any]) -> str:
    known = {"n_fake": "{} generated", "n_real": "{} real", "reference": "against the {} split"}
    told = [text.format(protocol[key]) for key, text in known.items() if key in protocol]
    return ", ".join([*told, *filter(None, [str(protocol.get("generator", ""))])])


def _example(generator: Generator) -> str:
    if generator.about.condition_shape:
        return "condition=y"
    return "64, seed=0"


def command(generator: Generator) -> str:
    """What trains such a generator again, as far as the file knows."""
    about, made = generator.about, generator.about.made
    words = ["ganzoo", "run", about.model, "--dataset", about.dataset, "--seed", str(about.seed)]
    if isinstance(made.get("steps"), int):
        words += ["--steps", str(made["steps"])]
    if made.get("recipe") not in (None, "default"):
        words += ["--recipe", str(made["recipe"])]
    return " ".join(re.sub(r"[^\w:./,=@-]", "?", word) for word in words)


def plain(text: object) -> str:
    """Text that markdown shows as it is, on one line."""
    return MARKUP.sub(r"\\\1", " ".join(str(text).split())).replace("\\<", "&lt;")
