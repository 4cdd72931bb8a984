"""Wiring of the evaluation."""

from kedro.pipeline import Pipeline, node

from lexipix.evaluation.class_agreement import judge_classes, train_classifier
from lexipix.evaluation.collect import MODELS, collect_metrics
from lexipix.evaluation.information import measure_information
from lexipix.evaluation.memorisation import find_neighbours
from lexipix.evaluation.paths import TEXT_PATHS, Generators
from lexipix.evaluation.prompts import measure_prompts
from lexipix.evaluation.rate import measure_rate
from lexipix.pipelines.evaluation.nodes import (
    measure,
    measure_words,
    redraw,
    show_examples,
    train_evaluator,
    write_report,
)

DRAWN = [f"{path}_pictures" for path in TEXT_PATHS]
REDRAWN = ["direct_pictures", *DRAWN]
GENERATORS = Generators._fields
PARAMETERS = ["params:evaluation", "params:run"]


def create_pipeline() -> Pipeline:
    """Train the judges, redraw the test pictures by both paths, measure, show, report."""
    return Pipeline(
        [
            node(
                train_evaluator,
                [
                    *PARAMETERS,
                    "pictures",
                    "captioner",
                    "evaluator_stream",
                    "evaluator_checkpoints",
                ],
                ["evaluator", "evaluator_curves", "evaluator_figures"],
                name="train_evaluator",
            ),
            node(
                redraw,
                [*PARAMETERS, "pictures", "captioner_test_captions", "vae", *GENERATORS],
                REDRAWN,
                name="redraw",
            ),
            node(
                measure_words,
                [*PARAMETERS, "pictures", "captioner_test_captions", "words"],
                "words_round_trip",
                name="measure_words",
            ),
            node(
                measure,
                [*PARAMETERS, "pictures", "captioner_test_captions", "evaluator", "vae", *REDRAWN],
                "evaluation_figures",
                name="measure",
            ),
            node(
                train_classifier,
                [*PARAMETERS, "pictures", "classifier_stream", "classifier_checkpoints"],
                ["classifier", "classifier_curves", "classifier_figures"],
                name="train_classifier",
            ),
            node(
                judge_classes,
                [*PARAMETERS, "pictures", "classifier", "classes_checkpoints", *GENERATORS],
                "classes_figures",
                name="judge_classes",
            ),
            node(
                find_neighbours,
                [*PARAMETERS, "pictures", "captioner_test_captions", "evaluator", *DRAWN],
                ["memorisation_figures", "memorisation_sheet"],
                name="find_neighbours",
            ),
            node(
                measure_prompts,
                [*PARAMETERS, "pictures", "evaluator", *GENERATORS],
                "prompt_figures",
                name="measure_prompts",
            ),
            node(
                measure_rate,
                [*PARAMETERS, "pictures", "vae"],
                ["rate_table", "rate_figures", "rate_sheet"],
                name="measure_rate",
            ),
            node(
                measure_information,
                [
                    *PARAMETERS,
                    "pictures",
                    "captioner_test_captions",
                    "captioner",
                    "vae",
                    "prior",
                    "gan",
                    "words",
                ],
                ["information_table", "information_sheet"],
                name="measure_information",
            ),
            node(
                collect_metrics,
                [
                    "ingestion_summary",
                    "evaluation_figures",
                    "words_round_trip",
                    "classes_figures",
                    "memorisation_figures",
                    "prompt_figures",
                    "rate_figures",
                    "speed_table",
                    "captioner_speed_table",
                    *(f"{name}_figures" for name in MODELS),
                ],
                "metrics",
                name="collect_metrics",
            ),
            node(
                show_examples,
                [*PARAMETERS, "pictures", "captioner_test_captions", *REDRAWN],
                ["captions_table", "reconstructions_sheet"],
                name="show_examples",
            ),
            node(
                write_report,
                [
                    *PARAMETERS,
                    "pictures",
                    "captioner_test_captions",
                    *REDRAWN,
                    "metrics",
                    "evaluation_figures",
                    "captioner_figures",
                    "evaluator",
                    "memorisation_sheet",
                    "rate_sheet",
                    "information_sheet",
                    "attention_sheet",
                    "ingestion_sheet",
                    *(f"{name}_curves" for name in MODELS),
                ],
                ["report", "evaluation_sheet"],
                name="write_report",
            ),
        ]
    )
