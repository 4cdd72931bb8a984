"""``kedro play``: a page that draws while one types."""

import os
from importlib.util import find_spec
from tempfile import TemporaryDirectory

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.options import env_option
from lexipix.cli.output import show
from lexipix.utils.errors import LexipixError

PORT = 7860


@click.command()
@env_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    metavar="N",
    help="Port on this machine; 0 takes a free one.",
)
@click.pass_obj
@user_errors()
def play(metadata: ProjectMetadata, env: str | None, port: int) -> None:
    """Open a page for the trained models: it draws while you type.

    The page answers this machine only, and asks nothing from outside. Stop it with Ctrl-C.

    \b
    Examples:
      kedro play
      kedro play --env cifar10 --port 8000
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    if find_spec("gradio") is None:
        raise LexipixError("The page needs Gradio: use `make play`, or install the extra lexipix[play].")
    from lexipix.play.models import Models

    models = Models(metadata.project_path, env)
    models.open(models.names[0])
    with TemporaryDirectory(prefix="lexipix-play-") as folder:  # of pictures that visitors upload
        os.environ["GRADIO_TEMP_DIR"] = folder
        from lexipix.play.server import HOST, build_app, listen, serve

        with listen(port) as listener:
            app = build_app(models)
            show(f"The page: http://{HOST}:{listener.getsockname()[1]}  (stop it with Ctrl-C)")
            serve(app, listener)
