"""Models that run without torch as folders: config.json, *.onnx, tokenizer.json, card.json."""

from dataclasses import replace
from pathlib import Path

from kedro_datasets._typing import JSONPreview

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.models import write_json
from lexipix.utils.errors import LexipixError
from lexipix.utils.git import code_revision
from lexipix.utils.model_files import CARD, CONFIG, TOKENIZER, read_onnx_model, read_onnx_pipeline
from lexipix.utils.types import OnnxModel, OnnxPipeline


class OnnxModelDataset(FolderDataset[OnnxModel]):
    """An ``OnnxModel`` as a folder; the code revision joins the card when it is saved."""

    def load(self) -> OnnxModel:
        name, hint = self.path.name, f"run `{self.made_by}`" if self.made_by else "export it"
        if not self.path.is_dir():
            raise LexipixError(f"There is no model {name} at {self.path}: {hint} first.")
        missing = [file for file in (CONFIG, CARD) if not (self.path / file).is_file()]
        missing += [] if any(self.path.glob("*.onnx")) else ["*.onnx"]
        if missing:
            raise LexipixError(
                f"The model {name} at {self.path} is incomplete, {', '.join(missing)} missing: {hint} again."
            )
        try:
            return self._read(self.path)
        except LexipixError as error:
            raise LexipixError(f"{error} The model {name} cannot be used: {hint} again.") from error

    def _read(self, path: Path) -> OnnxModel:
        return read_onnx_model(path)

    def _write(self, path: Path, data: OnnxModel) -> None:
        write_model(path, data)

    def preview(self) -> JSONPreview:
        """Show the model's card in Kedro-Viz."""
        return JSONPreview((self.path / CARD).read_text(encoding="utf-8"))


class OnnxFormsDataset(FolderDataset[dict[str, OnnxModel]]):
    """Several models by name, each a folder of its own inside one; names are those of the folders."""

    def load(self) -> dict[str, OnnxModel]:
        if not self.path.is_dir():
            hint = f"run `{self.made_by}`" if self.made_by else "export them"
            raise LexipixError(f"There are no models at {self.path}: {hint} first.")
        return self._read(self.path)

    def _read(self, path: Path) -> dict[str, OnnxModel]:
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
        return {
            folder.name: OnnxModelDataset(filepath=str(folder), made_by=self.made_by).load()
            for folder in folders
        }

    def _write(self, path: Path, data: dict[str, OnnxModel]) -> None:
        for name, model in data.items():
            folder = path / name
            folder.mkdir()
            write_model(folder, model)


class OnnxPipelineDataset(FolderDataset[OnnxPipeline]):
    """An ``OnnxPipeline`` as one self-contained folder: a folder per model, and their common tokenizer."""

    def _read(self, path: Path) -> OnnxPipeline:
        hint = f"run `{self.made_by}`" if self.made_by else "export it"
        missing = [file for file in (CONFIG, CARD) if not (path / file).is_file()]
        if missing:
            raise LexipixError(
                f"The model at {path} is incomplete, {', '.join(missing)} missing: {hint} again."
            )
        return read_onnx_pipeline(path)

    def _write(self, path: Path, data: OnnxPipeline) -> None:
        write_json(path / CONFIG, data.config)
        shared = next((model.tokenizer for model in data.models.values() if model.tokenizer), None)
        if shared is not None:
            (path / TOKENIZER).write_text(shared, encoding="utf-8")
        for name, model in data.models.items():
            (path / name).mkdir()
            own = None if model.tokenizer == shared else model.tokenizer
            write_model(path / name, replace(model, tokenizer=own))
        write_json(path / CARD, {**data.card, "code_revision": code_revision()})

    def preview(self) -> JSONPreview:
        """Show the configuration in Kedro-Viz."""
        return JSONPreview((self.path / CONFIG).read_text(encoding="utf-8"))


def write_model(path: Path, data: OnnxModel) -> None:
    """Write a model into an existing empty folder."""
    write_json(path / CONFIG, data.config)
    for name, content in data.graphs.items():
        (path / f"{name}.onnx").write_bytes(content)
    if data.tokenizer is not None:
        (path / TOKENIZER).write_text(data.tokenizer, encoding="utf-8")
    write_json(path / CARD, {**data.card, "code_revision": code_revision()})
