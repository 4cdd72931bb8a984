"""Hostile captions: encodings, control characters, markup, formulas, scripts of Unicode, sizes."""

import codecs
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
from tests.campaigns.findings import Findings
from tests.campaigns.ingesting import account, ingest_folder
from tests.campaigns.picture_files import drawing

N_UNITS, N_CASES = 40, 60
MAX_CHARS = 1000  # ingestion.max_caption_chars
_ENCODINGS = {
    "utf-8": b"", "utf-8-sig": b"", "utf-16": b"", "utf-32": b"", "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE, "utf-32-be": codecs.BOM_UTF32_BE,
}  # fmt: skip
TEXTS = (
    "a red star", "=HYPERLINK(\"http://x\")", "@SUM(A1)", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}", "{% raw %}", "{caption}", "{0.__class__}", "${jndi:ldap://x}", "%s %n", "null", "true",
    "~", "- a",
    "{\"a\": [1]}", "!!python/object:os.system", "&a *a", "\x1b[31mred\x1b[0m", "\x1b]0;title\a", "a\0b",
    "\x7f\x80\x9b31m",
    "\u202etxt.exe", "\u2066a\u2069", "a\u200db", "👩‍👩‍👧 family", "e\u0301", "\ufeffmark", "\u2028line",
    "𝕒𝕓", "ﷺ",
    "'; DROP TABLE captions; --", "../../etc/passwd", "C:\\a\\b", "|", "`id`", "$(id)", "a" * 999,
    "字" * 1000, "a" * 1001,
    "w " * 600, "", " ", "\t\n \n", "\r\n", "a\rb", "a\r\n\r\nb", "a\n\nb\n\nc", "\v\f", "ß", "İ",
    "\U0010ffff", "\ue000",
)  # fmt: skip
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_DIRECTION = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")


def expected(text: str) -> tuple[str, ...]:
    """The captions in a text, by the rules of docs/own-data.md, written independently."""
    parts = re.split(r"(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])", text)
    groups, current = [], []
    for part in [*parts, ""]:
        if part.split():
            current.append(part)
        elif current:
            groups.append(" ".join(current))
            current = []
    tidy = (
        _SPACE.sub(" ", _DIRECTION.sub("", unicodedata.normalize("NFC", group))).strip() for group in groups
    )
    return tuple(dict.fromkeys(filter(None, tidy)))


class Campaign:
    """Each unit is one ingestion of clean pictures with hostile caption files."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def unit(self, number: int, work: Path) -> Findings:
        """Ingest; every valid text must be the caption, unchanged but tidy."""
        findings = Findings()
        rng = np.random.default_rng([self.seed, 2, number])
        wanted: dict[str, tuple[str, ...] | None] = {}
        for part, count in {"val": 2, "test": 2, "train": N_CASES}.items():
            folder = work / "images" / part
            folder.mkdir(parents=True)
            for i in range(count):
                drawing(rng).save(folder / f"{i}.png")
                content, texts = (
                    (b"a star", ("a star",)) if part != "train" else self._content(rng, number, i)
                )
                (folder / f"{i}.txt").write_bytes(content)
                wanted[f"{part}/{i}.png"] = texts
        found = ingest_folder(work, findings)
        if found is None:
            findings.faults.append("the whole ingestion stopped")
            return findings
        captions, rejects = found
        account(findings, [file for file in wanted if file.startswith("train")], captions, rejects)
        for row in captions.itertuples():
            texts = wanted[row.file]
            mine = () if pd.isna(row.caption) else (row.caption, *row.paraphrases)
            if texts is not None and mine != texts:
                findings.faults.append(f"{row.file}: {mine!r:.200} instead of {texts!r:.200}")
        return findings

    def _content(self, rng: np.random.Generator, number: int, i: int) -> tuple[bytes, tuple[str, ...] | None]:
        """Bytes of a caption file, and its captions; None where the bytes are no valid text."""
        case = number * N_CASES + i
        if case < len(TEXTS):
            text = TEXTS[case]
        elif rng.random() < 0.1:
            return rng.integers(0, 256, rng.integers(1, 200), np.uint8).tobytes(), None
        elif rng.random() < 0.05:
            return b"a" * 2**20 + b"b", None
        else:
            text = "".join(_piece(rng) for _ in range(rng.integers(1, 12)))
        encoding = list(_ENCODINGS)[rng.integers(len(_ENCODINGS))] if case >= len(TEXTS) else "utf-8"
        content = _ENCODINGS[encoding] + text.encode(encoding)
        if rng.random() < 0.1 and content:
            at = int(rng.integers(len(content)))
            return content[:at] + b"\xff" + content[at + 1 :], None
        # Of texts that begin like another encoding, only that each is accounted for counts
        texts = expected(text.removeprefix("\ufeff") if encoding == "utf-8" else text)
        is_clear = encoding != "utf-8" or (content[:1] != b"\0" and content[1:2] != b"\0")
        return content, texts if is_clear and all(len(one) <= MAX_CHARS for one in texts) else None


def _piece(rng: np.random.Generator) -> str:
    kind = rng.integers(5)
    if kind == 0:
        return TEXTS[rng.integers(36)]
    if kind == 1:  # a script of Unicode
        start = int(rng.integers(0x80, 0x2FA1F))
        letters = [chr(start + int(step)) for step in rng.integers(0, 60, 6)]
        return "".join(c for c in letters if not 0xD800 <= ord(c) < 0xE000)
    if kind == 2:
        return chr(rng.integers(0, 0xA0))
    if kind == 3:
        return ["\n", "\n\n", "\r\n", "\r", "\t", " ", "\u2028", "\u2029", "\x85", "\u3000"][rng.integers(10)]
    return ["red ", "star ", "a ", "big "][rng.integers(4)]
