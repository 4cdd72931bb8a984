"""Data sets of the Hugging Face Hub by name, without a network."""

import types

import huggingface_hub
import pytest
from huggingface_hub import errors

from lexipix.datasets.sources import hub
from lexipix.datasets.sources.sources import SourcesDataset
from lexipix.utils.errors import LexipixError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("user/emoji-set", True), ("user/emoji@v1.0", True), ("user/emoji@refs/pr/1", True),
        ("nowhere", False), ("/data/emoji", False), ("a/b/c", False), ("./emoji", False), ("~/emoji", False),
        ("pictures/emojis", False), ("pictures/emoji", False), ("../a", False), ("user/", False),
    ],
)  # fmt: skip
def test_what_looks_like_a_repository(tmp_path, path, expected):
    (tmp_path / "pictures/emoji").mkdir(parents=True)
    assert hub.is_repository(path, tmp_path) is expected


@pytest.fixture
def snapshot(monkeypatch):
    """Replaces the download by a function; the calls are in the list that is returned."""

    def replace(answer):
        calls = []

        def download(repository, **options):
            calls.append((repository, options["revision"], options["repo_type"]))
            if isinstance(answer, Exception):
                raise answer
            return answer(bool(options.get("dry_run")))

        monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
        return calls

    return replace


def test_a_repository_is_a_folder_in_the_cache(tmp_path, make_picture, parameters, snapshot):
    folder = tmp_path / "cache/snapshots/0a1b"
    make_picture(folder / "a.png")
    (folder / "a.txt").write_text("a star")
    calls = snapshot(lambda is_dry: [] if is_dry else str(folder))
    open_source = SourcesDataset(path=str(tmp_path)).load()
    source = open_source(parameters(source={"path": "user/stars@main"}), 0)
    assert [item.caption for item in source.read()] == ["a star"]
    assert calls == [("user/stars", "main", "dataset")] * 2
    assert (source.facts["repository"], source.facts["revision"]) == ("user/stars@main", "0a1b")


def refusal(kind, status):
    """An error of the Hub for an answer with a status."""
    return kind("refused", response=types.SimpleNamespace(status_code=status, headers={}, request=None))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (lambda: refusal(errors.RepositoryNotFoundError, 404), "has no such data set"),
        (lambda: refusal(errors.RevisionNotFoundError, 404), "has no such data set"),
        (lambda: errors.HFValidationError("bad name"), "has no such data set"),
        (lambda: refusal(errors.GatedRepoError, 401), "asks for a consent"),
        (lambda: errors.LocalEntryNotFoundError("offline"), "cannot be reached: .*hf download user/stars"),
        (lambda: ConnectionError("no route"), "cannot be reached: .*where there is a network"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(tmp_path, parameters, snapshot, error, said):
    snapshot(error())
    with pytest.raises(LexipixError, match=f"ingestion.source.path is user/stars, .*{said}"):
        SourcesDataset(path=str(tmp_path)).load()(parameters(source={"path": "user/stars"}), 0)


def test_a_huge_repository_is_refused_before_its_download(tmp_path, parameters, snapshot):
    huge = types.SimpleNamespace(file_size=10**12, will_download=True)
    calls = snapshot(lambda is_dry: [huge])
    with pytest.raises(LexipixError, match="has 1,000 GB, allowed are 100"):
        hub.download("user/stars")
    assert len(calls) == 1


def test_offline_without_a_copy_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(LexipixError, match="cannot be reached"):
        hub.download("user/stars")
