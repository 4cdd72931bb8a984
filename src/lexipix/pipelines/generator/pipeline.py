"""Wiring of the generator stage: five trainings, each with a tag of its own."""

from collections.abc import Callable

from kedro.pipeline import Node, Pipeline, node

from lexipix.pipelines.generator import nodes

# Each training takes its own part of the section, so that a change leaves the other trainings up to date
CONDITIONAL = ["params:generator.feedback", "params:generator.flip", "params:run"]
TOKENS = "params:generator.tokens"
CAPTIONS = ["image_splits", "captions_complete", "contrastive_pair"]


def _training(function: Callable, name: str, inputs: list[str]) -> Node:
    return node(
        function,
        [*inputs, f"{name}_stream", f"{name}_checkpoints", "engine"],
        [name, f"{name}_curves", f"{name}_metrics", f"{name}_sample_grid"],
        name=function.__name__,
        tags=name,
    )


def create_pipeline() -> Pipeline:
    """Return the trainings of VAE, prior, GAN, image tokenizer and token generator."""
    image_tokenizer = [f"{TOKENS}.enabled", f"{TOKENS}.tokenizer", "params:run", "image_splits"]
    gan = ["params:generator.gan", *CONDITIONAL[1:], *CAPTIONS]
    tokens = [f"{TOKENS}.enabled", f"{TOKENS}.transformer", *gan, "captioner", "prior", "image_tokenizer"]
    prior = ["params:generator.prior", *CONDITIONAL, *CAPTIONS, "captioner", "vae"]
    return Pipeline(
        [
            _training(nodes.train_vae, "vae", ["params:generator.vae", "params:run", "image_splits"]),
            _training(nodes.train_prior, "prior", prior),
            _training(nodes.train_gan, "gan", ["params:generator.gan", *CONDITIONAL, *CAPTIONS, "prior"]),
            _training(nodes.train_image_tokenizer, "image_tokenizer", image_tokenizer),
            _training(nodes.train_token_generator, "tokens", tokens),
        ]
    )
