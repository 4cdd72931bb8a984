"""A parameter by a former name gets an error that names the new one."""

import re

import pytest
from tests.support.parameters import base_parameters

from lexipix.config.errors import keys
from lexipix.config.renamed import REMOVED, RENAMED, new_name
from lexipix.config.root import LexipixParameters
from lexipix.utils.errors import LexipixError

KNOWN = list(keys(LexipixParameters))


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("captioner.least_sure", "captioner.min_confidence"),
        ("generation.budget", "generation.quality"),
        ("generation.redraw.fit", "generation.redraw.optimize"),
        ("generator.words", "generator.tokens"),
        ("generator.loop", "generator.feedback"),
        ("generator.gan.training.images", "generator.gan.training.num_images"),
        ("generator.gan.adversarial", "generator.gan.adversarial_weight"),
        ("evaluation.information.apart", "evaluation.information.spacings"),
    ],
)
def test_former_name(former, now):
    with pytest.raises(LexipixError) as error:
        base_parameters({former: 1})
    assert f"parameters: {former} has a new name: {now} (conf/base/parameters_" in str(error.value)


def test_a_name_with_two_successors_names_both_and_when_each_applies():
    with pytest.raises(
        LexipixError, match=r"gp_weight .gan_loss: wasserstein. or r1_gamma .gan_loss: hinge or relat"
    ):
        base_parameters({"generator.gan.penalty": 1.0})


@pytest.mark.parametrize("key", REMOVED)
def test_a_parameter_that_is_gone_is_named_with_the_reason(key):
    with pytest.raises(LexipixError, match=re.escape(f"{key} was removed ({REMOVED[key]}): delete it")):
        base_parameters({key: 1})


def test_every_new_name_exists():
    parts = {part for key in KNOWN for part in key.split(".")}
    for former, new in RENAMED.items():
        assert new.partition(" ")[0] in parts, f"{former} -> {new}"


def test_a_misspelt_key_is_no_former_name():
    assert new_name("captioner.least_sur", KNOWN) is None
    assert new_name("run.images", KNOWN) is None, "there is no run.num_images"
