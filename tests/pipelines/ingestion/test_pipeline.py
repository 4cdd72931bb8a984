import json

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.runner import SequentialRunner
from PIL import Image
from tests.support.exported_models import MAX_TOKENS, SAID, SIZE, saying, seeing
from tests.support.parameters import section
from tests.support.pickling_engine import PicklingEngine

from lexipix.data.tokenization import EOS_ID, PAD_ID, encode, train_tokenizer
from lexipix.datasets.image_store import ImageStoreDataset
from lexipix.datasets.onnx_models import OnnxModelDataset
from lexipix.datasets.pretrained import PretrainedModelsDataset
from lexipix.datasets.sources.sources import SourcesDataset
from lexipix.pipelines.ingestion import create_pipeline
from lexipix.pipelines.ingestion.nodes import describe_images
from lexipix.reporting.contact_sheet import contact_sheet
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SPLITS, ImageSplits, OnnxModel, Split


@pytest.fixture
def run(tmp_path):
    """Runs the pipeline on a real store; gives the pictures and the three outputs about them."""

    def go(seed=3, **parameters):
        catalog = DataCatalog(
            {
                "params:ingestion": MemoryDataset(section("ingestion", parameters)),
                "params:run": MemoryDataset(section("run", {"seed": seed})),
                "engine": MemoryDataset(PicklingEngine(), copy_mode="assign"),
                "sources": SourcesDataset(path=str(tmp_path)),
                "pretrained_models": PretrainedModelsDataset(path=str(tmp_path)),
                "image_splits": ImageStoreDataset(filepath=str(tmp_path / "store")),
                "ingestion_summary": MemoryDataset(),
                "rejects": MemoryDataset(),
                "ingestion_sheet": MemoryDataset(),
            }
        )
        SequentialRunner().run(create_pipeline(), catalog)
        return [
            catalog.load(name) for name in ("image_splits", "ingestion_summary", "rejects", "ingestion_sheet")
        ]

    return go


@pytest.fixture
def elsewhere(tmp_path):
    """An exported captioner that says the same of every picture."""
    tokenizer = train_tokenizer([SAID], 300)
    config = {"kind": "captioner", "max_tokens": MAX_TOKENS, "image_size": SIZE}
    ends = {"start_id": EOS_ID, "pad_id": PAD_ID, "eos_id": EOS_ID}
    graphs = {"see": seeing(), "next_word": saying(encode(tokenizer, [SAID], MAX_TOKENS)[0])}
    model = OnnxModel(config | ends, graphs, tokenizer.to_str())
    OnnxModelDataset(filepath=str(tmp_path / "elsewhere")).save(model)
    return "elsewhere"


SMALL = {"kind": "scenes", "scenes": {"n_train": 90, "n_val": 10, "n_test": 11}}


def test_scenes(run):
    image_splits, summary, rejects, sheet = run(source=SMALL)
    assert [len(image_splits[split]) for split in ("train", "val", "test", "pairs")] == [90, 10, 11, 0]
    assert summary["source"] == "scenes" and summary["n_pairs"] == 0
    assert json.loads(json.dumps(summary)) == summary
    assert list(rejects.columns) == ["file", "reason"] and rejects.empty
    assert sheet.dtype == np.uint8 and sheet.ndim == 3
    withheld = image_splits.train.captions.withheld_caption.notna()
    assert withheld.sum() == summary["uncaptioned"] == image_splits.train.captions.caption.isna().sum() > 0
    assert image_splits.val.captions.caption.notna().all()


def test_a_second_run_gives_the_same_and_another_seed_does_not(run):
    digest = run(source=SMALL)[1]["digest"]
    assert run(source=SMALL)[1]["digest"] == digest
    assert run(source=SMALL, seed=4)[1]["digest"] != digest


def test_shards_hold_the_same_images(run):
    whole = run(source=SMALL)
    sharded = run(source=SMALL, shard_rows=32)
    for split in SPLITS:
        np.testing.assert_array_equal(sharded[0][split].images, whole[0][split].images)
    assert sharded[1] == whole[1] and np.array_equal(sharded[3], whole[3])
    assert len(sharded[0].train.images.shard_ends) == 4


def write_folder(root, n_images=150):
    root.mkdir()
    rng = np.random.default_rng(0)
    for number in range(n_images):
        pixels = rng.integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{number:03}.png")
        (root / f"{number:03}.txt").write_text(f"图 {number}", encoding="utf-8")


def test_folder(run, tmp_path):
    write_folder(tmp_path / "in")
    (tmp_path / "in/bad.png").write_text("no image")
    (tmp_path / "in/twin.png").write_bytes((tmp_path / "in/000.png").read_bytes())
    image_splits, summary, rejects, _ = run(source={"kind": "folder", "path": "in"}, image_size=16)
    assert sum(len(image_splits[split]) for split in ("train", "val", "test", "pairs")) == 150
    assert rejects.to_dict("records") == [
        {"file": "bad.png", "reason": "not an image in a known format"},
        {"file": "twin.png", "reason": "duplicate of 000.png"},
    ]
    assert (summary["rejected"], summary["duplicates"]) == (2, 1)
    captions = pd.concat([image_splits[split].captions for split in ("train", "val", "test", "pairs")])
    assert set(captions.caption) == {f"图 {number}" for number in range(150)}
    assert captions.digest.is_unique


def test_a_concept_is_in_one_split_and_some_styles_are_held_out(run, tmp_path):
    root, rng, rows = tmp_path / "in", np.random.default_rng(0), []
    root.mkdir()
    for number in range(300):
        for style in ("noto", "twemoji"):
            name = f"{number}-{style}.png"
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(root / name)
            rows.append(json.dumps({"file_name": name, "text": f"thing {number}, {style}", "style": style}))
    (root / "metadata.jsonl").write_text("\n".join(rows))
    image_splits, summary, _, _ = run(source={"kind": "folder", "path": "in"}, image_size=16)
    assert (summary["split_by"], summary["style_field"]) == ("concept", "style")
    names = {split: [text.split(",")[0] for text in image_splits[split].captions.caption] for split in SPLITS}
    assert set(names["test"]).isdisjoint(names["train"] + names["val"] + names["pairs"])
    assert set(names["val"]).isdisjoint(names["train"] + names["pairs"])
    assert 10 < len(names["pairs"]) == len(set(names["pairs"])) < 50
    assert set(names["pairs"]) <= set(names["train"]), "each is trained on in the other style"
    assert summary["n_pairs"] == len(names["pairs"])

    image_splits, summary, _, _ = run(
        source={"kind": "folder", "path": "in"}, image_size=16, splits={"by": "image", "pairs": 0}
    )
    assert (summary["split_by"], summary["n_pairs"]) == ("image", 0)
    names = {split: [text.split(",")[0] for text in image_splits[split].captions.caption] for split in SPLITS}
    assert set(names["test"]) & set(names["train"])


def test_the_sheet_names_pictures_whose_captions_no_font_can_draw(system_fonts):
    system_fonts()
    table = pd.DataFrame({"paraphrases": [["a heart"], [], []]})
    examples = [
        {"row": row, "file": f"{row}.png", "caption": text} for row, text in enumerate(["心", "星", None])
    ]
    counts = dict.fromkeys(["n_train", "n_val", "n_test", "n_pairs", "rejected"], 1)
    summary = {"source": "folder", "image_size": 8, "examples": examples} | counts
    split = Split(np.zeros((3, 8, 8, 3), np.uint8), table)
    sheet = describe_images(ImageSplits(split, split, split, split, summary))[2]
    captions = ["a heart", "1.png", "(no caption)"]
    title = "folder: 1 train, 1 val, 1 test, 1 pairs; 1 rejected"
    np.testing.assert_array_equal(sheet, contact_sheet(split.images, captions, scale=12, title=title))


def test_a_captioner_from_elsewhere_describes_what_has_no_text(run, tmp_path, elsewhere):
    write_folder(tmp_path / "in")
    for number in range(0, 150, 10):
        (tmp_path / f"in/{number:03}.txt").unlink()
    image_splits, summary, _, _ = run(
        source={"kind": "folder", "path": "in"}, image_size=24, captioner=elsewhere, allow_uncaptioned=False
    )
    table = pd.concat([image_splits[split].captions for split in ("train", "val", "test", "pairs")])
    written = table[table.caption_source == "generated"]
    assert set(written.file) == {f"{number:03}.png" for number in range(0, 150, 10)}
    assert set(written.caption) == {SAID} and (table.caption_source == "given").sum() == 135
    assert (summary["described"], summary["uncaptioned"]) == (15, 0)


def test_a_folder_that_holds_no_captioner(run, tmp_path):
    write_folder(tmp_path / "in")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    with pytest.raises(
        LexipixError, match=r"ingestion\.captioner = 'model' is not an exported captioner, token"
    ):
        run(source={"kind": "folder", "path": "in"}, image_size=16, captioner="model")


def test_a_source_that_cannot_be_read_stops_before_anything_is_written(run, tmp_path):
    with pytest.raises(LexipixError, match=r"ingestion\.source\.path is .*gone, which does not exist"):
        run(source={"kind": "folder", "path": "gone"})
    assert not (tmp_path / "store").exists()


def test_too_many_rejects_leave_no_store(run, tmp_path):
    write_folder(tmp_path / "in", 20)
    for number in range(10):
        (tmp_path / f"in/bad{number}.png").touch()
    with pytest.raises(DatasetError, match=r"10 of 30 images .* bad0\.png: empty file") as error:
        run(source={"kind": "folder", "path": "in"}, image_size=16)
    assert isinstance(error.value.__cause__.__cause__, LexipixError), "the command line looks for it there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_interrupted_while_reading(run, tmp_path, monkeypatch):
    from lexipix.datasets.sources import entry_reading

    write_folder(tmp_path / "in")
    read_image, n_read = entry_reading.read_image, 0

    def interrupted(*args):
        nonlocal n_read
        n_read += 1
        if n_read == 60:
            raise KeyboardInterrupt
        return read_image(*args)

    with monkeypatch.context() as patch:
        patch.setattr(entry_reading, "read_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(source={"kind": "folder", "path": "in"}, image_size=16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert run(source={"kind": "folder", "path": "in"}, image_size=16)[1]["rejected"] == 0
