"""The model card of an exported model."""

import json
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from tests.support.example_metrics import METRICS

from lexipix.reporting.model_card import CardFacts, escaped, render_model_card

FACTS = CardFacts(
    name="stars",
    form="onnx",
    license="cc-by-4.0",
    config={"family": "gan", "image_size": 32, "image_channels": 3, "known_words": ["red", "star"]},
    card={"metrics": {"images_seen": 320, "seconds": 3.1}, "code_revision": "51d39d8"},
    holds_images=False,
    summary={
        "source": "scenes",
        "n_train": 9000,
        "n_val": 500,
        "n_test": 1000,
        "rejected": 3,
        "digest": "2957",
    },
    metrics=METRICS | {"text": METRICS["text"] | {"champion": METRICS["text"]["gan"]}},
    prompts=["a red star", "a big star"],
)


def test_the_hub_reads_its_head():
    card = ModelCard(render_model_card(FACTS))
    data = card.data
    assert (data.license, data.pipeline_tag, data.library_name) == ("cc-by-4.0", "text-to-image", "lexipix")
    assert data.tags == ["lexipix", "text-to-image", "onnx", "gan"] and data.model_name == "stars"
    values = {result.metric_name: result.metric_value for result in data.eval_results}
    assert values["PSNR (direct path)"] == 33.12 and values["R-precision (text path)"] == 0.88
    assert {result.dataset_name for result in data.eval_results} == {"embedded scenes, test split"}
    assert {result.dataset_split for result in data.eval_results} == {"test"}


def test_figures_stand_beside_their_baselines_and_the_best_possible():
    text = render_model_card(FACTS)
    part = text.split("### Picture to generated caption to picture (text path)")[1].split("###")[0]
    (row,) = [line for line in part.splitlines() if line.startswith("| R-precision ")]
    heading = part.split("|---")[0].strip()
    cells = dict(
        zip(
            [cell.strip() for cell in heading.strip("|").split("|")],
            [cell.strip() for cell in row.strip("|").split("|")],
            strict=True,
        )
    )
    assert cells["champion"] == "88.0%" and cells["shuffled captions"] == "1.1%"
    assert cells["best possible"] == "97.1%" and cells["mean image"] == "–"


def test_data_use_limits_and_samples_are_told():
    text = render_model_card(FACTS)
    assert "- Images: 9,000 train, 500 val, 1,000 test; 3 rejected" in text
    assert 'from_pretrained("stars")' in text and 'pipe("a red star", num_images=4' in text
    assert "needs no torch" in text and "the 2 words of its training captions" in text
    assert "- `samples/0001.png`: a big star" in text and "](samples/sheet.png)" in text
    assert "training images, so that its files hold these" not in text
    other = render_model_card(replace(FACTS, holds_images=True, form="safetensors"))
    assert "training images, so that its files hold these" in other and "needs torch" in other


def test_a_data_set_of_the_hub_is_named():
    summary = FACTS.summary | {"source": "folder", "repository": "user/stars@v1", "revision": "0a1b"}
    text = render_model_card(replace(FACTS, summary=summary))
    assert ModelCard(text).data.datasets == ["user/stars"]
    assert "- Revision: `0a1b`" in text and "the data set user/stars@v1" in text


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>", "a | b", "[x](javascript:alert(1))", "![x](http://y/z.png)", "# x",
        "---\nlicense: mit\n---", "{{ 7 * 7 }}", "\x1b[31mred", "`id`", "a\n\n- b", '"""\nimport os', "$x$",
    ],
)  # fmt: skip
def test_no_caption_becomes_a_part_of_the_page(hostile):
    text = render_model_card(replace(FACTS, prompts=[hostile, "a star"]))
    for code in ("<script", "](javascript", "](http://y", "\x1b"):
        assert code not in text.replace(f"pipe({json.dumps(hostile)}", "")
    assert f"- `samples/0000.png`: {escaped(hostile)}\n- `samples/0001.png`" in text, "one line"
    plain = render_model_card(replace(FACTS, prompts=["a", "a star"]))
    assert text.count("\n") == plain.count("\n")
    assert ModelCard(text).data.license == "cc-by-4.0"


def test_what_is_escaped_reads_as_before():
    assert escaped("a  *red* <b> star\n") == r"a \*red\* &lt;b&gt; star"
