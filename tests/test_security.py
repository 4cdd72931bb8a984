"""Known vulnerabilities of what the targets of the Makefile install."""

import json
import subprocess
import sys

import pytest
from tests.support.project import REPOSITORY

# Vulnerabilities that do not concern how lexipix uses a package, each with the reason
ACCEPTED: dict[str, str] = {}
LOCKS = ("requirements.lock", "requirements-play.lock", "requirements-docs.lock", "requirements-ray.lock")
# A version with a vulnerability that has been known since 2021, and the names of it
CANARY, CANARY_IDS = "jinja2==2.11.2", ("PYSEC-2021-66", "CVE-2020-28493", "GHSA-g3rq-g295-4j3m")


def audit(*requirements):
    return subprocess.run(
        [
            sys.executable, "-m", "pip_audit", *requirements, "--no-deps", "--disable-pip",
            "--format", "json", "--progress-spinner", "off", "--timeout", "10",
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    ).stdout.strip()  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The index knows vulnerabilities, at least that of the canary."""
    file = tmp_path_factory.mktemp("canary") / "requirements.txt"
    file.write_text(f"{CANARY}\n")
    if not any(name in audit("--requirement", str(file)) for name in CANARY_IDS):
        pytest.skip("the index does not say what vulnerabilities it knows")


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("name", LOCKS)
def test_no_locked_version_has_a_known_vulnerability(name):
    packages = json.loads(audit("--requirement", name))["dependencies"]
    found = [
        f"{package['name']} {package['version']}: {one['id']}, fixed in {one['fix_versions']}"
        for package in packages
        for one in package.get("vulns", [])
        if one["id"] not in ACCEPTED
    ]
    skipped = [one["skip_reason"] for one in packages if "skip_reason" in one]
    assert packages and found + skipped == []
