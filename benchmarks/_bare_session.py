"""Answer each line on stdin with the nanoseconds of calls of a bare ``InferenceSession``: the other side of bench.py.

python benchmarks/_bare_session.py MODEL THREADS
"""

import json
import os
import sys
import time

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # lenetx_runtime sets it too

import numpy as np
import onnxruntime


def main() -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[2])
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    (given,), outputs = session.get_inputs(), [session.get_outputs()[0].name]
    for line in sys.stdin:
        batch, seconds, least = json.loads(line)
        inputs = np.random.default_rng(0).standard_normal((batch, *given.shape[1:]), np.float32)
        session.run(outputs, {given.name: inputs})
        times, end = [], time.perf_counter() + seconds
        while len(times) < least or time.perf_counter() < end:
            began = time.perf_counter_ns()
            session.run(outputs, {given.name: inputs})
            times.append(time.perf_counter_ns() - began)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
