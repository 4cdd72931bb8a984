"""A stage imports only the networks that it uses, so that DVC reruns only what a change affects."""

import grimp
import pytest

GENERATOR_CODE = {
    f"lexipix.models.{name}"
    for name in (
        "discriminator", "editor", "image_tokenizer", "neighbor_memory", "retrieval_to_image", "text_prior",
        "text_to_image", "token_generator", "tokens_to_image", "upsampling", "vae",
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("lexipix", cache_dir=None)


@pytest.mark.parametrize("stage", ["features", "captioner"])
def test_early_stages_import_no_generator(graph, stage):
    upstream = graph.find_upstream_modules(f"lexipix.pipelines.{stage}.nodes")
    assert "lexipix.models.image_encoder" in upstream
    tasks = {name for name in upstream if name.startswith("lexipix.training.tasks.")}
    assert tasks <= {"lexipix.training.tasks.base", f"lexipix.training.tasks.{OWN_TASK[stage]}"}
    assert not upstream & GENERATOR_CODE
    losses = {name for name in upstream if name.startswith("lexipix.training.losses.")}
    assert losses <= {f"lexipix.training.losses.{OWN_TASK[stage]}"}


OWN_TASK = {"features": "contrastive", "captioner": "captioner"}


def test_features_do_not_import_the_captioner(graph):
    upstream = graph.find_upstream_modules("lexipix.pipelines.features.nodes")
    assert "lexipix.models.captioner" not in upstream


def test_only_the_generator_stage_imports_the_loss_of_the_gan(graph):
    importing = {
        name
        for module in ("lexipix.training.losses.gan", "lexipix.training.tasks.gan")
        for name in graph.find_downstream_modules(module)
        if name.endswith(".nodes")
    }
    assert importing == {"lexipix.pipelines.generator.nodes"}
