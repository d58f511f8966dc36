"""Label one image with lenetx_runtime, including all of its checks.

python our_first_prediction.py MODEL IMAGE
"""

import sys

from lenetx_runtime import Classifier

model, image = sys.argv[1:]
if image.endswith(".npy"):
    import numpy as np

    image = np.load(image)
print(Classifier(model).predict(image).label)
