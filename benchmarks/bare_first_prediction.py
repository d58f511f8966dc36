"""Label one image with numpy and onnxruntime alone: the baseline, as short and fast as possible.

python bare_first_prediction.py MODEL IMAGE MEAN STD
"""

import os
import sys

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # faster and smaller; lenetx_runtime sets it too
import onnxruntime

LABELS = "0123456789"

model, image, mean, std = sys.argv[1:]
if image.endswith(".npy"):
    pixels = np.load(image)
else:
    from PIL import Image

    pixels = np.asarray(Image.open(image).convert("L"))
inputs = np.zeros((1, 1, 32, 32), np.float32)
inputs[0, 0, 2:30, 2:30] = pixels
inputs /= 255
inputs -= float(mean)
inputs /= float(std)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
logits = session.run(["logits"], {"image": inputs})[0]
print(LABELS[int(logits[0].argmax())])
