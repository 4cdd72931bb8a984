"""Parameters by their former names, for the error that names the new one."""

# A full key, or the last part of a key -> its new name
RENAMED = {
    "captioner.attention_pictures": "attention_images",
    "evaluation.classifier.min_pictures": "min_images",
    "evaluation.information.apart": "spacings",
    "evaluation.memorisation": "memorization",
    "compression.pruned.n_pictures": "n_images",
    "compression.small.n_pictures": "n_images",
    "compression.small.reader": "text_encoder",
    "generation.budget": "quality",
    "generation.redraw.fit": "optimize",
    "generation.redraw.refine": "optimize_steps",
    "generation.redraw.start": "init",
    "generator.feedback.limit": "min_lr_factor",
    "generator.feedback.plateau": "plateau_patience",
    "generator.feedback.share": "resampled_fraction",
    "generator.feedback.slower": "lr_factor",
    "generator.gan.adversarial": "adversarial_weight",
    "generator.loop": "feedback",
    "generator.tokens.transformer.adversarial": "adversarial_fraction",
    "generator.tokens.writer": "transformer",
    "generator.words": "tokens",
    "accumulate": "gradient_accumulation_steps",
    "adversary": "gan_loss",
    "alignment": "contrastive_weight",
    "anchor": "pixel_weight",
    "anchor_cell": "pixel_pool",
    "canonical_share": "primary_caption_prob",
    "cut_share": "nested_dropout_prob",
    "ema_share": "ema_halflife_fraction",
    "head_start": "discriminator_warmup",
    "images": "num_images",
    "least_sure": "min_confidence",
    "max_picture_mb": "max_image_mb",
    "max_pictures": "max_images",
    "near": "local_conv_depth",
    "noise_width": "noise_dim",
    "noises": "imle_candidates",
    "passes": "decoding_steps",
    "penalty": "gp_weight (gan_loss: wasserstein) or r1_gamma (gan_loss: hinge or relativistic)",
    "reports": "num_validations",
    "sketch": "prior_hint",
    "structure_weight": "ssim_weight",
    "teaching": "pretrain_fraction",
    "variety": "energy_weight",
    "vector_width": "embed_dim",
}
# A full key -> why there is no such parameter any more
_EVALUATOR = "the evaluator has a network of its own"
REMOVED = {
    "compression.small.reads": "a small network always has a text encoder of its own",
    "generator.prior.random_features": "captions retrieve images instead, see generator.prior.neighbors",
    "generator.prior.max_memory_images": "the limit is generator.prior.max_memory_mb",
    "evaluation.classifier.cas_images": "the classifier of drawn images sees training.num_images too",
    "evaluation.evaluator.word_pairs": "pairs of words are part of the vocabulary",
    "generator.prior.memory": "captions retrieve images instead, see generator.prior.neighbors",
    "generator.launch": "training in several processes was removed",
    "ingestion.source.scenes.n_judge": "the evaluator learns from train and val",
    "ingestion.splits.judge": "the evaluator learns from train and val",
    "evaluation.evaluator.min_captioned": "the evaluator learns from given captions only",
    **{
        f"evaluation.evaluator.{key}": _EVALUATOR
        for key in ("channels", "blocks", "text_depth", "words_weight", "held_out_share")
    },
}


def new_name(key: str, known: list[str]) -> str | None:
    """The new full key of a parameter by its former name; None if no such key is ``known``."""
    parent, _, leaf = key.rpartition(".")
    new = RENAMED.get(key) or RENAMED.get(leaf)
    if new is None:
        return None
    found = f"{parent}.{new}" if parent else new
    return found if found.partition(" ")[0] in known else None
