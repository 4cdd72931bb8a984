"""The commands that use trained models: ``kedro generate`` and ``kedro caption``.

They answer at once: neither torch nor a Kedro session is loaded, only the configuration of the environment
and the exported models that the command needs. Whatever takes time to import is imported inside a function.
"""

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from lexipix.cli.errors import user_errors
from lexipix.cli.project_context import ProjectContext
from lexipix.config.generation import MAX_CANDIDATES, MAX_SEED, Budget, ModelChoice
from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata

MODELS = (*get_args(ModelChoice), "words")
_MAX_WARNINGS = 5
_CAPTIONED_AT_ONCE = 64


def as_command(function: Callable[..., None]) -> Callable[..., None]:
    """Show mistakes as a sentence; Ctrl-C just ends, since nothing is written before all is ready."""

    @functools.wraps(function)
    def run(metadata: "ProjectMetadata", **options: Any) -> None:
        with user_errors():
            try:
                function(metadata, **options)
            except KeyboardInterrupt:
                raise click.Abort from None

    return run


def env_option(function: Callable[..., None]) -> Callable[..., None]:
    """Whose models are used."""
    return click.option(
        "--env", "-e", envvar="KEDRO_ENV", metavar="ENV",
        help="Environment whose models are used, such as cifar10 or folder [default: base, the scenes].",
    )(function)  # fmt: skip


def drawing_options(function: Callable[..., None]) -> Callable[..., None]:
    """What all commands that draw know."""
    for option in (
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder for the results, or FILE.tar for one archive of them, which is quicker where there "
            "are many [default: in the environment's data, replaced each time].",
        ),
        env_option,
        click.option(
            "--model",
            type=click.Choice(MODELS),
            help="Which generator: vae, gan, words (it writes visual words, is slower and needs torch), or "
            "the champion of the first two that the compression chose [default: champion].",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, MAX_SEED),
            metavar="N",
            help="The same seed gives the same pictures, byte by byte [default: run.seed].",
        ),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "--prompts", "file", type=click.Path(path_type=Path), metavar="FILE",
    help="Draw every line of a UTF-8 text file.",
)  # fmt: skip
@click.option("-n", "n", type=int, metavar="N", help="Pictures of each prompt [default: generation.n].")
@click.option(
    "--budget",
    type=click.Choice(get_args(Budget)),
    help="Which form of the model: the fastest of some quality, the fastest of the same quality as the whole "
    "network, or the whole network. The same seed gives the same composition [default: balanced].",
)
@click.option(
    "--score/--no-score",
    default=True,
    help="Measure how well each picture fits its words; without it many pictures are drawn faster.",
)
@click.option(
    "--candidates",
    type=click.IntRange(1, MAX_CANDIDATES),
    metavar="K",
    help="Draw K pictures for each and keep the one that fits its words best "
    "[default: generation.candidates].",
)
@click.option(
    "--until",
    metavar="TARGET",
    help="A picture is good enough from score=0.9, and no further candidate is drawn for it "
    "[default: generation.until].",
)
@drawing_options
@click.pass_obj
@as_command
def generate(
    metadata: "ProjectMetadata",
    prompt: str | None,
    file: Path | None,
    n: int | None,
    budget: str | None,
    score: bool,
    candidates: int | None,
    until: str | None,
    seed: int | None,
    model: str | None,
    env: str | None,
    out: Path | None,
) -> None:
    """Draw pictures from words.

    Writes 0000.png, 0001.png … at the model's own size, sheet.png (all of them enlarged, with their words)
    and generated.jsonl (file, prompt, seed, model; score: how well picture and words agree, 1 at best;
    candidates: how many were drawn for it; candidate: which of them it is).

    \b
    Examples:
      kedro generate "a big red circle at the left on white"
      kedro generate "a small yellow star at the top on navy" -n 8 --seed 3
      kedro generate "a photo of an ostrich, a bird" --env cifar10 --model gan
      kedro generate "a photo of a horse" --env cifar10 --candidates 8
      kedro generate --prompts prompts.txt -n 2 --budget fast --out pictures
      kedro generate --prompts prompts.txt -n 1000 --no-score --out pictures.tar
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    if (prompt is None) == (file is None):
        raise click.UsageError('Say what to draw: kedro generate "…" or kedro generate --prompts FILE.')
    from lexipix.cli.user_inputs import read_prompts
    from lexipix.inference.best_of import BestOfConfig
    from lexipix.inference.generate import GeneratedImages, require_at_most
    from lexipix.inference.prompt_checks import check_prompt
    from lexipix.utils.progress import track

    workshop = ProjectContext(metadata.project_path, env)
    defaults = workshop.parameters.generation
    effort = BestOfConfig.wished(defaults, score, candidates, until)
    n = defaults.n if n is None else n
    if not 1 <= n <= defaults.max_pictures:
        raise LexipixError(
            f"-n {n} is out of range: draw 1 to {defaults.max_pictures:,} pictures (generation.max_pictures)."
        )
    lines = [(0, prompt)] if prompt is not None else read_prompts(_given(file), defaults.max_prompts)
    name, drawer = workshop.drawer(model or defaults.model, budget or defaults.budget)
    checked = []
    for number, text in lines:
        try:
            checked.append(check_prompt(text, drawer))
        except LexipixError as error:
            raise LexipixError(f"{f'{file}, line {number}: ' if number else ''}{error}") from None
    warn([warning for one in checked for warning in one.warnings])
    require_at_most(defaults.max_pictures, len(checked), n)
    texts, scorer = [one.text for one in checked], workshop.scorer() if score else None
    drawing = GeneratedImages(drawer, scorer, texts, n, workshop.seed(seed), name, effort)
    folder = save_results(track(drawing.files(), len(drawing), "Drawing"), out or workshop.place("generated"))
    pictures = "picture" if len(drawing) == 1 else "pictures"
    best = f", each the best of {effort.candidates}" if effort.candidates > 1 else ""
    click.echo(f"{len(drawing):,} {pictures} by the {name}{best}: {folder} (sheet.png shows them enlarged)")


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PICTURE…")
@env_option
@click.pass_obj
@as_command
def caption(metadata: "ProjectMetadata", pictures: Sequence[Path], env: str | None) -> None:
    """Describe pictures in words.

    Prints a line for each, the file and its caption. Any picture format will do; a picture is made as small
    as those the model was trained on before it is looked at.

    \b
    Examples:
      kedro caption star.png
      kedro caption photos/*.jpg --env cifar10
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    import numpy as np

    workshop = ProjectContext(metadata.project_path, env)
    describer = workshop.describer()
    failures = 0
    for start in range(0, len(pictures), _CAPTIONED_AT_ONCE):
        images = []
        for path in pictures[start : start + _CAPTIONED_AT_ONCE]:
            try:
                images.append((path, workshop.picture(path, describer.image_size)))
            except LexipixError as error:
                if len(pictures) == 1:
                    raise
                failures += 1
                click.secho(str(error), fg="red", err=True)
        texts = describer.caption(np.stack([image for _, image in images])) if images else []
        for (path, _), text in zip(images, texts, strict=True):
            click.echo(f"{path}: {text}")
    if failures:
        raise LexipixError(f"{failures} of {len(pictures)} files could not be captioned.")


def _given(file: Path | None) -> Path:
    assert file is not None
    return file


def save_results(files: dict[str, Any] | Iterable[tuple[str, Any]], folder: Path) -> Path:
    """Write results into a folder, or an archive where the name says so; gives the place as it is shown."""
    from lexipix.datasets.results import ARCHIVE, ResultsArchiveDataset, ResultsFolderDataset

    kind = ResultsArchiveDataset if folder.suffix == ARCHIVE else ResultsFolderDataset
    kind(filepath=str(folder)).save(files)
    try:  # shorter to read, and to copy, where the user stands inside the project
        return folder.resolve().relative_to(Path.cwd())
    except ValueError:
        return Path(os.path.normpath(folder))


def warn(warnings: Sequence[str]) -> None:
    """Show the first of some warnings and say how many more there are."""
    for warning in warnings[:_MAX_WARNINGS]:
        click.secho(f"Warning: {warning}", fg="yellow", err=True)
    if len(warnings) > _MAX_WARNINGS:
        click.secho(
            f"Warning: {len(warnings) - _MAX_WARNINGS} more prompts like these.", fg="yellow", err=True
        )
