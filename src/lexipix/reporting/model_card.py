"""The model card of an exported model: Markdown with a YAML head, as the Hugging Face Hub reads it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexipix.reporting import metric_specs, tables
from lexipix.reporting.metric_specs import MetricSpec, lookup
from lexipix.reporting.summary import GENERATORS
from lexipix.utils.terminal import inert

SHEET = "samples/sheet.png"
TASK = "text-to-image"
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~<>$-])")
_NAMES = {"scenes": "embedded scenes", "cifar10": "CIFAR-10", "folder": "a user's own pictures"}
_NEEDS = {
    "onnx": "It runs in ONNX Runtime and needs no torch.",
    "safetensors": "It holds the uncompressed networks and needs torch.",
}
# What the head lists of metrics.json: where, the name there, and how it is shown
_LISTED: tuple[tuple[tuple[str, ...], str, Mapping[str, MetricSpec]], ...] = (
    (("direct",), "direct path", metric_specs.DIRECT),
    (("text", "champion"), "text path", metric_specs.TEXT),
    (("prompts", "unseen", "champion"), "true captions of test images", metric_specs.PROMPTS),
)


@dataclass(frozen=True)
class CardFacts:
    """What a model card is made from.

    Attributes:
        name: Of the model.
        form: ``onnx`` or ``safetensors``.
        license: Identifier of a licence, such as ``mit``.
        config: Of the champion.
        card: Of its generator: parameters, data digest, metrics, code revision.
        holds_images: Whether the files hold training images, which the generator retrieves.
        summary: Of the ingestion.
        metrics: As in ``metrics.json``.
        prompts: Of the samples ``samples/0000.png`` and so on.
    """

    name: str
    form: str
    license: str
    config: Mapping[str, Any]
    card: Mapping[str, Any]
    holds_images: bool
    summary: Mapping[str, Any]
    metrics: Mapping[str, Any]
    prompts: Sequence[str]

    @property
    def source(self) -> str:
        """The kind of the data, or the name of its repository."""
        return str(self.summary.get("repository", self.summary.get("source", "folder")))

    @property
    def data_name(self) -> str:
        """The data in words."""
        return _NAMES.get(self.source, f"the data set {escaped(self.source)}")


def render_model_card(facts: CardFacts) -> str:
    """Renders the card. Captions and names are escaped, so that none becomes a part of the page's code."""
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - it makes Markdown, whose parts are escaped here
        loader=jinja2.PackageLoader("lexipix.reporting", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    family = GENERATORS[str(facts.config["family"])].removeprefix("the ")
    text = environment.get_template("model_card.md.j2").render(
        head=_head(facts),
        name=escaped(facts.name),
        path=json.dumps(inert(facts.name), ensure_ascii=False),
        family=f"A {family}",
        size=facts.config["image_size"],
        channels=facts.config.get("image_channels", 3),
        data_name=facts.data_name,
        sheet=SHEET,
        example=json.dumps(inert(facts.prompts[0]), ensure_ascii=False),
        needs=_NEEDS[facts.form],
        data=_data(facts),
        tables=_tables(facts.metrics),
        samples="\n".join(
            f"- `samples/{number:04d}.png`: {escaped(prompt)}" for number, prompt in enumerate(facts.prompts)
        ),
        limits=list(_limits(facts)),
        training=_training(facts),
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def escaped(text: str) -> str:
    """A text that Markdown and HTML show as it is, in one line."""
    return _MARKS.sub(r"\\\1", html.escape(" ".join(inert(text).split()), quote=False))


def _head(facts: CardFacts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=facts.source,
            dataset_name=f"{_NAMES.get(facts.source, facts.source)}, test split",
            dataset_split="test",
            metric_type=key,
            metric_name=f"{spec.name} ({where})",
            metric_value=value,
        )
        for path, where, specs in _LISTED
        for key, spec in specs.items()
        if (value := lookup(facts.metrics, *path, key)) is not None
    ]
    data = ModelCardData(
        model_name=facts.name,
        license=facts.license,
        library_name="lexipix",
        pipeline_tag=TASK,
        tags=["lexipix", TASK, facts.form, str(facts.config["family"])],
        datasets=[facts.source.partition("@")[0]] if "repository" in facts.summary else None,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _tables(metrics: Mapping[str, Any]) -> dict[str, tables.Table]:
    found = {
        "Picture to latent to picture (direct path)": tables.direct_table(metrics),
        "Picture to generated caption to picture (text path)": tables.text_table(metrics, {}, {}),
        **tables.prompts_tables(metrics.get("prompts", {})),
    }
    return {title: table for title, table in found.items() if table is not None}


def _data(facts: CardFacts) -> dict[str, str]:
    summary = facts.summary
    counts = ", ".join(
        f"{summary[f'n_{split}']:,} {split}"
        for split in ("train", "val", "test", "pairs")
        if f"n_{split}" in summary
    )
    found = {
        "Source": facts.data_name,
        "Revision": f"`{summary['revision']}`" if "revision" in summary else "",
        "Images": f"{counts}; {summary.get('rejected', 0):,} rejected",
        "Without a caption": f"{summary['uncaptioned']:,}" if summary.get("uncaptioned") else "",
        "Captions by a captioner": f"{summary['described']:,}" if summary.get("described") else "",
        "Digest": f"`{summary.get('digest', '')}`",
    }
    return {key: value for key, value in found.items() if value}


def _limits(facts: CardFacts) -> Iterator[str]:
    n_words, size = len(facts.config.get("known_words", [])), facts.config["image_size"]
    yield (
        f"It knows the {n_words:,} words of its training captions, and ignores or guesses all others: prompt "
        "for what the captions name."
    )
    yield f"Images have {size}x{size} pixels."
    if facts.holds_images:
        yield "It retrieves and edits training images, so that its files hold these: publish both or none."
    drawn = facts.metrics.get("memorization", {}).get("champion", {})
    if (share := lookup(drawn, "very_near_share")) is not None:
        yield (
            f"{share:.1%} of its images were very near to a training image, as the evaluation measured; "
            "others may be too."
        )
    yield "It draws what its pictures and captions show, with their gaps and prejudices."
    yield "Nothing filters prompts or images."
    yield "The licence of the pictures and captions may limit the use of the model."


def _training(facts: CardFacts) -> dict[str, str]:
    metrics = facts.card.get("metrics", {})
    found = {
        "Generator": GENERATORS[str(facts.config["family"])],
        "Images seen": f"{metrics['images_seen']:,}" if "images_seen" in metrics else "",
        "Seconds": f"{metrics['seconds']:,.0f}" if "seconds" in metrics else "",
        "Code revision": f"`{facts.card['code_revision']}`" if "code_revision" in facts.card else "",
    }
    return {key: value for key, value in found.items() if value}
