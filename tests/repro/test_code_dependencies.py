"""A change concerns the stages that use what was changed, and no other."""

import pytest
import yaml
from tests.support.dvc_project import STAGES, changed_stages, make_placeholders
from tests.support.project import REPOSITORY

GENERATORS = {stage for stage in STAGES if stage.startswith("generator_")}
TRAINING_STAGES = {"features", "captioner", *GENERATORS, "compression", "evaluation"}
TOKEN_GENERATOR = (
    "models/token_generator.py", "models/tokens_to_image.py", "training/tasks/token_generator.py",
    "training/builders/token_generator.py", "training/losses/tokens.py",
)  # fmt: skip
GAN_LOSS = "training/losses/gan.py"


@pytest.fixture(scope="module")
def stages():
    content = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))
    return {name: stage["do"] for name, stage in content["stages"].items()}


@pytest.fixture
def stages_with_code(stages):
    """Gives the stages with a file among their dependencies, or with a folder above it."""

    def find(file):
        path = f"src/lexipix/{file}"
        assert (REPOSITORY / path).is_file(), path
        return {
            name
            for name, stage in stages.items()
            if any(path == dep or path.startswith(f"{dep}/") for dep in stage["deps"])
        }

    return find


@pytest.mark.parametrize("file", TOKEN_GENERATOR)
def test_the_token_generator_concerns_its_own_training_and_the_evaluation_that_draws_with_it(
    stages_with_code, file
):
    assert {"generator_tokens"} <= stages_with_code(file) <= {"generator_tokens", "evaluation"}


def test_the_gan_loss_concerns_the_two_trainings_against_the_discriminator(stages_with_code):
    # The last part of the token generator's training has the GAN's losses (adversarial_fraction)
    assert stages_with_code(GAN_LOSS) == {"generator_gan", "generator_tokens"}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("pipelines/features/nodes.py", {"features"}),
        ("pipelines/generator/pipeline.py", GENERATORS),
        ("training/tasks/vae.py", {"generator_vae"}),
        ("training/tasks/distillation.py", {"compression"}),
        ("training/tasks/contrastive.py", {"features"}),
        ("training/tasks/evaluator.py", {"evaluation"}),
        ("training/loop.py", TRAINING_STAGES),
        ("reporting/contact_sheet.py", {"ingestion", "captioner", "evaluation"}),
        ("config/training.py", set()),  # types and ranges: the values are dependencies themselves
        ("data/ingestion/stream.py", {"ingestion"}),
        ("datasets/sources/scenes.py", {"ingestion"}),
        ("datasets/files.py", set()),  # carries data without changing it
        ("cli/generate.py", set()),
    ],
)
def test_a_module_concerns_the_stages_that_are_made_of_it(stages_with_code, file, expected):
    assert stages_with_code(file) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("features", {"features"}),
        ("captioner", {"captioner"}),
        ("generator.vae", {"generator_vae"}),
        ("generator.prior", {"generator_prior"}),
        ("generator.tokens.tokenizer", {"generator_image_tokenizer"}),
        ("generator.tokens.transformer", {"generator_tokens"}),
        ("generator.flip", {"generator_prior", "generator_gan", "generator_tokens"}),
        ("generator.gan", {"generator_gan", "generator_tokens"}),  # the same losses
        ("evaluation", {"evaluation"}),
        ("run", set(STAGES)),
    ],
)
def test_a_parameter_concerns_the_stages_that_take_it(stages, key, expected):
    found = {
        name
        for name, stage in stages.items()
        if any(key in keys for item in stage["params"] for keys in item.values())
    }
    assert found == expected


def test_dvc_status_lists_these_stages_and_no_other(tmp_path):
    project = make_placeholders(tmp_path / "project")
    assert changed_stages(project) == set()
    module = project / "src" / "lexipix" / TOKEN_GENERATOR[0]
    before = module.read_bytes()
    module.write_bytes(before + b"\n")
    assert changed_stages(project) == {"generator_tokens", "evaluation"}
    module.write_bytes(before)
    loss = project / "src" / "lexipix" / GAN_LOSS
    loss.write_bytes(loss.read_bytes() + b"\n")
    (loss.parent / "__pycache__").mkdir(exist_ok=True)
    (loss.parent / "__pycache__" / "new.cpython-311.pyc").write_bytes(b"compiled modules are no change")
    assert changed_stages(project) == {"generator_gan", "generator_tokens"}
