"""``lexipix`` and ``python -m lexipix``: Kedro's command line, from any folder inside the project."""

import sys


def main() -> None:
    """Run Kedro's command line with this process's arguments."""
    from kedro.framework.cli.cli import main as kedro_main

    sys.argv[0] = "kedro"
    kedro_main()


if __name__ == "__main__":
    main()
