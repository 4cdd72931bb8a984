"""Wiring of the generator stage: five trainings, each with a tag of its own."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.generator.nodes import (
    train_gan,
    train_prior,
    train_vae,
    train_visual_words,
    train_words,
)


def _parameters(name: str) -> list[str]:
    # Each its own part, not the whole section: what one training takes leaves the others as they are.
    drawing = ["params:generator.loop", "params:generator.flip"] if name != "vae" else []
    return [f"params:generator.{name}", "params:generator.launch", *drawing, "params:run"]


def _machinery(name: str) -> list[str]:
    return ["machine_choices", f"{name}_stream", f"{name}_checkpoints"]


def _outputs(name: str) -> list[str]:
    return [name, f"{name}_curves", f"{name}_metrics", f"{name}_sample_grid"]


def create_pipeline() -> Pipeline:
    """Train the VAE, the prior from captions to its latents, the GAN that starts from both, and the words."""
    captions = ["pictures", "captions_complete", "contrastive_pair"]
    return Pipeline(
        [
            node(
                train_vae,
                [*_parameters("vae"), "pictures", *_machinery("vae")],
                _outputs("vae"),
                name="train_vae",
                tags="vae",
            ),
            node(
                train_prior,
                [*_parameters("prior"), *captions, "captioner", "vae", *_machinery("prior")],
                _outputs("prior"),
                name="train_prior",
                tags="prior",
            ),
            node(
                train_gan,
                [*_parameters("gan"), *captions, "prior", *_machinery("gan")],
                _outputs("gan"),
                name="train_gan",
                tags="gan",
            ),
            node(
                train_visual_words,
                [
                    "params:generator.words.enabled",
                    "params:generator.words.tokenizer",
                    "params:generator.launch",
                    "params:run",
                    "pictures",
                    *_machinery("image_tokenizer"),
                ],
                _outputs("image_tokenizer"),
                name="train_visual_words",
                tags="image_tokenizer",
            ),
            node(
                train_words,
                [
                    "params:generator.words.enabled",
                    "params:generator.words.writer",
                    "params:generator.gan",
                    "params:generator.launch",
                    "params:generator.flip",
                    "params:run",
                    *captions,
                    "captioner",
                    "prior",
                    "image_tokenizer",
                    *_machinery("tokens"),
                ],
                _outputs("tokens"),
                name="train_words",
                tags="tokens",
            ),
        ]
    )
