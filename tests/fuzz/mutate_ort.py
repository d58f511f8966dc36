"""Changes of an ORT file that leave it one, so that onnxruntime itself gets to see them."""

import struct

NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def changed(data, random):
    """Return the bytes with one to three words of four bytes changed: numbers, offsets and the ends of names."""
    mutant = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        CHANGES[random.randrange(len(CHANGES))](mutant, random)
    return bytes(mutant)


def _word(mutant, random):
    """Choose a word; most of the bytes of a small file are in the spec and in the weights, which others change."""
    while True:
        place = random.randrange(len(mutant) // 4) * 4
        if struct.unpack_from("<I", mutant, place)[0] < len(mutant) or random.random() < 0.1:
            return place


def _number(mutant, random):
    struct.pack_into("<I", mutant, _word(mutant, random), random.choice(NUMBERS))


def _near(mutant, random):
    place = _word(mutant, random)
    number = struct.unpack_from("<I", mutant, place)[0] + random.choice((-8, -4, -1, 1, 4, 8))
    struct.pack_into("<I", mutant, place, number & 0xFFFFFFFF)


def _copy(mutant, random):
    source, place = _word(mutant, random), _word(mutant, random)
    mutant[place : place + 4] = mutant[source : source + 4]


def _half(mutant, random):
    struct.pack_into("<H", mutant, _word(mutant, random) + random.choice((0, 2)), random.choice((0, 4, 6, 8, 12, 16)))


CHANGES = (_number, _near, _copy, _half)
