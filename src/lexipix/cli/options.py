"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from lexipix.config.generation import MAX_SEED, ModelChoice
from lexipix.config.run import Parameters

Command = Callable[..., None]
ParametersType = TypeVar("ParametersType", bound=Parameters)


class _Model(click.Choice[str]):
    """Name of a generator."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "words":
            self.fail("words is now called tokens: write --model tokens.", param, ctx)
        return super().convert(value, param, ctx)


env_option = click.option(
    "--env", "-e", envvar="KEDRO_ENV", metavar="ENV",
    help="Environment of the run or of the models, such as cifar10 or folder [default: base, the scenes].",
)  # fmt: skip

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the results, or FILE.tar for one archive, which is faster for many images "
    "[default: data/ENV/07_model_output, replaced each time].",
)
model_option = click.option(
    "--model",
    type=_Model((*get_args(ModelChoice), "tokens")),
    help="Generator: the champion that the compression chose, the uncompressed vae or gan, or tokens "
    "(image tokens; slower, needs torch) [default: generation.model].",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    metavar="N",
    help="The same seed gives the same images, byte by byte [default: generation.seed, or run.seed].",
)


def image_options(command: Command) -> Command:
    """The options of all commands that draw images of a chosen generator."""
    for option in (out_option, env_option, model_option, seed_option):
        command = option(command)
    return command


def with_options(parameters: ParametersType, **options: Any) -> ParametersType:
    """Parameters with the values of those options that the user gave."""
    return parameters.model_copy(update={key: value for key, value in options.items() if value is not None})


def renamed_option(old: str, new: str) -> Callable[[Command], Command]:
    """An option that has another name now; whoever uses the old name reads the new one."""

    def refuse(context: click.Context, option: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(f"{old} is now called {new}: write {new} {value}.", context)

    return click.option(old, hidden=True, expose_value=False, callback=refuse)
