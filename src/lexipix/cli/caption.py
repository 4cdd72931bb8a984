"""``kedro caption``: images to captions."""

from collections.abc import Sequence
from pathlib import Path

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.files import read_image_file
from lexipix.cli.options import env_option
from lexipix.cli.output import show, show_error
from lexipix.cli.project_context import ProjectContext
from lexipix.utils.errors import LexipixError

_BATCH = 64  # images in memory at a time


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE…")
@env_option
@click.pass_obj
@user_errors()
def caption(metadata: ProjectMetadata, images: Sequence[Path], env: str | None) -> None:
    """Write captions of images.

    Prints a line for each image: the file and its caption. All common image formats can be read. An image is
    resized to the size that the model was trained on.

    \b
    Examples:
      kedro caption star.png
      kedro caption photos/*.jpg --env cifar10
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    context = ProjectContext(metadata.project_path, env)
    pipe = context.captioner()
    ingestion = context.parameters.ingestion
    failures = 0
    for start in range(0, len(images), _BATCH):
        read = []
        for path in images[start : start + _BATCH]:
            try:
                read.append((path, read_image_file(path, ingestion, pipe.captioner)))
            except LexipixError as error:
                if len(images) == 1:
                    raise
                failures += 1
                show_error(str(error))
        texts = pipe([image for _, image in read])
        for (path, _), text in zip(read, texts, strict=True):
            show(f"{path}: {text}")
    if failures:
        raise LexipixError(f"{failures} of {len(images)} files could not be captioned.")
