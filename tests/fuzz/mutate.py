"""Changes as damage, storage and ill will make them."""

import struct
import zlib

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def mutated(data, random):
    """Return bytes with one to eight changes, drawn from a ``random.Random``."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 8)):
        CHANGES[random.randrange(len(CHANGES))](changed, random)
    return bytes(changed)


def mutated_image(data, random):
    """Do the same to an image, and in half of the PNG files mend the checksums, so that the decoder sees the change."""
    changed = mutated(data, random)
    return resummed(changed) if random.random() < 0.5 else changed


def resummed(png):
    """Return a PNG file with right checksums for all chunks that are found; other files as they are."""
    changed, position = bytearray(png), 8
    while png.startswith(b"\x89PNG") and position + 12 <= len(changed):
        size, _ = struct.unpack_from(">I4s", changed, position)
        end = position + 8 + size
        if end + 4 > len(changed):
            break
        struct.pack_into(">I", changed, end, zlib.crc32(changed[position + 4 : end]))
        position = end + 4
    return bytes(changed)


def _place(changed, random):
    return random.randrange(len(changed) + 1)


def _flip(changed, random):
    if changed:
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)


def _set(changed, random):
    if changed:
        changed[random.randrange(len(changed))] = random.choice((*INTERESTING, random.randrange(256)))


def _insert(changed, random):
    start = _place(changed, random)
    changed[start:start] = random.randbytes(random.randint(1, 8))


def _fill(changed, random):
    start = _place(changed, random)
    end = min(len(changed), start + random.choice((2, 4, 8)))
    changed[start:end] = bytes([random.choice(INTERESTING)]) * (end - start)


def _remove(changed, random):
    start = _place(changed, random)
    del changed[start : start + random.randint(1, 8)]


def _repeat(changed, random):
    start = _place(changed, random)
    part = changed[start : start + random.randint(1, 200)]
    changed[start:start] = part * random.randint(1, 3)


def _cut(changed, random):
    if random.random() < 0.2:
        del changed[_place(changed, random) :]


CHANGES = (_flip, _set, _insert, _fill, _remove, _repeat, _cut)
