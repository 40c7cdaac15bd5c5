"""Files as a bad disk, a bad line or a bad person leaves them."""

import io
import json
import re
import zipfile
import zlib

import numpy as np

# What a value of JSON or YAML may be instead.
_ODD_VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, -0.0, 1e308, 1e-320),
    *("", "x", "\0", "../../etc/passwd", "/", "é" * 300, "x" * 5000, "NaN", "1e999"),
    *([], {}, [[]], [{}], [None], [0] * 1000, {"": 0}, [[[[[[[[[[]]]]]]]]]]),
)
# What a piece of text may be instead.
_ODD_TEXTS = (
    *(b"", b"\0", b"-1", b"0", b"1e999", b"NaN", b"99999999999999999999", b"\xff\xfe"),
    *(b"[" * 3000, b"{" * 3000, b"(" * 3000, b'"', b"'", b"\n", b"&a", b"*a", b"!!x"),
    *(b"--", b"=", b",", b";", b":", b"%", b"\\", b"\r\n", b"<x>", b"\xe2\x80\xae"),
)


def in_bytes(data: bytes, random: np.random.Generator) -> bytes:
    """Cut, or with a few bytes, words or pieces changed, moved, doubled or gone."""
    if not data:
        return bytes(random.integers(0, 256, int(random.integers(20)), np.uint8))
    kind = int(random.integers(8))
    if kind == 0:
        return data[: random.integers(len(data))]
    if kind == 1:
        start, end = np.sort(random.integers(0, len(data) + 1, 2))
        return data[:start] + data[end:]
    if kind == 2:
        start, end = np.sort(random.integers(0, len(data) + 1, 2))
        place = random.integers(len(data) + 1)
        return data[:place] + data[start : min(end, start + 5000)] + data[place:]
    damaged = bytearray(data)
    for _ in range(random.integers(1, 9)):
        # What describes the rest stands at the beginning or at the end.
        low = int(random.choice([0, max(0, len(data) - 6000)]))
        high = int(random.choice([len(data), min(len(data), low + 6000)]))
        place = int(random.integers(low, high))
        if kind in (3, 4):
            damaged[place] ^= 1 << random.integers(8)
        elif kind == 5:
            damaged[place] = random.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 6:
            damaged[place] = random.integers(256)
        else:
            place &= ~3
            words = [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000]
            value = int(random.choice(words)).to_bytes(4, "little")
            damaged[place : place + 4] = value[: max(0, len(damaged) - place)]
    return bytes(damaged)


def in_text(data: bytes, random: np.random.Generator) -> bytes:
    """Numbers, words and lines of a text changed, exchanged, doubled or gone."""
    if random.integers(4) == 0:
        return in_bytes(data, random)
    if random.integers(2):
        lines = data.split(b"\n")
        for _ in range(random.integers(1, 4)):
            one, other = random.integers(0, len(lines), 2)
            match int(random.integers(4)):
                case 0:
                    lines[one], lines[other] = lines[other], lines[one]
                case 1:
                    lines.insert(int(one), lines[other])
                case 2 if len(lines) > 1:
                    del lines[one]
                case _:
                    lines[one] = lines[one] * int(random.integers(2, 30))
        return b"\n".join(lines)
    for _ in range(random.integers(1, 4)):
        words = list(re.finditer(rb"[\w.+-]+|[^\w\s]", data))
        if not words:
            break
        word = words[random.integers(len(words))]
        text = _ODD_TEXTS[random.integers(len(_ODD_TEXTS))]
        if random.integers(3) == 0:
            text = words[random.integers(len(words))].group()
        data = data[: word.start()] + text + data[word.end() :]
    return data


def in_json(data: bytes, random: np.random.Generator) -> bytes:
    """A value somewhere inside another one, gone, or there twice; or as a text."""
    if random.integers(4) == 0:
        return in_text(data, random)
    value = json.loads(data)
    for _ in range(random.integers(1, 4)):
        value = _changed(value, random)
    return json.dumps(value).encode()


def in_json_lines(data: bytes, random: np.random.Generator) -> bytes:
    """One line as `in_json`."""
    lines = data.splitlines()
    place = random.integers(len(lines))
    lines[place] = in_json(lines[place], random)
    return b"\n".join(lines) + b"\n"


def _changed(value: object, random: np.random.Generator) -> object:
    """A copy with one change, anywhere in it."""
    if isinstance(value, dict) and value and random.integers(8):
        key = list(value)[random.integers(len(value))]
        changed = dict(value)
        if random.integers(10) == 0:
            del changed[key]
        elif random.integers(12) == 0:
            changed[key] = value[list(value)[random.integers(len(value))]]
        else:
            changed[key] = _changed(value[key], random)
        return changed
    if isinstance(value, list) and value and random.integers(6):
        place = int(random.integers(len(value)))
        items = list(value)
        match int(random.integers(12)):
            case 0:
                del items[place]
            case 1:
                items.insert(place, items[random.integers(len(items))])
            case 2:
                items = items[:place] + items[place : place + 1] * 100
            case _:
                items[place] = _changed(items[place], random)
        return items
    if isinstance(value, int) and not isinstance(value, bool) and random.integers(2):
        return value + int(random.integers(-3, 4))
    return _ODD_VALUES[random.integers(len(_ODD_VALUES))]


def in_members(data: bytes, random: np.random.Generator) -> bytes:
    """A member of a zip archive changed, whose checksum holds; or as bytes."""
    if random.integers(4) == 0:
        return in_bytes(data, random)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = list(members)
    name = names[random.integers(len(names))]
    match int(random.integers(10)):
        case 0:
            del members[name]
        case 1:
            members[names[random.integers(len(names))] + "x"] = members[name]
        case 2:
            members[name] = members[names[random.integers(len(names))]]
        case 3 | 4 | 5 if members[name][:1] in (b"{", b"["):
            members[name] = in_json(members[name], random)
        case 3 | 4 | 5:
            # The header of an array, which says how much memory it takes.
            members[name] = in_text(members[name][:256], random) + members[name][256:]
        case _:
            members[name] = in_bytes(members[name], random)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def in_png(data: bytes, random: np.random.Generator) -> bytes:
    """As bytes, and half of the time with right checksums."""
    damaged = in_bytes(data, random)
    return damaged if random.integers(2) else with_checksums(damaged)


def with_checksums(content: bytes) -> bytes:
    """A PNG with every chunk's checksum made right, so that damage gets past it."""
    fixed = bytearray(content)
    at = 8
    while at + 12 <= len(fixed):
        end = at + 8 + int.from_bytes(fixed[at : at + 4])
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = zlib.crc32(fixed[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(fixed)
