"""Protobuf's wire format, to write messages that no library would."""


def varint(number):
    groups = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def message(field, payload):
    return varint(field << 3 | 2) + varint(len(payload)) + payload
