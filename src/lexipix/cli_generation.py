"""The commands that use trained models: ``kedro generate``, ``kedro caption``, ``kedro redraw``.

They answer at once: neither torch nor a Kedro session is loaded, only the configuration of the environment
and the exported models that the command needs. Whatever takes time to import is imported inside a function.
"""

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lexipix.errors import LexipixError
from lexipix.workshop import Workshop

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata

MODELS = ("champion", "vae", "gan", "words")
BUDGETS = ("fast", "balanced", "best")
_MAX_SEED = 2**31 - 1
_MAX_WARNINGS = 5
_CAPTIONED_AT_ONCE = 64


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Show mistakes as a sentence; Ctrl-C just ends, since nothing is written before all is ready."""

    @functools.wraps(function)
    def run(metadata: "ProjectMetadata", **options: Any) -> None:
        from lexipix.cli import told_in_a_sentence

        with told_in_a_sentence():
            try:
                function(metadata, **options)
            except KeyboardInterrupt:
                raise click.Abort from None

    return run


def _env_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--env", "-e", envvar="KEDRO_ENV", metavar="ENV",
        help="Environment whose models are used, such as cifar10 or folder [default: base, the scenes].",
    )(function)  # fmt: skip


def _drawing_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder for the results, or FILE.tar for one archive of them, which is quicker where there "
            "are many [default: in the environment's data, replaced each time].",
        ),
        _env_option,
        click.option(
            "--model",
            type=click.Choice(MODELS),
            help="Which generator: vae, gan, words (it writes visual words, is slower and needs torch), or "
            "the champion of the first two that the compression chose [default: champion].",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, _MAX_SEED),
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
    type=click.Choice(BUDGETS),
    help="Which form of the model: the fastest of some quality, the fastest of the same quality as the whole "
    "network, or the whole network. The same seed gives the same composition [default: balanced].",
)
@click.option(
    "--score/--no-score",
    default=True,
    help="Measure how well each picture fits its words; without it many pictures are drawn faster.",
)
@_drawing_options
@click.pass_obj
@_command
def generate(
    metadata: "ProjectMetadata",
    prompt: str | None,
    file: Path | None,
    n: int | None,
    budget: str | None,
    score: bool,
    seed: int | None,
    model: str | None,
    env: str | None,
    out: Path | None,
) -> None:
    """Draw pictures from words.

    Writes 0000.png, 0001.png … at the model's own size, sheet.png (all of them enlarged, with their words)
    and generated.jsonl (file, prompt, seed, model, score: how well picture and words agree, 1 at best).

    \b
    Examples:
      kedro generate "a big red circle at the left on white"
      kedro generate "a small yellow star at the top on navy" -n 8 --seed 3
      kedro generate "a photo of an ostrich, a bird" --env cifar10 --model gan
      kedro generate --prompts prompts.txt -n 2 --budget fast --out pictures
      kedro generate --prompts prompts.txt -n 1000 --no-score --out pictures.tar
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    if (prompt is None) == (file is None):
        raise click.UsageError('Say what to draw: kedro generate "…" or kedro generate --prompts FILE.')
    from lexipix.datasets.given import read_prompts
    from lexipix.datasets.picture_progress import tracked
    from lexipix.pipelines.generation.drawing import Drawing, require_at_most
    from lexipix.pipelines.generation.prompts import check_prompt

    workshop = Workshop(metadata.project_path, env)
    defaults = workshop.parameters.generation
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
    _warn([warning for one in checked for warning in one.warnings])
    require_at_most(defaults.max_pictures, len(checked), n)
    texts, scorer = [one.text for one in checked], workshop.scorer() if score else None
    drawing = Drawing(drawer, scorer, texts, n, workshop.seed(seed), name)
    folder = _save(tracked(drawing.files(), len(drawing), "Drawing"), out or workshop.place("generated"))
    pictures = "picture" if len(drawing) == 1 else "pictures"
    click.echo(f"{len(drawing):,} {pictures} by the {name}: {folder} (sheet.png shows them enlarged)")


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PICTURE…")
@_env_option
@click.pass_obj
@_command
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

    workshop = Workshop(metadata.project_path, env)
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


@click.command()
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--until", metavar="TARGET", help="Stop when this is reached: ssim=0.6, psnr=20 or score=0.8.")
@click.option(
    "--budget", type=int, metavar="N", help="Pictures drawn at most [default: generation.redraw.budget]."
)
@click.option(
    "--text", metavar="TEXT", help="The picture's text, in place of NAME.txt beside it or a caption."
)
@_drawing_options
@click.pass_obj
@_command
def redraw(
    metadata: "ProjectMetadata",
    picture: Path,
    until: str | None,
    budget: int | None,
    text: str | None,
    seed: int | None,
    model: str | None,
    env: str | None,
    out: Path | None,
) -> None:
    """Draw a picture again by way of words.

    Uses the text that you give or that stands in NAME.txt beside the picture, else describes it. Draws,
    compares with the picture and goes on until the target is reached or the budget is spent. Writes best.png,
    sheet.png (all tries) and trail.json.

    \b
    Examples:
      kedro redraw star.png
      kedro redraw star.png --until ssim=0.6 --budget 32
      kedro redraw star.png --text "a big red star at the center on white" --model gan
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.datasets.given import text_beside
    from lexipix.pipelines.generation.prompts import check_prompt
    from lexipix.pipelines.generation.redrawing import figures, parse_target
    from lexipix.pipelines.generation.redrawing import redraw as redraw_picture

    if until is not None:
        parse_target(until)
    workshop = Workshop(metadata.project_path, env)
    defaults = workshop.parameters.generation
    budget = defaults.redraw.budget if budget is None else budget
    if not 1 <= budget <= defaults.max_pictures:
        raise LexipixError(
            f"--budget {budget} is out of range: draw 1 to {defaults.max_pictures:,} pictures "
            "(generation.max_pictures)."
        )
    parameters = defaults.redraw.model_copy(
        update={"budget": budget, "until": defaults.redraw.until if until is None else until}
    )
    drawers = workshop.drawers(model or defaults.model)
    drawer = next(iter(drawers.values()))()
    image = workshop.picture(picture, drawer.image_size)
    source = "given" if text is not None else picture.with_suffix(".txt").name
    text = text if text is not None else text_beside(picture)
    if text is not None:
        checked = check_prompt(text, drawer)
        _warn(checked.warnings)
        text = checked.text
    result = redraw_picture(
        image, text, source, drawers, workshop.describer, workshop.scorer(), parameters, workshop.seed(seed)
    )
    said = None
    for one in result.tries:
        if one.text != said:
            said = one.text
            click.echo(f'"{said}" ({result.text_source})')
        mark = "   best" if one.number - 1 == result.best else ""
        click.echo(f"  {one.number:3d}  {one.model}: {figures(one)}{mark}")
    if result.target is not None:
        tries = f"{len(result.tries)} of {budget}"
        reached = "reached" if result.reached else "not reached"
        click.echo(f"{result.target} was {reached} with {tries} pictures.")
    default = workshop.place("generated").parent / "redrawn" / picture.stem
    folder = _save(result.files(), out or default)
    best = folder / "best.png"
    click.echo(f"The best of {len(result.tries)} pictures: {best} (beside it sheet.png and trail.json)")


COMMANDS = (generate, caption, redraw)


def _given(file: Path | None) -> Path:
    assert file is not None
    return file


def _save(files: dict[str, Any] | Iterable[tuple[str, Any]], folder: Path) -> Path:
    from lexipix.datasets.results import ARCHIVE, ResultsArchiveDataset, ResultsFolderDataset

    kind = ResultsArchiveDataset if folder.suffix == ARCHIVE else ResultsFolderDataset
    kind(filepath=str(folder)).save(files)
    try:  # shorter to read, and to copy, where the user stands inside the project
        return folder.resolve().relative_to(Path.cwd())
    except ValueError:
        return Path(os.path.normpath(folder))


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings[:_MAX_WARNINGS]:
        click.secho(f"Warning: {warning}", fg="yellow", err=True)
    if len(warnings) > _MAX_WARNINGS:
        click.secho(
            f"Warning: {len(warnings) - _MAX_WARNINGS} more prompts like these.", fg="yellow", err=True
        )
