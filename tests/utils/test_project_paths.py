from lexipix.utils.project_paths import project_root


def test_temporary_copy_of_dvc_keeps_its_runs_in_the_true_project(tmp_path, monkeypatch):
    copy, project = tmp_path / "copy", tmp_path / "project"
    (project / ".dvc").mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert project_root(copy) == project
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "gone"))
    assert project_root(copy) == copy
    monkeypatch.delenv("DVC_ROOT")
    assert project_root(copy) == copy
