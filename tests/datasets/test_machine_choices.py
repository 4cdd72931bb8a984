import json

from lexipix.datasets.machine_choices import MachineChoices, MachineChoicesDataset, this_machine


def test_choices_are_there_the_next_time(tmp_path):
    dataset = MachineChoicesDataset(path=str(tmp_path / "deep/choices.json"))
    choices = dataset.load()
    assert dict(choices) == {} and "vae" not in choices
    choices["vae"] = "cpu/bf16"
    assert dict(dataset.load()) == {"vae": "cpu/bf16"}
    del choices["vae"]
    assert len(dataset.load()) == 0


def test_each_machine_has_its_own(tmp_path):
    path = tmp_path / "choices.json"
    MachineChoices(path, "one")["vae"] = "cpu/bf16"
    other = MachineChoices(path, "other")
    assert "vae" not in other
    other["vae"] = "cpu/fp32"
    assert MachineChoices(path, "one")["vae"] == "cpu/bf16"
    assert json.loads(path.read_text()) == {"one": {"vae": "cpu/bf16"}, "other": {"vae": "cpu/fp32"}}


def test_a_copy_of_the_project_uses_the_projects_own(tmp_path, monkeypatch):
    project, copy = tmp_path / "project", tmp_path / "copy"
    for folder in (project / ".dvc", copy):
        folder.mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(project))
    MachineChoicesDataset(path=str(copy / "data/choices.json")).load()["vae"] = "cpu/bf16"
    assert (project / "data/choices.json").is_file() and not (copy / "data").exists()
    assert dict(MachineChoicesDataset(path="data/choices.json").load()) == {"vae": "cpu/bf16"}
    elsewhere = MachineChoicesDataset(path=str(tmp_path / "choices.json"))
    assert elsewhere.path == tmp_path / "choices.json"
    monkeypatch.delenv("DVC_ROOT")
    assert dict(MachineChoicesDataset(path="data/choices.json").load()) == {}


def test_damaged_file_is_told_and_forgotten(tmp_path, caplog):
    path = tmp_path / "choices.json"
    for content in ("{", "[1]", '{"one": 3}'):
        path.write_text(content)
        choices = MachineChoices(path, "one")
        assert dict(choices) == {} and "choose anew" in caplog.text
    choices["vae"] = "cpu/fp32"
    assert MachineChoices(path, "one")["vae"] == "cpu/fp32"


def test_machine_names_processor_and_torch():
    assert "cores, torch 2" in this_machine()
