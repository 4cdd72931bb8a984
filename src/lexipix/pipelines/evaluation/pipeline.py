"""Wiring of the evaluation."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.evaluation.nodes import (
    MODELS,
    collect_metrics,
    measure,
    redraw,
    redraw_in_words,
    show_examples,
    train_evaluator,
    write_report,
)

REDRAWN = ["direct_pictures", "vae_pictures", "gan_pictures", "champion_pictures"]
PATHS = [*REDRAWN, "words_pictures"]
SHIPPED = ["champion", "onnx_vae", "onnx_gan", "onnx_forms"]
PARAMETERS = ["params:evaluation", "params:run"]


def create_pipeline() -> Pipeline:
    """Train the judge, redraw the test pictures by both paths, measure, show, report."""
    return Pipeline(
        [
            node(
                train_evaluator,
                [*PARAMETERS, "pictures", "machine_choices", "evaluator_stream", "evaluator_checkpoints"],
                ["evaluator", "evaluator_curves", "evaluator_figures"],
                name="train_evaluator",
            ),
            node(
                redraw,
                [*PARAMETERS, "pictures", "captioner_test_captions", "vae", "prior", "gan", *SHIPPED],
                REDRAWN,
                name="redraw",
            ),
            node(
                redraw_in_words,
                [*PARAMETERS, "pictures", "captioner_test_captions", "words"],
                ["words_pictures", "words_round_trip"],
                name="redraw_in_words",
            ),
            node(
                measure,
                [*PARAMETERS, "pictures", "captioner_test_captions", "evaluator", "vae", *PATHS],
                "evaluation_figures",
                name="measure",
            ),
            node(
                collect_metrics,
                [
                    "ingestion_summary",
                    "evaluation_figures",
                    "words_round_trip",
                    *(f"{name}_figures" for name in MODELS),
                    "speed_table",
                    "captioner_speed_table",
                ],
                "metrics",
                name="collect_metrics",
            ),
            node(
                show_examples,
                [*PARAMETERS, "pictures", "captioner_test_captions", *PATHS],
                ["captions_table", "reconstructions_sheet"],
                name="show_examples",
            ),
            node(
                write_report,
                [
                    *PARAMETERS,
                    "pictures",
                    "captioner_test_captions",
                    *PATHS,
                    "metrics",
                    "evaluation_figures",
                    "captioner_figures",
                    "evaluator",
                    "attention_sheet",
                    "ingestion_sheet",
                    *(f"{name}_curves" for name in MODELS),
                ],
                ["report", "evaluation_sheet"],
                name="write_report",
            ),
        ]
    )
