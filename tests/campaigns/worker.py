"""Runs units of a campaign in this process: a line of JSON when one starts, and one when it has ended."""

import importlib
import json
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

from tests.campaigns.findings import MAX_BYTES, Findings


def main(name: str, seed: int, numbers: list[int]) -> None:
    """Run the units and report each."""
    warnings.simplefilter("ignore")
    out = sys.stdout
    sys.stdout = sys.stderr
    campaign = importlib.import_module(f"tests.campaigns.{name}").Campaign(seed)
    for number in numbers:
        print(json.dumps({"begins": number}), file=out, flush=True)
        work = Path(tempfile.mkdtemp(prefix="lexipix-fuzz-"))
        try:
            findings = campaign.unit(number, work)
        except Exception:  # any error is what the campaign looks for
            findings = Findings(faults=[traceback.format_exc()[-2000:]])
        finally:
            for folder in work.rglob("read_only"):
                folder.chmod(0o700)
            shutil.rmtree(work, ignore_errors=True)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if used > MAX_BYTES:
            findings.faults.append(f"used {used / 2**20:,.0f} MB")
        line = {"unit": number, "outcomes": findings.outcomes, "faults": findings.faults, "mb": used // 2**20}
        print(json.dumps(line), file=out, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(number) for number in sys.argv[3:]])
