"""``kedro package``: the code as a wheel, and the configuration without local settings and secrets."""

import sys
import tarfile
from pathlib import Path, PurePath

import click
from kedro.framework.cli.utils import call
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.output import show
from lexipix.utils.atomic import replace_file


@click.command()
@click.pass_obj
@user_errors()
def package(metadata: ProjectMetadata) -> None:
    """Build the wheel and an archive of the configuration in the folder dist.

    The archive leaves out the files of conf/local, all files and folders called credentials…, and hidden
    files such as .env, wherever they are in conf.

    \b
    Examples:
      kedro package
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    project = Path(metadata.project_path)
    call([sys.executable, "-m", "build", "--wheel", "--outdir", "dist"], cwd=str(project))
    place = project / "dist" / f"conf-{metadata.package_name}.tar.gz"
    left_out = archive(project / "conf", place)
    show(f"{place.relative_to(project)}: the configuration, without {left_out} files that may hold secrets")


def archive(conf: Path, place: Path) -> int:
    """Write a configuration folder to a ``.tar.gz`` archive; returns the number of files left out."""
    n_left_out = 0
    with replace_file(place) as temporary, tarfile.open(temporary, "w:gz") as content:
        for path in sorted(conf.rglob("*")):
            name = path.relative_to(conf)
            if path.is_dir() and not path.is_symlink():
                continue
            if may_hold_secrets(name):
                n_left_out += 1
            else:
                content.add(path, f"{conf.name}/{name.as_posix()}")
    return n_left_out


def may_hold_secrets(name: PurePath) -> bool:
    """Whether a file of the configuration, by its path in the folder, belongs in no archive."""
    if name.name == ".gitkeep":  # Kedro needs the folder
        return False
    words = [part.lower() for part in name.parts]
    return words[0] == "local" or any(word.startswith((".", "credentials")) for word in words)
