"""The project's own commands of the Kedro CLI: one file per command."""

from lexipix.cli.main import cli, run

__all__ = ["cli", "run"]
