"""Text files in the encodings that editors and spreadsheets write."""

import codecs

_MARKS = (  # those of UTF-32 begin like those of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(start: bytes) -> str:
    """The encoding of a text by its first bytes: UTF-8, or UTF-16 or UTF-32 with a mark or zero bytes.

    >>> encoding_of("file_name".encode("utf-16-le")), encoding_of(b"file_name")
    ('utf-16-le', 'utf-8')
    """
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if len(start) >= 2 and (start[0] == 0) != (start[1] == 0):
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return "utf-8"
