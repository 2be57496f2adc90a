"""What a camera writes beside the pixels, and how to leave it behind.

EXIF tells place, time, camera and owner; a labelling tool has no use for it and must not hand it on.
The files are cut at the seams of their own containers, so no pixel is decoded and none changes.

References: JPEG segments, ITU T.81 annex B; PNG chunks, W3C PNG third edition; WebP container,
RFC 9649; EXIF orientation, CIPA DC-008 tag 0x0112.
"""

from __future__ import annotations

import struct
import zlib


def without_metadata(data: bytes) -> bytes:
    """The same picture without EXIF, XMP, IPTC and comments; of EXIF only the orientation stays.

    Works on the segments of JPEG, the chunks of PNG and WebP, and decodes nothing: every pixel
    stays as it was. Other formats, and files whose structure does not read, come back unchanged.
    Doing it twice changes nothing more, so a content hash of the result is stable.
    """
    try:
        if data[:3] == b"\xff\xd8\xff":
            return _strip_jpeg(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return _strip_png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _strip_webp(data)
    except (struct.error, IndexError, ValueError):  # malformed: check_image says so with a better message
        return data
    return data


def _strip_jpeg(data: bytes) -> bytes:
    kept, at, orientation, dropped = [data[:2]], 2, 1, False
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:  # fill byte
            at += 1
            continue
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        segment = data[at : at + 2 + length]
        at += 2 + length
        # APP1 is EXIF or XMP, APP2 may index further pictures (MPF), APP13 is IPTC, COM is a remark;
        # APP0 (JFIF), APP2 (colour profile) and APP14 (Adobe's colour transform) change what is seen.
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            orientation = _exif_orientation(segment[10:])
            if segment != _exif_segment(orientation):
                dropped = True
        elif marker in (0xE1, 0xED, 0xFE) or (marker == 0xE2 and segment[4:8] == b"MPF\0"):
            dropped = True
        else:
            kept.append(segment)
    if not dropped:
        return data
    if orientation != 1:
        first_is_jfif = len(kept) > 1 and kept[1][:2] == b"\xff\xe0"
        kept.insert(2 if first_is_jfif else 1, _exif_segment(orientation))
    return b"".join(kept) + data[at:]


def _exif_orientation(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    start = struct.unpack(order + "I", tiff[4:8])[0]
    for entry in range(struct.unpack(order + "H", tiff[start : start + 2])[0]):
        at = start + 2 + 12 * entry
        tag, kind = struct.unpack(order + "HH", tiff[at : at + 4])
        if tag == 0x0112 and kind == 3:
            value = struct.unpack(order + "H", tiff[at + 8 : at + 10])[0]
            return int(value) if 1 <= value <= 8 else 1
    return 1


def _exif_tiff(orientation: int) -> bytes:
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _exif_segment(orientation: int) -> bytes:
    body = b"Exif\0\0" + _exif_tiff(orientation)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _strip_png(data: bytes) -> bytes:
    kept, at = [data[:8]], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if end > len(data):
            return data
        if kind == b"eXIf":
            orientation = _exif_orientation(data[at + 8 : end - 4])
            if orientation != 1:
                kept.append(_png_chunk(b"eXIf", _exif_tiff(orientation)))
        elif kind not in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _strip_webp(data: bytes) -> bytes:
    kept, at, orientation = [], 12, 1
    while at + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        end = at + 8 + length + (length & 1)
        if at + 8 + length > len(data):
            return data
        if kind == b"EXIF":
            body = data[at + 8 : at + 8 + length]
            orientation = _exif_orientation(body[6:] if body[:6] == b"Exif\0\0" else body)
        elif kind != b"XMP ":
            kept.append([kind, data[at:end]])
        at = end
    if orientation != 1:
        body = _exif_tiff(orientation)
        kept.append([b"EXIF", b"EXIF" + struct.pack("<I", len(body)) + body])
    for chunk in kept:
        if chunk[0] == b"VP8X":  # bit 3 says EXIF is there, bit 2 says XMP is
            head = bytearray(chunk[1])
            head[8] = (head[8] & ~0x0C) | (0x08 if orientation != 1 else 0)
            chunk[1] = bytes(head)
    body = b"WEBP" + b"".join(chunk[1] for chunk in kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body
