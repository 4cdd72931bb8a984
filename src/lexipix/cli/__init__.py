"""The commands that Kedro adds to its own: one file per command."""

import click

from lexipix.cli.caption import caption
from lexipix.cli.dvc import dvc
from lexipix.cli.estimate import estimate
from lexipix.cli.export import export
from lexipix.cli.export_page import export_page
from lexipix.cli.generate import generate
from lexipix.cli.package import package
from lexipix.cli.play import play
from lexipix.cli.redraw import redraw
from lexipix.cli.reproduce import reproduce
from lexipix.cli.restore import restore
from lexipix.cli.run import run


@click.group(name="lexipix")
def cli() -> None:
    """Commands of lexipix."""


for _command in (
    run,
    generate,
    caption,
    redraw,
    restore,
    play,
    estimate,
    export,
    export_page,
    package,
    dvc,
    reproduce,
):
    cli.add_command(_command)
