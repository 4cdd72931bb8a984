"""What ``metrics.json`` holds, brought together from the figures of all stages."""

from collections.abc import Mapping
from typing import Any

from lexipix.evaluation.paths import TEXT_PATHS

# Every training, those of what judges last
JUDGES = ("evaluator", "classifier")
OWN_MODELS = ("vae", "prior", "gan", "image_tokenizer", "tokens")
MODELS = ("features", "captioner", *OWN_MODELS, "small_reader", "small", "pruned", *JUDGES)
TRAINING_FIGURES = ("images_per_s", "seconds", "images_seen", "mflop_per_image", "gflops")


def collect_metrics(
    ingestion_summary: dict[str, Any],
    evaluation_figures: dict[str, Any],
    words_round_trip: dict[str, Any],
    classes_figures: dict[str, Any],
    memorisation_figures: dict[str, Any],
    prompt_figures: dict[str, Any],
    rate_figures: dict[str, Any],
    speed_table: dict[str, Any],
    captioner_speed_table: dict[str, Any],
    *training_figures: dict[str, Any],
) -> dict[str, Any]:
    """Bring the figures together, those of trainings in the order of :data:`MODELS`.

    Returns:
        As in ``metrics.json``; what does not apply to the data is absent.
    """
    trained = dict(zip(MODELS, training_figures, strict=True))
    captioner = {
        key: trained["captioner"].get(key) for key in ("bleu4", "cider_d", "exact_match", "attribute_f1")
    }
    return _present(
        {
            "data": {
                key: ingestion_summary.get(key)
                for key in ("n_train", "n_val", "n_test", "rejected", "image_size")
            },
            "captioner": captioner | {"images_per_s": trained["captioner"].get("captions_per_s")},
            **{
                key: _joined(
                    _joined(evaluation_figures[key], classes_figures.get(key, {})),
                    prompt_figures.get(key, {}),
                )
                for key in ("direct", "text", "baseline", "ceiling")
            },
            "words": words_round_trip,
            "memorisation": {
                path: memorisation_figures[path] for path in TEXT_PATHS if path in memorisation_figures
            },
            "rate": rate_figures,
            "speed": speed_table,
            "captioner_speed": captioner_speed_table,
            "training": {
                name: {key: figures.get(key) for key in TRAINING_FIGURES} for name, figures in trained.items()
            },
        }
    )


def _joined(figures: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Two groups of figures as one, with the groups in them likewise."""
    return {
        **figures,
        **{
            key: _joined(figures.get(key, {}), value) if isinstance(value, Mapping) else value
            for key, value in others.items()
        },
    }


def _present(figures: dict[str, Any]) -> dict[str, Any]:
    """Leave out what has no value, and groups of which nothing is left."""
    kept = {key: _present(value) if isinstance(value, dict) else value for key, value in figures.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}
