"""What commands print: their results and warnings, without control characters from names and captions."""

from collections.abc import Sequence

import click

from lexipix.utils.terminal import inert

_MAX_WARNINGS = 5


def show(text: str) -> None:
    """Print a line of the result."""
    click.echo(inert(text))


def show_error(text: str) -> None:
    """Print an error after which the command goes on."""
    click.secho(inert(text), fg="red", err=True)


def show_warnings(warnings: Sequence[str]) -> None:
    """Show the first warnings and the number of the others."""
    for warning in warnings[:_MAX_WARNINGS]:
        click.secho(f"Warning: {inert(warning)}", fg="yellow", err=True)
    if len(warnings) > _MAX_WARNINGS:
        more = len(warnings) - _MAX_WARNINGS
        click.secho(f"Warning: {more} more prompts like these.", fg="yellow", err=True)
