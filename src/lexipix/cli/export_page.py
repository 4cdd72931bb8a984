"""``kedro export-page``: the drawing page as static files, which run the champion in the browser."""

from pathlib import Path
from typing import get_args

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.files import require_new
from lexipix.cli.options import env_option
from lexipix.cli.output import show
from lexipix.cli.project_context import ProjectContext
from lexipix.config.generation import Quality


@click.command("export-page")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="New folder of the page."
)
@click.option(
    "--quality",
    type=click.Choice(get_args(Quality)),
    help="Which variant of the champion draws [default: generation.quality].",
)
@env_option
@click.pass_obj
@user_errors()
def export_page(metadata: ProjectMetadata, out: Path, quality: str | None, env: str | None) -> None:
    """Write a page that draws while you type as static files, which run the champion in the browser.

    Any web server can offer the folder. The page asks nothing from another host. It holds captions of the
    training, and the training images if the model retrieves them. npm fetches ONNX Runtime for browsers.

    \b
    Examples:
      kedro export-page --out page
      python -m http.server --bind 127.0.0.1 --directory page
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.play.models import OpenModels
    from lexipix.play.static_page import PageSettings, require_npm, write_page
    from lexipix.utils.atomic import replace_folder

    require_new(out)
    require_npm()
    models = OpenModels(ProjectContext(metadata.project_path, env))
    generation = models.generation
    name, generator = models.pipe.generator(quality or generation.quality)
    limit = generation.serving.max_prompt_chars
    settings = PageSettings(name, models.examples(1)[0], models.seed, limit)
    with replace_folder(out.absolute()) as folder:
        write_page(folder, generator, models.suggestions.captions, settings)
    show(f"{out}: a page that draws with the {name}. Open it with")
    show(f"  python -m http.server --bind 127.0.0.1 --directory {out}")
