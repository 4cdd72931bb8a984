"""What the MLflow UI shows first of an experiment: its description, and two views of its runs.

Left to itself the UI shows neither a figure in the list of runs nor a picture without all parameters above
it. A saved view is a tag of the experiment; the format is that of MLflow 3.17's ``Views`` menu.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

VIEW_TAG = "mlflow.sharedViewState."
PICTURES, FIGURES = "pictures", "figures"
_NOTE = "mlflow.note.content"
_CREATED = 1_767_225_600_000  # the same in every store: milliseconds at the start of 2026

# In the list of runs, those that README's tables begin with.
COLUMNS = (
    "captioner.cider_d",
    "direct.psnr",
    "direct.ssim",
    "text.champion.ssim",
    "text.champion.r_precision",
    "text.champion.attribute_accuracy",
    "text.champion.kid",
    "speed.champion.images_per_s",
)
# Section -> keys of pictures, and how many stand in a row
SECTIONS: Mapping[str, tuple[Sequence[str], int]] = {
    "Test pictures": (("evaluation/paths", "evaluation/reconstructions"), 1),
    "While training": (tuple(f"{name}/samples" for name in ("vae", "prior", "gan", "small", "pruned")), 3),
    "More": (("captioner/attention", "compression/frontier", "ingestion/sample", "generation/prompts"), 2),
}


def experiment_tags(experiment_id: str) -> dict[str, str]:
    """Give the tags that make an experiment show pictures and figures first.

    Args:
        experiment_id: For the links in its description.
    """
    return {
        # Without it the UI takes the experiment for one with chatbots and hides the charts of a training.
        "mlflow.experimentKind": "custom_model_development",
        f"{VIEW_TAG}{PICTURES}": _view("Pictures side by side", _state() | _charts()),
        f"{VIEW_TAG}{FIGURES}": _view("Figures", _state()),
        _NOTE: (
            f"[Pictures side by side]({link(experiment_id, PICTURES, 'CHART')}) · "
            f"[figures in a table]({link(experiment_id, FIGURES, 'TABLE')})"
        ),
    }


def link(experiment_id: str, view: str, mode: str) -> str:
    """Give the address of a view inside the UI.

    Args:
        experiment_id: The experiment.
        view: ``PICTURES`` or ``FIGURES``.
        mode: ``CHART`` for charts and pictures, ``TABLE`` for the list.
    """
    return (
        f"#/experiments/{experiment_id}/runs?workflowType=machine_learning"
        f"&viewStateShareKey={view}&compareRunsMode={mode}"
    )


def _view(name: str, state: Mapping[str, Any]) -> str:
    text = json.dumps(state, separators=(",", ":"))
    return json.dumps({"name": name, "createdAt": _CREATED, "state": text}, separators=(",", ":"))


def _state() -> dict[str, Any]:
    return {"selectedColumns": [f"metrics.`{name}`" for name in COLUMNS]}


def _charts() -> dict[str, Any]:
    sections, charts = [], []
    for name, (keys, columns) in SECTIONS.items():
        section = name.lower().replace(" ", "-")
        sections.append(
            {"uuid": section, "name": name, "display": True, "isReordered": False, "columns": columns}
            | {"cardHeight": 420}
        )
        charts += [
            {
                "type": "IMAGE",
                "uuid": key,
                "metricSectionId": section,
                "imageKeys": [key],
                "step": 0,
                "showRunParams": False,
                "runsCountToCompare": 10,
                "deleted": False,
                "isGenerated": False,
            }
            for key in keys
        ]
    return {"compareRunSections": sections, "compareRunCharts": charts, "isAccordionReordered": True}
