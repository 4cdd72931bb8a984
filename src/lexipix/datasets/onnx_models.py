"""Models that run without torch as folders: config.json, *.onnx, tokenizer.json, card.json."""

from dataclasses import replace
from pathlib import Path

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.models import ModelDataset, write_arrays, write_texts
from lexipix.utils.model_files import CARD, CONFIG, WEIGHTS, read_onnx_model, read_onnx_pipeline
from lexipix.utils.types import OnnxModel, OnnxPipeline


class OnnxModelDataset(ModelDataset[OnnxModel]):
    """An ``OnnxModel`` as a folder."""

    required = (CONFIG, CARD, "*.onnx")

    def _read(self, path: Path) -> OnnxModel:
        return read_onnx_model(path)

    def _write(self, path: Path, data: OnnxModel) -> None:
        for name, content in data.graphs.items():
            (path / f"{name}.onnx").write_bytes(content)
        if data.arrays:
            write_arrays(path / WEIGHTS, data.arrays)
        write_texts(path, data)


class OnnxVariantsDataset(FolderDataset[dict[str, OnnxModel]]):
    """Several exported models by name; each is a folder of that name inside one."""

    def _read(self, path: Path) -> dict[str, OnnxModel]:
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
        return {folder.name: self._model(folder).load() for folder in folders}

    def _write(self, path: Path, data: dict[str, OnnxModel]) -> None:
        for name, model in data.items():
            self._model(path / name).save(model)

    def _model(self, folder: Path) -> OnnxModelDataset:
        return OnnxModelDataset(filepath=str(folder), made_by=self.made_by)


class OnnxPipelineDataset(ModelDataset[OnnxPipeline]):
    """An ``OnnxPipeline`` as one self-contained folder: a folder per model, common tokenizer and arrays."""

    def _read(self, path: Path) -> OnnxPipeline:
        return read_onnx_pipeline(path)

    def _write(self, path: Path, data: OnnxPipeline) -> None:
        if data.arrays:
            write_arrays(path / WEIGHTS, data.arrays)
        for name, model in data.models.items():
            own = None if model.tokenizer == data.tokenizer else model.tokenizer
            OnnxModelDataset(filepath=str(path / name)).save(replace(model, tokenizer=own, arrays={}))
        write_texts(path, data)
