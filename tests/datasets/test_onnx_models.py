import pytest
from kedro.io import DatasetError

from lexipix.datasets.onnx_models import OnnxModelDataset, OnnxVariantsDataset
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OnnxModel

MODEL = OnnxModel(
    {"max_tokens": 4}, {"see": b"\x01\x02", "next_word": b"\x03"}, '{"t": 1}', {"data_digest": "d"}
)


@pytest.fixture
def dataset(tmp_path):
    return OnnxModelDataset(filepath=str(tmp_path / "captioner"), made_by="kedro run --env smoke")


def test_what_is_saved_is_loaded(dataset):
    dataset.save(MODEL)
    loaded = dataset.load()
    assert (loaded.config, loaded.graphs, loaded.tokenizer) == (MODEL.config, MODEL.graphs, MODEL.tokenizer)
    assert loaded.card["data_digest"] == "d" and "code_revision" in loaded.card
    assert sorted(file.name for file in dataset.path.iterdir()) == [
        "card.json", "config.json", "next_word.onnx", "see.onnx", "tokenizer.json",
    ]  # fmt: skip


def test_a_new_export_takes_the_old_ones_place_as_a_whole(dataset):
    dataset.save(MODEL)
    dataset.save(OnnxModel({}, {"draw": b"\x01"}))
    assert sorted(file.name for file in dataset.path.iterdir()) == ["card.json", "config.json", "draw.onnx"]
    assert dataset.load().tokenizer is None


def test_missing_and_incomplete_say_what_to_run(dataset):
    assert not dataset.exists()
    with pytest.raises(
        Exception, match=r"There is no model captioner at .*: run `kedro run --env smoke` first"
    ):
        dataset.load()
    dataset.save(MODEL)
    assert dataset.exists()
    for file in dataset.path.glob("*.onnx"):
        file.unlink()
    with pytest.raises(Exception, match=r"incomplete, \*.onnx missing: run `kedro run --env smoke` again"):
        dataset.load()
    dataset.save(MODEL)
    (dataset.path / "config.json").write_text("{")
    with pytest.raises(Exception, match=r"is damaged .*not valid JSON.*: delete it and run") as caught:
        dataset.load()
    assert isinstance(caught.value, LexipixError) or isinstance(caught.value.__cause__, LexipixError)


def test_several_models_are_folders_of_one(tmp_path):
    dataset = OnnxVariantsDataset(filepath=str(tmp_path / "forms"), made_by="kedro run")
    with pytest.raises(DatasetError, match=r"There is no folder forms at .*: run `kedro run` first"):
        dataset.load()
    dataset.save({"small_onnx_fp32": MODEL, "onnx_int8": MODEL})
    assert sorted(dataset.load()) == ["onnx_int8", "small_onnx_fp32"]
    assert dataset.load()["onnx_int8"].graphs == MODEL.graphs
    one = OnnxModelDataset(filepath=str(tmp_path / "forms" / "onnx_int8"))
    assert one.load().tokenizer == MODEL.tokenizer
    dataset.save({"onnx_int8": MODEL})
    assert sorted(dataset.load()) == ["onnx_int8"], "what is not made any more is gone"
