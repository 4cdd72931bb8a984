"""The project's own commands of the Kedro CLI: one file per command."""

from lexipix.cli.main import cli

__all__ = ["cli"]
