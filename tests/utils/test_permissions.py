import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lexipix.utils.errors import LexipixError
from lexipix.utils.permissions import not_readable, reading, unreadable

NOBODY = 65534


@pytest.fixture
def denied(monkeypatch):
    """Deny this user single paths, also where the tests run as root, who may read everything."""
    paths, real = set(), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in paths and real(path, mode))
    return lambda path: paths.add(str(path))


def test_what_may_be_read_is_no_obstacle(tmp_path):
    (tmp_path / "a").write_text("a")
    assert unreadable(tmp_path) is None and unreadable(tmp_path / "missing") is None


@pytest.mark.parametrize("place", [".", "model", "model/deep", "model/deep/weights"])
def test_the_file_or_folder_that_denies_is_named(tmp_path, denied, place):
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "deep" / "weights").write_text("w")
    denied(tmp_path / place)
    assert unreadable(tmp_path / "model") == tmp_path / place
    assert "permission denied" in not_readable(tmp_path / "model")


def test_an_error_of_the_system_is_no_damage_and_a_wrong_content_is(tmp_path):
    (tmp_path / "a").write_text("a")
    with (
        pytest.raises(LexipixError, match=r"a cannot be read: Input/output error\.$"),
        reading(tmp_path / "a"),
    ):
        raise OSError(errno.EIO, "Input/output error")
    with pytest.raises(LexipixError, match="damaged or incomplete"), reading(tmp_path / "a"):
        raise ValueError("no header")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_another_user_reads_that_a_file_is_not_theirs(mode):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        Path(folder).chmod(0o755)
        file = Path(folder, "model.json")
        file.write_text("{}")
        file.chmod(mode)
        code = (
            "import os\n"
            "from pathlib import Path\n"
            "from lexipix.utils.permissions import unreadable\n"
            f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
            f"print(unreadable(Path({str(file)!r})))"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == (str(file) if mode == 0o600 else "None")
