"""A tiny network in C, and records of native libraries."""

import json

import numpy as np

from lenetx_runtime import native
from lenetx_runtime.native_file import LEVELS

NETWORK = """
int lenetx_run(const float *in, float *out, int count, void *scratch)
{
    volatile char *memory = scratch;
    memory[0] = memory[4999] = 1;
    if ((unsigned long)scratch % 64) {
        return 7;
    }
    for (int n = 0; n < count; ++n) {
        for (int k = 0; k < 10; ++k) {
            out[n * 10 + k] = in[n * 1024 + 500 + k] * FACTOR;
        }
    }
    return in[0] == 99.0f ? -6 : 0;
}
"""


INPUTS = np.random.default_rng(5).normal(size=(100, 1, 32, 32)).astype(np.float32)


LOGITS = INPUTS.reshape(100, 1024)[:, 500:510] * np.float32(2)


def record(**fields):
    known = {"machine": native.machine(), "march": LEVELS[native.machine()][0], "scratch": 5000}
    return json.dumps(known | fields)
