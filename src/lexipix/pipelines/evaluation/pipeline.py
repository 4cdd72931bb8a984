"""Wiring of the evaluation."""

from kedro.pipeline import Pipeline, node

from lexipix.evaluation.metrics_json import MODELS
from lexipix.evaluation.text_paths import TEXT_PATHS, Generators
from lexipix.pipelines.evaluation import nodes

PARAMETERS = ["params:evaluation", "params:run"]
TEST = [*PARAMETERS, "image_splits", "captioner_test_captions"]
TEXT_IMAGES = [f"{path}_images" for path in TEXT_PATHS]
IMAGES = ["direct_images", *TEXT_IMAGES]
GENERATORS = Generators._fields
SHEETS = ["memorization_sheet", "rate_sheet", "information_sheet", "attention_sheet", "ingestion_sheet"]
CURVES = [f"{name}_curves" for name in MODELS]
REPORTED = ["image_splits", "evaluator", "metrics", "evaluation_metrics", "captioner_metrics"]


def create_pipeline() -> Pipeline:
    """Trains the evaluators, draws the test images by both paths, measures, reports."""
    return Pipeline(
        [
            node(
                nodes.train_evaluator,
                [*PARAMETERS, "image_splits", "evaluator_stream", "evaluator_checkpoints", "engine"],
                ["evaluator", "evaluator_curves", "evaluator_metrics"],
                name="train_evaluator",
            ),
            node(
                nodes.train_classifier,
                [*PARAMETERS, "image_splits", "classifier_stream", "classifier_checkpoints", "engine"],
                ["classifier", "classifier_curves", "classifier_metrics"],
                name="train_classifier",
            ),
            node(
                nodes.draw_test_images, [*TEST, "vae", "engine", *GENERATORS], IMAGES, name="draw_test_images"
            ),
            node(nodes.measure_tokens, [*TEST, "tokens"], "tokens_round_trip", name="measure_tokens"),
            node(
                nodes.measure_images,
                [*TEST, "evaluator", "vae", "engine", *IMAGES],
                "evaluation_metrics",
                name="measure_images",
            ),
            node(
                nodes.measure_classes,
                [*PARAMETERS, "image_splits", "classifier", "classes_checkpoints", "engine", *GENERATORS],
                "classes_metrics",
                name="measure_classes",
            ),
            node(
                nodes.measure_memorization,
                [*TEST, "evaluator", "engine", *TEXT_IMAGES],
                ["memorization_metrics", "memorization_sheet"],
                name="measure_memorization",
            ),
            node(
                nodes.measure_prompts,
                [*PARAMETERS, "image_splits", "evaluator", "engine", *GENERATORS],
                "prompt_metrics",
                name="measure_prompts",
            ),
            node(
                nodes.measure_rate,
                [*PARAMETERS, "image_splits", "vae"],
                ["rate_table", "rate_metrics", "rate_sheet"],
                name="measure_rate",
            ),
            node(
                nodes.measure_information,
                [*TEST, "captioner", "vae", "prior", "gan", "tokens"],
                ["information_table", "information_sheet"],
                name="measure_information",
            ),
            node(
                nodes.collect_metrics,
                {
                    "summary": "ingestion_summary",
                    "paths": "evaluation_metrics",
                    "tokens": "tokens_round_trip",
                    "classes": "classes_metrics",
                    "memorization": "memorization_metrics",
                    "prompts": "prompt_metrics",
                    "rate": "rate_metrics",
                    "speed": "speed_table",
                    "captioner_speed": "captioner_speed_table",
                    **{f"{name}_metrics": f"{name}_metrics" for name in MODELS},
                },
                "metrics",
                name="collect_metrics",
            ),
            node(
                nodes.show_examples,
                ["params:evaluation", "image_splits", "captioner_test_captions", *IMAGES],
                ["captions_table", "reconstructions_sheet"],
                name="show_examples",
            ),
            node(
                nodes.write_report,
                {
                    "evaluation": "params:evaluation",
                    "run": "params:run",
                    "test_captions": "captioner_test_captions",
                    **{name: name for name in (*REPORTED, *IMAGES, *SHEETS, *CURVES)},
                },
                ["report", "evaluation_sheet"],
                name="write_report",
            ),
        ]
    )
