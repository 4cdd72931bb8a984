from pathlib import Path

import pytest
from tests.support.parameters import section

from lexipix.datasets.sources.folder import open_folder
from lexipix.hooks.source_folder import located, require_images_only
from lexipix.utils.errors import LexipixError


@pytest.fixture
def project(tmp_path):
    for name in ("conf", "data/folder/03_primary/images", "mine", "notebooks"):
        (tmp_path / "project" / name).mkdir(parents=True)
    return tmp_path / "project"


def test_a_relative_path_starts_at_the_project(project):
    assert located("mine", project, project / "notebooks") == project / "mine"


def test_both_places_are_named_where_there_is_nothing(project):
    with pytest.raises(LexipixError) as caught:
        located("nothing", project, project / "notebooks")
    assert str(project / "nothing") in str(caught.value)
    assert str(project / "notebooks" / "nothing") in str(caught.value)


def test_a_place_that_may_not_be_looked_at_is_not_reported_as_absent(project, monkeypatch):
    original = Path.stat

    def refused(self, **options):
        if self.name == "private":
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, **options)

    monkeypatch.setattr(Path, "stat", refused)
    assert located("private", project, project / "notebooks") == project / "private"


def test_a_link_to_itself_is_left_to_the_source(project):
    (project / "circle").symlink_to("circle")
    place = located("circle", project, project / "notebooks")
    require_images_only(place, project, iter([project / "data" / "folder"]))
    with pytest.raises(
        LexipixError, match=r"circle, which cannot be read \(Too many levels of symbolic links\)"
    ):
        open_folder(place, section("ingestion"))


def test_an_unknown_user_is_a_sentence(project):
    with pytest.raises(LexipixError, match="names an unknown user"):
        located("~nobody-has-this-name/x", project, project)


@pytest.mark.parametrize("path", [".", "..", "conf", "data", "data/folder", "data/folder/03_primary", "link"])
def test_a_source_that_holds_the_project_or_its_results_is_refused(project, path):
    (project / "link").symlink_to(project.parent)
    written = iter([project / "data" / "folder" / "03_primary" / "images"])
    with pytest.raises(LexipixError, match="also holds"):
        require_images_only(project / path, project, written)


@pytest.mark.parametrize("path", ["mine", "data/01_raw", "/elsewhere", "../project-pictures"])
def test_folders_beside_them_are_allowed(project, path):
    require_images_only(project / Path(path), project, iter([project / "data" / "03_primary" / "images"]))
