"""Take native libraries apart, and seal them anew with another part: whoever makes them can make every digest right."""

import dataclasses
import json
import struct

from lenetx_runtime.native_file import read_spec, sealed

NAME = "native"


def parts(data):
    """Return the machine code, the spec with an empty digest, and the record."""
    spec, record, _ = struct.unpack_from("<QQ16s", data, len(data) - 32)
    end = len(data) - 32
    text = dataclasses.replace(read_spec(data), content_sha256="0" * 64).to_json()
    return data[: end - record - spec], text, json.loads(data[end - record : end])


def forged(data, code=None, spec=None, **fields):
    """Return a file with another part, sealed as lenetx would."""
    known, text, record = parts(data)
    whole = json.dumps(record | fields, sort_keys=True, separators=(",", ":"))
    return sealed(code or known, spec or text, whole)
