"""Puts ``metrics.json`` together from the metrics of all stages."""

from collections.abc import Mapping
from typing import Any

from lexipix.evaluation.text_paths import TEXT_PATHS

# Every training; the evaluators are last
EVALUATORS = ("evaluator", "classifier")
GENERATORS = ("vae", "prior", "gan", "image_tokenizer", "tokens")
MODELS = ("features", "captioner", *GENERATORS, "small_text_encoder", "small", "pruned", *EVALUATORS)
DATA_KEYS = ("n_train", "n_val", "n_test", "rejected", "image_size")
CAPTIONER_KEYS = ("bleu4", "cider_d", "exact_match", "attribute_f1")
TRAINING_KEYS = ("images_per_s", "seconds", "images_seen", "mflop_per_image", "gflops")


def assemble_metrics(
    summary: Mapping[str, Any],
    paths: Mapping[str, Any],
    classes: Mapping[str, Any],
    prompts: Mapping[str, Any],
    memorization: Mapping[str, Any],
    training: Mapping[str, Mapping[str, Any]],
    **groups: Any,
) -> dict[str, Any]:
    """Returns the content of ``metrics.json``; a metric that does not apply to the data is absent.

    ``classes`` is grouped as ``paths``, the result of :func:`.path_metrics.measure_paths`.
    ``training`` is by name of each of :data:`MODELS`. Further groups are taken as they are.
    """
    captioner = training["captioner"]
    return _present(
        {
            "data": {key: summary.get(key) for key in DATA_KEYS},
            "captioner": {key: captioner.get(key) for key in CAPTIONER_KEYS}
            | {"images_per_s": captioner.get("captions_per_s"), **paths.get("captioner", {})},
            **{
                key: _merged(paths[key], classes.get(key, {}))
                for key in ("direct", "text", "baseline", "ceiling")
            },
            "prompts": prompts,
            "memorization": {path: memorization.get(path) for path in TEXT_PATHS},
            **groups,
            "training": {
                name: {key: metrics.get(key) for key in TRAINING_KEYS} for name, metrics in training.items()
            },
        }
    )


def _merged(metrics: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested groups of metrics as one."""
    return {
        **metrics,
        **{
            key: _merged(metrics.get(key, {}), value) if isinstance(value, Mapping) else value
            for key, value in others.items()
        },
    }


def _present(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics without missing values and empty groups."""
    kept = {key: _present(value) if isinstance(value, Mapping) else value for key, value in metrics.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}
