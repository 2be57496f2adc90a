"""The encoding of a text file: a byte order mark, UTF-8 if all of it is UTF-8, and else a guess.

UTF-8 is proven by decoding the whole file, which costs a fraction of a second per 100 MB; a guess
from the first bytes alone would fail in row 90,000. The guess for the rest is charset-normalizer's,
among the encodings in use, and is always told.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from sslcore.errors import FormatError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_IN_USE = [
    "cp1252", "iso8859_1", "iso8859_15", "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp1253", "cp1254",
    "cp1255", "cp1256", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "utf_16_le", "utf_16_be",
]  # fmt: skip
_SAMPLE = 256 * 1024


def find_encoding(file: Path, wanted: str | None = None) -> tuple[str, str | None]:
    """The encoding to read ``file`` with, and a remark where it was guessed.

    Args:
        file: A text file.
        wanted: What the user said; only its name is checked.

    Raises:
        FormatError: ``wanted`` is no encoding, or the file is no text in any encoding.
    """
    if wanted:
        try:
            codecs.lookup(wanted)
        except LookupError:
            raise FormatError(
                f"There is no encoding {wanted!r}. Expected a name such as utf-8, cp1252, shift_jis.",
                file=file,
            ) from None
        return wanted, None
    with file.open("rb") as stream:
        begin = stream.read(_SAMPLE)
    for mark, name in _MARKS:
        if begin.startswith(mark):
            return name, None
    if begin.count(0) > len(begin) // 10:  # as UTF-16 without a mark has in every other place
        for name, zeros in (("utf-16-le", begin[1::2]), ("utf-16-be", begin[::2])):
            if zeros.count(0) > len(begin) // 4 and _decodes(file, name):
                return name, None
        raise _no_text(file)
    if _decodes(file, "utf-8"):
        return "utf-8", None
    from charset_normalizer import from_bytes

    best = from_bytes(begin, cp_isolation=_IN_USE, threshold=0.35).best()
    if best is None:
        raise _no_text(file)
    name = "cp1252" if best.encoding in ("latin_1", "iso8859_1") and not _c1(begin) else best.encoding
    return (
        name,
        f"The file is not UTF-8; its encoding was guessed as {name}. Choose another if letters look wrong.",
    )


def _no_text(file: Path) -> FormatError:
    return FormatError(
        "The file is not text in any known encoding. Expected UTF-8. If it is text, name its encoding.",
        file=file,
    )


def _decodes(file: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with file.open("rb") as stream:
        try:
            while block := stream.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _c1(sample: bytes) -> bool:
    """Whether bytes are there that cp1252 leaves undefined."""
    return any(byte in sample for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D))
