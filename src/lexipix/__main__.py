"""``lexipix`` and ``python -m lexipix``: the commands, in a project or beside an unpacked configuration."""

import sys
from pathlib import Path

CONF = "conf"  # the folder in the archive that `kedro package` makes of the configuration


def main() -> None:
    """Run Kedro's command line with this process's arguments.

    Outside of a project, where the wheel is installed and the folder has a ``conf``, the same commands work
    with that configuration. Data is read and written below the current folder.
    """
    from kedro.utils import find_kedro_project

    folder = Path.cwd()
    if find_kedro_project(folder) is None and (folder / CONF / "base").is_dir():
        _run_packaged(folder)
        return
    from kedro.framework.cli.cli import main as kedro_main

    sys.argv[0] = "kedro"
    kedro_main()


def _run_packaged(folder: Path) -> None:
    from kedro import __version__
    from kedro.framework.project import configure_project
    from kedro.framework.startup import ProjectMetadata

    package = Path(__file__).parent.name
    configure_project(package)
    from lexipix.cli import cli

    metadata = ProjectMetadata(
        config_file=folder / "pyproject.toml",
        package_name=package,
        project_name=package,
        project_path=folder,
        kedro_init_version=__version__,
        source_dir=folder,
        tools=[],
        example_pipeline="False",
    )
    cli(obj=metadata, prog_name=package)


if __name__ == "__main__":
    main()
