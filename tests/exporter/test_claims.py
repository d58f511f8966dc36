"""A spec that says something of its own file that the file does not show decides what is compared: it is rejected."""

import dataclasses

import pytest

from lenetx import formats
from lenetx.data import archive
from lenetx.formats.spec_record import SPEC
from lenetx_runtime import ArtifactError, ModelSpec

FALSE = {
    "origin": {"origin": "unproven", "output": "probabilities"},
    "precision": {"precision": "int8", "calibration": "some images"},
    "raw_input": {"raw_input": True},
    "probabilities": {"probabilities": True},
    "largest_batch": {"largest_batch": 7},
}


def forged(data, claims):
    """Return an archive with another spec."""
    records = archive.unpack(data)
    spec = dataclasses.replace(ModelSpec.from_json(records[SPEC].decode()), **claims)
    return archive.pack({**records, SPEC: spec.to_json().encode()})


@pytest.mark.parametrize("claim", FALSE)
@pytest.mark.parametrize("name", ["pt2", "torchscript"])
def test_what_a_spec_says_of_its_own_file_must_be_so(exported, tmp_path, name, claim):
    path = tmp_path / f"net{formats.suffix(name)}"
    path.write_bytes(forged(exported(name), FALSE[claim]))
    with pytest.raises(ArtifactError, match=rf"Its spec says {claim} \w+, and the file is not of that kind\.$"):
        formats.open_artifact(path)


def test_c_is_never_unproven(exported, tmp_path):
    from lenetx.formats.c.reading import read
    from lenetx.formats.c.source import written

    source = read(exported("c").decode())
    path = tmp_path / f"{source.stem}.c"
    path.write_text(written(source.model, dataclasses.replace(source.spec, origin="unproven"), source.stem).text)
    with pytest.raises(ArtifactError, match=r"Its spec says origin unproven, and the file is not of that kind\.$"):
        formats.open_artifact(path)
