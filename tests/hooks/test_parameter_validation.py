from types import SimpleNamespace

import pytest
from kedro.config import OmegaConfigLoader
from tests.support.project import REPOSITORY

from lexipix.hooks.parameter_validation import ParameterValidationHooks, place_of
from lexipix.settings import CONFIG_LOADER_ARGS
from lexipix.utils.errors import LexipixError


@pytest.mark.parametrize(
    ("env", "key", "place"),
    [
        ("smoke", "run.seed", "given by --params"),
        ("smoke", "run.threads", "conf/smoke/parameters.yml"),
        ("smoke", "run.device", "conf/base/parameters.yml"),
        (None, "generator.vae.width", "conf/base/parameters_generator.yml"),
        ("smoke", "generator.no_such_key", "conf/base/parameters_generator.yml"),
    ],
)
def test_the_place_where_a_parameter_is_set(env, key, place):
    assert place_of(REPOSITORY / "conf", env, {"run": {"seed": 3}}, key) == place


def test_wrong_parameters_are_refused_with_their_places():
    loader = OmegaConfigLoader(
        conf_source=str(REPOSITORY / "conf"),
        env="smoke",
        runtime_params={"run": {"seed": -1}},
        **CONFIG_LOADER_ARGS,
    )
    with pytest.raises(LexipixError, match=r"run.seed = -1 is out of range: .* \(given by --params\)"):
        ParameterValidationHooks().after_context_created(SimpleNamespace(config_loader=loader, env="smoke"))
