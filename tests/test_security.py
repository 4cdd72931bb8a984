"""Known vulnerabilities of what `make install` installs."""

import json
import subprocess
import sys

import pytest
from tests.support.project import REPOSITORY

# Vulnerabilities that do not concern how lexipix uses a package, each with the reason
ACCEPTED: dict[str, str] = {}


def test_no_locked_version_has_a_known_vulnerability():
    answer = subprocess.run(
        [
            sys.executable, "-m", "pip_audit", "--requirement", "requirements.lock", "--no-deps",
            "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10",
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if not answer.stdout.strip():
        pytest.skip(f"the index does not answer: {answer.stderr.strip()[-300:]}")
    packages = json.loads(answer.stdout)["dependencies"]
    if all("skip_reason" in package for package in packages):
        pytest.skip("the index does not say what vulnerabilities it knows")
    found = [
        f"{package['name']} {package['version']}: {one['id']}, fixed in {one['fix_versions']}"
        for package in packages
        for one in package.get("vulns", [])
        if one["id"] not in ACCEPTED
    ]
    assert found == []
