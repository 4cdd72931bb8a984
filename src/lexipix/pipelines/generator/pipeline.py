"""Wiring of the generator stage: five trainings, each with a tag of its own."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.generator.nodes import (
    train_gan,
    train_image_tokenizer,
    train_prior,
    train_token_generator,
    train_vae,
)

# Each training takes its own part of the section, so that a change leaves the other trainings up to date
CONDITIONAL = ["params:generator.feedback", "params:generator.flip", "params:run"]
TOKENS = "params:generator.tokens"
CAPTIONS = ["pictures", "captions_complete", "contrastive_pair"]


def _services(name: str) -> list[str]:
    return [f"{name}_stream", f"{name}_checkpoints"]


def _outputs(name: str) -> list[str]:
    return [name, f"{name}_curves", f"{name}_metrics", f"{name}_sample_grid"]


def create_pipeline() -> Pipeline:
    """Return the trainings of VAE, prior, GAN, image tokenizer and token generator."""
    return Pipeline(
        [
            node(
                train_vae,
                ["params:generator.vae", "params:run", "pictures", *_services("vae")],
                _outputs("vae"),
                name="train_vae",
                tags="vae",
            ),
            node(
                train_prior,
                ["params:generator.prior", *CONDITIONAL, *CAPTIONS, "captioner", "vae", *_services("prior")],
                _outputs("prior"),
                name="train_prior",
                tags="prior",
            ),
            node(
                train_gan,
                ["params:generator.gan", *CONDITIONAL, *CAPTIONS, "prior", *_services("gan")],
                _outputs("gan"),
                name="train_gan",
                tags="gan",
            ),
            node(
                train_image_tokenizer,
                [
                    f"{TOKENS}.enabled",
                    f"{TOKENS}.tokenizer",
                    "params:run",
                    "pictures",
                    *_services("image_tokenizer"),
                ],
                _outputs("image_tokenizer"),
                name="train_image_tokenizer",
                tags="image_tokenizer",
            ),
            node(
                train_token_generator,
                [
                    f"{TOKENS}.enabled",
                    f"{TOKENS}.transformer",
                    "params:generator.gan",
                    "params:generator.flip",
                    "params:run",
                    *CAPTIONS,
                    "captioner",
                    "prior",
                    "image_tokenizer",
                    *_services("tokens"),
                ],
                _outputs("tokens"),
                name="train_token_generator",
                tags="tokens",
            ),
        ]
    )
