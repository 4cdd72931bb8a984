"""Known vulnerabilities of what `make install` installs."""

import json
import subprocess
import sys

import pytest
from tests.support.project import REPOSITORY

# Vulnerabilities that do not concern how lexipix uses a package, each with the reason
ACCEPTED: dict[str, str] = {}


def audit(*requirements):
    return subprocess.run(
        [
            sys.executable, "-m", "pip_audit", *requirements, "--no-deps", "--disable-pip",
            "--format", "json", "--progress-spinner", "off", "--timeout", "10",
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    ).stdout  # fmt: skip


def test_no_locked_version_has_a_known_vulnerability(tmp_path):
    one = tmp_path / "one.txt"
    one.write_text("click==8.2.0\n")
    answer = audit("--requirement", str(one))
    if not answer.strip() or "skip_reason" in answer:
        pytest.skip("the index does not say what vulnerabilities it knows")
    packages = json.loads(audit("--requirement", "requirements.lock"))["dependencies"]
    found = [
        f"{package['name']} {package['version']}: {one['id']}, fixed in {one['fix_versions']}"
        for package in packages
        for one in package.get("vulns", [])
        if one["id"] not in ACCEPTED
    ]
    assert found == []
