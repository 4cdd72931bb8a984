"""A model that runs without torch as a folder: config.json, *.onnx, tokenizer.json, card.json."""

from pathlib import Path

from lexipix.datasets.base import FolderDataset
from lexipix.datasets.code_revision import code_revision
from lexipix.datasets.models import CARD, CONFIG, TOKENIZER, _read_json, _write_json
from lexipix.errors import LexipixError
from lexipix.records import OnnxModel


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
        tokenizer = path / TOKENIZER
        return OnnxModel(
            config=_read_json(path / CONFIG),
            graphs={file.stem: file.read_bytes() for file in sorted(path.glob("*.onnx"))},
            tokenizer=tokenizer.read_text(encoding="utf-8") if tokenizer.is_file() else None,
            card=_read_json(path / CARD),
        )

    def _write(self, path: Path, data: OnnxModel) -> None:
        _write_json(path / CONFIG, data.config)
        for name, content in data.graphs.items():
            (path / f"{name}.onnx").write_bytes(content)
        if data.tokenizer is not None:
            (path / TOKENIZER).write_text(data.tokenizer, encoding="utf-8")
        _write_json(path / CARD, {**data.card, "code_revision": code_revision()})
