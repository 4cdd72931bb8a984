"""The command ``kedro redraw``: a picture to words to pictures, and from there towards the picture itself.

Like the other commands it answers without torch; only the refinement, which needs gradients, loads it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from lexipix.cli.generate import as_command, drawing_options, save_results, warn
from lexipix.cli.project_context import ProjectContext
from lexipix.config.generation import MAX_STEPS, Fit, Start
from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata


@click.command()
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--until", metavar="TARGET", help="Stop when this is reached: ssim=0.6, psnr=20 or score=0.8.")
@click.option(
    "--budget", type=int, metavar="N", help="Pictures drawn at most [default: generation.redraw.budget]."
)
@click.option(
    "--text", metavar="TEXT", help="The picture's text, in place of NAME.txt beside it or a caption."
)
@click.option(
    "--refine",
    type=click.IntRange(0, MAX_STEPS),
    metavar="N",
    help="After that, at most N gradient steps towards the picture itself "
    "[default: generation.redraw.refine].",
)
@click.option(
    "--fit",
    type=click.Choice(get_args(Fit)),
    help="What the steps change: the latent, or only the noise, whose pictures the words still draw "
    "[default: generation.redraw.fit].",
)
@click.option(
    "--start",
    type=click.Choice(get_args(Start)),
    help="Where they begin: at the best picture of the words, or at what the encoder sees of the given "
    "picture, which has no words in it [default: generation.redraw.start].",
)
@drawing_options
@click.pass_obj
@as_command
def redraw(
    metadata: "ProjectMetadata",
    picture: Path,
    until: str | None,
    budget: int | None,
    text: str | None,
    refine: int | None,
    fit: str | None,
    start: str | None,
    seed: int | None,
    model: str | None,
    env: str | None,
    out: Path | None,
) -> None:
    """Draw a picture again by way of words.

    Uses the text that you give or that stands in NAME.txt beside the picture, else describes it. Draws,
    compares with the picture and goes on until the target is reached or the budget is spent. Writes best.png,
    sheet.png (all tries) and trail.json. With --refine the best goes on from there: refined.png and
    refined_sheet.png stand apart, since their pictures come from the given one and not from words alone.

    \b
    Examples:
      kedro redraw star.png
      kedro redraw star.png --until ssim=0.6 --budget 32
      kedro redraw star.png --refine 8
      kedro redraw star.png --text "a big red star at the center on white" --model gan
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.cli.user_inputs import text_beside
    from lexipix.inference.prompt_checks import check_prompt
    from lexipix.inference.redraw import figures
    from lexipix.inference.redraw import redraw as redraw_picture
    from lexipix.inference.targets import parse_target

    if until is not None:
        parse_target(until)
    workshop = ProjectContext(metadata.project_path, env)
    defaults = workshop.parameters.generation
    budget = defaults.redraw.budget if budget is None else budget
    if not 1 <= budget <= defaults.max_pictures:
        raise LexipixError(
            f"--budget {budget} is out of range: draw 1 to {defaults.max_pictures:,} pictures "
            "(generation.max_pictures)."
        )
    wishes = {"budget": budget, "until": until, "refine": refine, "fit": fit, "start": start}
    parameters = defaults.redraw.model_copy(
        update={name: wish for name, wish in wishes.items() if wish is not None}
    )
    drawers = workshop.drawers(model or defaults.model)
    drawer = next(iter(drawers.values()))()
    image = workshop.picture(picture, drawer.image_size)
    source = "given" if text is not None else picture.with_suffix(".txt").name
    text = text if text is not None else text_beside(picture)
    if text is not None:
        checked = check_prompt(text, drawer)
        warn(checked.warnings)
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
    if parameters.refine:
        from lexipix.inference.inversion import refine_best

        result = refine_best(result, workshop.load, parameters, workshop.parameters.run)
        refined = result.refined
        assert refined is not None
        click.echo(refined.told())
        took = f"{len(refined.steps) - 1} steps ({1000 * refined.seconds:,.0f} ms)"
        if refined.target is not None:
            reached = "reached" if refined.reached else "not reached"
            click.echo(f"{refined.target} was {reached} with {took}, by path {refined.path}.")
        else:
            click.echo(f"Refined in {took}, path {refined.path}.")
    default = workshop.place("generated").parent / "redrawn" / picture.stem
    folder = save_results(result.files(), out or default)
    best = folder / "best.png"
    beside = "sheet.png, refined.png, refined_sheet.png" if result.refined else "sheet.png"
    click.echo(f"The best of {len(result.tries)} pictures: {best} (beside it {beside} and trail.json)")
