"""``kedro redraw``: an image to a caption to images, and on request, with torch, towards the image itself."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.files import read_image_file, save_results
from lexipix.cli.options import image_options, renamed_option, with_options
from lexipix.cli.output import show
from lexipix.cli.project_context import ProjectContext
from lexipix.cli.texts import text_of_image
from lexipix.config.generation import MAX_BUDGET, MAX_STEPS, Init, Optimize

if TYPE_CHECKING:
    from lexipix.inference.redraw_result import InversionResult, RedrawResult


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--until", metavar="TARGET", help="Stop at ssim=0.6, psnr=20 or score=0.8.")
@click.option(
    "--budget",
    type=click.IntRange(1, MAX_BUDGET),
    metavar="N",
    help="Images drawn at most [default: generation.redraw.budget].",
)
@click.option("--text", metavar="TEXT", help="Text of the image, instead of NAME.txt beside it or a caption.")
@click.option(
    "--optimize-steps",
    type=click.IntRange(0, MAX_STEPS),
    metavar="N",
    help="After that, at most N gradient steps towards the image itself; needs torch "
    "[default: generation.redraw.optimize_steps].",
)
@click.option(
    "--optimize",
    type=click.Choice(get_args(Optimize)),
    help="What the steps change: the latent, or only the noise, so that the images still come from the text "
    "[default: generation.redraw.optimize].",
)
@click.option(
    "--init",
    type=click.Choice(get_args(Init)),
    help="Where the steps start: at the best image of the text, or at the encoder's latent of the given "
    "image, without any text [default: generation.redraw.init].",
)
@renamed_option("--refine", "--optimize-steps")
@renamed_option("--fit", "--optimize")
@renamed_option("--start", "--init")
@image_options
@click.pass_obj
@user_errors()
def redraw(
    metadata: ProjectMetadata,
    /,
    image: Path,
    text: str | None,
    seed: int | None,
    model: str | None,
    env: str | None,
    out: Path | None,
    **options: Any,
) -> None:
    """Draw an image again from its description.

    Takes the text that you give, or that of NAME.txt beside the image, or a caption. Draws, compares with the
    image, and continues until the target is reached or the budget is spent. Writes best.png, sheet.png (all
    attempts) and trail.json to data/ENV/07_model_output/redrawn/NAME, or to --out. With --optimize-steps it
    continues from the best attempt towards the image itself and writes optimized.png and optimized_sheet.png,
    apart, since they do not come from the text alone.

    \b
    Examples:
      kedro redraw star.png
      kedro redraw star.png --until ssim=0.6 --budget 32
      kedro redraw star.png --optimize-steps 8
      kedro redraw star.png --text "a big red star at the center on white" --model gan
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.inference.redraw import redraw as redraw_image

    context = ProjectContext(metadata.project_path, env)
    generation = with_options(context.parameters.generation, seed=seed, model=model)
    parameters = with_options(generation.redraw, **options)
    pipe = context.text_to_image(generation.model)
    _, generator = pipe.generator("best")
    pixels = read_image_file(image, context.parameters.ingestion, generator)
    text, source = text_of_image(image, text, generator, context.parameters.ingestion)
    result = redraw_image(
        pixels,
        text,
        source,
        context.generators(pipe, generation.model),
        lambda: context.captioner().captioner,
        pipe.scorer,
        parameters,
        context.parameters.run.seed if generation.seed is None else generation.seed,
    )
    _show_attempts(result, parameters.budget)
    if parameters.optimize_steps:
        from lexipix.inference.inversion import invert

        inversion = invert(result, context.load, parameters, context.parameters.run)
        _show_inversion(inversion)
        result = replace(result, inversion=inversion)
    folder = save_results(result.files(), out or context.path("generated").parent / "redrawn" / image.stem)
    others = "sheet.png, optimized.png, optimized_sheet.png" if result.inversion else "sheet.png"
    best = f"The best of {len(result.attempts)} images: {folder / 'best.png'}"
    show(f"{best} (beside it {others} and trail.json)")


def _show_attempts(result: "RedrawResult", budget: int) -> None:
    shown = None
    for attempt in result.attempts:
        if attempt.text != shown:
            shown = attempt.text
            show(f'"{shown}" ({result.text_source})')
        mark = "   best" if attempt.number - 1 == result.best else ""
        show(f"  {attempt.number:3d}  {attempt.model}: {attempt}{mark}")
    _show_target(result, f"{len(result.attempts)} of {budget} images")


def _show_inversion(inversion: "InversionResult") -> None:
    show(inversion.summary())
    n_steps, milliseconds = len(inversion.steps) - 1, 1000 * inversion.seconds
    spent = f"{n_steps} steps ({milliseconds:,.0f} ms), path {inversion.path}"
    if inversion.target is None:
        show(f"Optimized in {spent}.")
    _show_target(inversion, spent)


def _show_target(result: "RedrawResult | InversionResult", spent: str) -> None:
    if result.target is not None:
        reached = "reached" if result.reached else "not reached"
        show(f"{result.target} was {reached} with {spent}.")
