"""What the contract wants of a model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ganzoo.data.kinds import KINDS, LIKE
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.recipe import Recipe
from ganzoo.models.sample import leaf, pack, scales
from ganzoo.plan.assemble import build_trained
from ganzoo.registry import LOSSES, MODELS
from ganzoo.registry.kinds import cast, kind_in
from ganzoo.stabilizers.open import open_stabilizer
from ganzoo.testing.cases import (
    Model,
    N,
    alike,
    everywhere,
    output_of,
    seeded,
    times,
    total_of,
    without_gradient,
    z_of,
)  # fmt: skip
from ganzoo.testing.core import Broken, NotRun, described, first, hooks, typed, want, where
from ganzoo.testing.training import STOP, same, trained, want_exact_resume, want_moving
from ganzoo.training.checkpoint import load_generator, save_generator
from ganzoo.training.rehearsal import rehearse
from ganzoo.training.sampling import draw
from ganzoo.training.trainer import Trainer


def recipes(subject: Model) -> None:
    """There is a default one for each kind of data; losses, stabilizers and options in them exist."""
    made = subject.member.recipes
    want(isinstance(made, Mapping), "`recipes` to map names to Recipes", made)
    for kind in sorted({LIKE.get(case.kind, case.kind) for case in subject.cases}):
        found = "default" in made or any(f"default/{of}" in made for of in (kind, *_like(kind)))
        want(found, f"a recipe called default, or default/{kind}", ", ".join(made) or "none")
    known = MODELS.options(subject.name)
    for name, recipe in made.items():
        want(isinstance(recipe, Recipe), f"recipe {name} to be a ganzoo.Recipe", recipe)
        LOSSES.get(recipe.loss)
        for spec in recipe.stabilizers:
            open_stabilizer(spec)
        for key, value in recipe.model.items():
            want(key in known, f"recipe {name} to set options of the model", f"{key}={value}")
            cast(f"recipe {name}: {key}", value, kind_in(known, key))


def _like(kind: str) -> list[str]:
    return [other for other, like in LIKE.items() if like == kind]


def builds(subject: Model) -> str:
    """It is built for images and vectors, plain and conditional, or refuses with a UsageError."""
    _want_conditions(subject.member.conditions)
    for case, error in subject.failed.items():
        if isinstance(error, Broken):
            raise error
        raise Broken(
            f"the contract wants a model {case}, or a UsageError that says what can be built, got "
            f"{type(error).__name__}: {error}"
        ) from error
    want(subject.cases, "a model for at least one shape", first(subject.refused.values()))
    for case in subject.cases:
        gan = subject.build(case)
        told = {"sample_shape": case.shape, "num_classes": case.classes, "condition_shape": case.values}
        for attribute, expected in told.items():
            got = getattr(gan, attribute)
            want(got == expected, f"{attribute} {expected} handed on to GAN.__init__", got)
        nets = ("generator", "discriminator", *gan.with_g, *gan.with_d)
        strays = [
            key for key, _ in gan.named_parameters() if not key.startswith(tuple(f"{n}." for n in nets))
        ]
        want(
            not strays,
            "all parameters in `generator`, `discriminator` and what `with_g` and `with_d` name: others are "
            "never trained",
            strays,
        )
    return first(subject.refused.values(), "refuses: ")


def _want_conditions(conditions: Any) -> None:
    known = ("classes", *KINDS)
    tuple_of = f"`conditions` to be a tuple of words among {', '.join(known)}"
    want(isinstance(conditions, tuple), tuple_of, repr(conditions))
    for word in conditions:
        want(word in known, tuple_of, repr(word))


def latent(subject: Model) -> None:
    """sample_z(n) is [n, z_dim], finite, and follows the seed."""
    for case in subject.few:
        gan = subject.build(case)
        z, again = (z_of(gan) for _ in range(2))
        want(z.shape == (N, gan.z_dim), f"sample_z({N}) of shape {(N, gan.z_dim)}", tuple(z.shape))
        want(z.isfinite().all(), "a finite sample_z", "infinity or nan")
        want(same(z, again), "the same z after the same seed of torch's generator", "another one")


def generates(subject: Model) -> None:
    """Samples are float32 of the right shape, finite, and in [-1, 1] where they are images."""
    for case, gan, fake in everywhere(subject):
        x = gan.samples(fake)
        want(x.shape == (N, *case.shape), f"samples of shape {(N, *case.shape)}", tuple(x.shape))
        want(x.dtype == torch.float32, f"float32 samples {case}", x.dtype)
        want(x.isfinite().all(), f"finite samples {case}", "infinity or nan")
        if case.has_pixels:
            largest = float(x.detach().abs().max())
            want(largest <= 1.0, f"images in [-1, 1] {case} (end G with tanh)", f"values up to {largest:.3g}")


def judges(subject: Model) -> None:
    """D takes alike what `view` makes of real samples and what G makes, and gives a row for each."""
    for case, gan, fake in everywhere(subject):
        real = gan.view(case.real())
        shapes = [[tuple(x.shape) for x in scales(sample)] for sample in (real, fake)]
        want(shapes[0] == shapes[1], f"view(real) of the shape of G's output {case}, {shapes[1]}", shapes[0])
        for sample in (real, fake):
            for output in scales(gan.discriminator(sample, case.y())):
                rows = output.dim() and len(output) == N
                want(rows, f"logits of {N} rows {case}", f"shape {tuple(output.shape)}")
                want(output.isfinite().all(), f"finite logits {case}", "infinity or nan")


def gradients(subject: Model) -> None:
    """They reach every parameter of G and D, from D's logits or from the recipe's stabilizers."""
    for case in subject.cases:
        gan, y = subject.moved(case), case.y()
        for t in times(gan, 9):
            gan.progress(t)
            total = total_of(gan.discriminator(gan.generator(gan.sample_z(N), y), y))
            total.backward()  # type: ignore[no-untyped-call]
        still = without_gradient(gan)
        if still:  # what only the stabilizers of its recipe train
            still &= without_gradient(trained(*subject.plan(case), STOP).gan)
        want(not still, f"a gradient for every parameter {case}", f"none for {', '.join(sorted(still))}")


def differentiable(subject: Model) -> None:
    """D can be differentiated at real samples, and that by its weights, as gradient penalties do."""
    for case in subject.few:
        gan = subject.moved(case)
        at = leaf(gan.view(case.real()))
        slopes = torch.autograd.grad(total_of(gan.discriminator(at, case.y())), scales(at), create_graph=True)
        norm = torch.stack([slope.square().sum() for slope in slopes]).sum()
        want(norm > 0, f"a gradient of D at its input {case}", "none")
        norm.backward()  # type: ignore[no-untyped-call]


def labels(subject: Model) -> str:
    """They change what G makes and what D says, where the model is conditional."""
    cases = [case for case in subject.few if case.condition]
    for case in cases:
        gan = subject.moved(case).eval()
        z, x = gan.sample_z(1), gan.view(case.real(1))
        two = case.y(2)
        assert two is not None
        conditions = torch.split(two, 1)
        nets: list[tuple[str, Any, Any]] = [("sample", gan.generator, z)]
        if type(gan).d_terms is GAN.d_terms:  # which may teach the class to a head of its own
            nets.append(("logit", gan.discriminator, x))
        for what, net, sample in nets:
            one, other = (seeded(net, sample, y) for y in conditions)
            want(not alike(one, other), f"another {what} for another condition {case}", "the same")
    return "" if cases else NotRun("it is not conditional")


def packing(subject: Model) -> str:
    """With pack=2, D gives one row for two samples joined along dimension 1, and a step can be made."""
    if "pack" not in MODELS.options(subject.name):
        return NotRun("it has no option `pack`, so that packing refuses it")
    for case in subject.few:
        try:
            gan = subject.build(case, pack=2)
        except UsageError as error:
            return NotRun(f"refuses: {error}")
        want(gan.pack == 2, "pack 2 handed on to GAN.__init__", gan.pack)
        packed = pack(gan.view(case.real(2 * N)), 2)
        for output in scales(gan.discriminator(packed, case.y(2 * N))):
            want(len(output) == N, f"{N} rows of logits for {2 * N} packed samples {case}", len(output))
        try:
            config, data = subject.packed(case)
            Trainer(config, data)
        except UsageError as error:  # what its recipe does makes no sense with it, say
            return NotRun(f"refuses: {error}")
        rehearse(config, data)
    return ""


def split(subject: Model) -> str:
    """D(x, y) is head(features(x, y), y), where D has both."""
    for case in subject.few:
        gan = subject.moved(case).eval()
        d: Any = gan.discriminator
        x, y = gan.view(case.real()), case.y()
        if not (hasattr(d, "features") and hasattr(d, "head")):
            return NotRun("D has no `features` and `head`, so that what needs them refuses it")
        for a, b in zip(scales(d.head(d.features(x, y), y)), scales(d(x, y)), strict=True):
            want(torch.allclose(a, b, atol=1e-5), f"head(features(x, y), y) to be D(x, y) {case}", "others")
    return ""


def progress(subject: Model) -> str:
    """`progress` is a function of t alone, and changes no weights."""
    if subject.member.progress is GAN.progress:
        return NotRun("nothing grows")
    for case in subject.few:
        gan = subject.moved(case).eval()
        before = copy.deepcopy(gan.state_dict())
        seen = {t: output_of(gan, case, t) for t in times(gan, 9)}
        for t in (0.5, *reversed(seen), 0.25, 1.0, 0.0):
            again = output_of(gan, case, t)
            want(alike(seen[t], again), f"the same samples at t = {t} whatever t was before {case}", "others")
        unlike = [key for key, value in gan.state_dict().items() if not same(before.get(key), value)]
        want(not unlike, f"progress to change no weights {case}", f"a change of {', '.join(unlike[:3])}")
    return ""


def repeats(subject: Model) -> None:
    """The same seed gives the same first weights and the same samples."""
    for case in subject.few:
        one, other = subject.build(case), subject.build(case)
        state = other.state_dict()
        unlike = [key for key, value in one.state_dict().items() if not same(value, state.get(key))]
        want(not unlike, "first weights that follow from torch's seed", f"others in {', '.join(unlike[:3])}")
        want(
            alike(output_of(one, case), output_of(other, case)),
            "samples that follow from torch's seed",
            "others",
        )


def reloads(subject: Model) -> None:
    """All that a trained model knows is in its state_dict."""
    for case in subject.few:
        one, other = subject.moved(case).eval(), subject.build(case).eval()
        other.load_state_dict(one.state_dict())
        want(
            alike(output_of(one, case), output_of(other, case)),
            f"the same samples once loaded {case}",
            "others",
        )
        x, y = one.view(case.real()), case.y()
        said = [seeded(gan.discriminator, x, y) for gan in (one, other)]
        want(alike(*said), f"the same logits once loaded {case}", "others")


def trains(subject: Model) -> None:
    """Real steps with the default recipe move both nets, and all stays finite."""
    for case in subject.few:
        want_moving(*subject.plan(case), str(case))


def resumes(subject: Model) -> None:
    """A run that was stopped and goes on gives the very numbers of one that was not."""
    for case in subject.few:
        want_exact_resume(*subject.plan(case), str(case))


def samples(subject: Model) -> None:
    """The averaged generator, saved and loaded again, draws what the seed says."""
    for case in subject.few:
        config, data = subject.plan(case)
        trainer = trained(config, data, STOP)
        still = trainer.snapshot()
        with TemporaryDirectory() as folder:
            file = Path(folder, "generator.safetensors")
            save_generator(file, still, {"t": trainer.growth})
            loaded, _ = build_trained(config, torch.device("cpu"))
            loaded.progress(load_generator(file, loaded)["t"])
        loaded.eval()
        y = case.y_in_units(12)
        x, again, other = (draw(gan, 12, seed, y=y) for gan, seed in ((still, 0), (loaded, 0), (loaded, 1)))
        want(torch.equal(x, again), f"the samples of the run from its saved weights {case}", "others")
        want(
            not (still.z_dim and torch.equal(x, other)), f"other samples for another seed {case}", "the same"
        )
        want(x.isfinite().all(), f"finite samples after training {case}", "infinity or nan")


SUBJECT = Model
CHECKS = (
    described, hooks, typed, recipes, builds,
    *where(
        "cases", "nothing was built", latent, generates, judges, gradients, differentiable, labels, packing,
        split, progress, repeats, reloads, trains, resumes, samples,
    ),
)  # fmt: skip
