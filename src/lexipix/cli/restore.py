"""``kedro restore``: fill a hole in an image, or remove its noise, with its caption and torch."""

from pathlib import Path

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.files import read_image_file, read_masked_image, save_results
from lexipix.cli.options import env_option, out_option, seed_option, with_options
from lexipix.cli.output import show
from lexipix.cli.project_context import ProjectContext
from lexipix.cli.texts import text_of_image
from lexipix.config.generation import MAX_STEPS
from lexipix.utils.errors import LexipixError

MAX_NOISE = 255.0  # levels


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--mask",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Image of the same size, white where the image is to be filled and black where it stays.",
)
@click.option(
    "--noise",
    type=click.FloatRange(0, MAX_NOISE, min_open=True),
    metavar="SIGMA",
    help="Standard deviation of Gaussian noise to remove, in levels of 255 at the model's size (resizing a "
    "larger image reduces its noise); with --mask outside of the hole.",
)
@click.option("--text", metavar="TEXT", help="Text of the image, instead of NAME.txt beside it or a caption.")
@click.option(
    "--steps",
    type=click.IntRange(0, MAX_STEPS),
    metavar="N",
    help="Steps of the optimization; 0 fills in the text's image [default: generation.restore.steps].",
)
@out_option
@env_option
@seed_option
@click.pass_obj
@user_errors()
def restore(
    metadata: ProjectMetadata,
    /,
    image: Path,
    mask: Path | None,
    noise: float | None,
    text: str | None,
    steps: int | None,
    seed: int | None,
    env: str | None,
    out: Path | None,
) -> None:
    """Fill a hole in an image, or remove its noise.

    Starts at the latent of the text that you give, or of NAME.txt beside the image, or of a caption, and
    changes it until its image agrees with the known pixels. These stay as they are, bit by bit, unless they
    are noisy. Works at the size of the model: larger images are resized as in the ingestion. Writes
    restored.png, sheet.png (the given image, the text's image and the result) and restoration.json to
    data/ENV/07_model_output/restored/NAME, or to --out. This loads torch, which takes a few seconds.

    \b
    Examples:
      kedro restore star.png --mask hole.png
      kedro restore star.png --mask hole.png --text "a big red star at the center on white"
      kedro restore star.png --noise 25
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    import numpy as np

    from lexipix.inference.restoration_result import DamagedImages

    if mask is None and noise is None:
        raise LexipixError(
            f"Nothing says what is wrong with {image}: name the hole (--mask FILE) or noise (--noise SIGMA)."
        )
    context = ProjectContext(metadata.project_path, env)
    ingestion, run = context.parameters.ingestion, context.parameters.run
    generation = with_options(context.parameters.generation, seed=seed)
    _, generator = context.text_to_image("vae").generator()
    if mask is None:
        pixels = read_image_file(image, ingestion, generator)
        hole = np.zeros(pixels.shape[:2], np.bool_)
    else:
        pixels, hole = read_masked_image(image, mask, ingestion, generator)
    damaged = DamagedImages(pixels[None], hole[None], noise or 0.0)
    text, source = text_of_image(image, text, generator, ingestion)
    if text is None:
        (text,) = context.captioner().captioner.caption(damaged.filled())
    show(f'"{text}" ({source})')
    from lexipix.inference.restoration import RestorationModel
    from lexipix.inference.restoration import restore as restore_images

    result = restore_images(
        damaged,
        [text],
        RestorationModel(context.load("vae"), context.load("prior"), run),
        with_options(generation.restore, steps=steps),
        run.seed if generation.seed is None else generation.seed,
    )
    show(result.summary())
    folder = save_results(
        result.files(source), out or context.path("generated").parent / "restored" / image.stem
    )
    show(f"The restored image: {folder / 'restored.png'} (beside it sheet.png and restoration.json)")
