"""``kedro generate``: prompts to images.

Commands that use trained models answer at once: they load neither torch nor a Kedro session, only the
configuration and the exported models. Whatever takes time to import is imported inside a function.
"""

from pathlib import Path
from typing import Any, get_args

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.files import read_prompts, save_results
from lexipix.cli.options import image_options, renamed_option, with_options
from lexipix.cli.output import show, show_warnings
from lexipix.cli.project_context import ProjectContext
from lexipix.config.generation import MAX_CANDIDATES, Quality
from lexipix.utils.errors import LexipixError


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "--prompts", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Draw every line of a UTF-8 text file.",
)  # fmt: skip
@click.option(
    "-n", "n", type=click.IntRange(1), metavar="N", help="Images of each prompt [default: generation.n]."
)
@click.option(
    "--quality",
    type=click.Choice(get_args(Quality)),
    help="Variant of the champion: fast is the fastest of some quality, balanced the fastest that is as good "
    "as the uncompressed network, best the uncompressed network. The same seed gives the same composition "
    "[default: generation.quality].",
)
@renamed_option("--budget", "--quality")
@click.option(
    "--score/--no-score",
    default=True,
    help="Measure how well each image fits its prompt; --no-score draws many images faster.",
)
@click.option(
    "--candidates",
    type=click.IntRange(1, MAX_CANDIDATES),
    metavar="K",
    help="Draw K candidates for each image and keep the one that fits its prompt best "
    "[default: generation.candidates].",
)
@click.option(
    "--until",
    metavar="TARGET",
    help="Draw no further candidate from a score such as score=0.9 on [default: generation.until].",
)
@image_options
@click.pass_obj
@user_errors()
def generate(
    metadata: ProjectMetadata,
    /,
    prompt: str | None,
    file: Path | None,
    score: bool,
    env: str | None,
    out: Path | None,
    **options: Any,
) -> None:
    """Draw images of prompts.

    Writes 0000.png, 0001.png … at the model's own size, sheet.png (the first images, enlarged, with their
    prompts) and generated.jsonl (file, prompt, seed and model of each image; score: how well it fits its
    prompt, 1 at best; candidates: how many were drawn; candidate: which of them was kept) to
    data/ENV/07_model_output/generated, or to --out.

    \b
    Examples:
      kedro generate "a big red circle at the left on white"
      kedro generate "a small yellow star at the top on navy" -n 8 --seed 3
      kedro generate "a photo of an ostrich, a bird" --env cifar10 --model gan
      kedro generate "a photo of a horse" --env cifar10 --candidates 8
      kedro generate --prompts prompts.txt -n 2 --quality fast --out images
      kedro generate --prompts prompts.txt -n 1000 --no-score --out images.tar
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.inference.image_request import ImageOptions
    from lexipix.inference.result_files import result_files
    from lexipix.utils.progress import track

    if (prompt is None) == (file is None):
        raise click.UsageError('Name what to draw: kedro generate "…" or kedro generate --prompts FILE.')
    context = ProjectContext(metadata.project_path, env)
    defaults = context.parameters.generation
    generation = with_options(defaults, **options)
    if options["until"] is not None and generation.candidates == 1:
        raise LexipixError(
            f"--until {generation.until} ends the search among candidates, and only one is drawn: "
            "add --candidates 8."
        )
    lines = read_prompts(file, defaults.max_prompts) if file is not None else [(0, str(prompt))]
    request = context.text_to_image(generation.model).request(
        [text for _, text in lines],
        ImageOptions.of(generation, context.parameters.run.seed, score),
        [f"{file}, line {number}: " if number else "" for number, _ in lines],
    )
    show_warnings(request.warnings)
    batches = None
    if context.parameters.engine.kind == "ray":
        from lexipix.cli.drawing_parts import drawn_by_engine

        batches = drawn_by_engine(request, context, metadata.project_path, env, generation.model)
    files = track(result_files(request, batches), len(request), "Drawing")
    folder = save_results(files, out or context.path("generated"))
    images = "image" if len(request) == 1 else "images"
    best = f", each the best of {generation.candidates}" if generation.candidates > 1 else ""
    show(f"{len(request):,} {images} by the {request.model}{best}: {folder} (sheet.png shows them enlarged)")
