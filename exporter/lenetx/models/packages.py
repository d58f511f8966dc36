"""Name the distribution to install for a module that a network's code imports."""

__all__ = ["distribution_of"]

_DISTRIBUTIONS = {
    "Crypto": "pycryptodome",
    "Levenshtein": "levenshtein",
    "PIL": "pillow",
    "SimpleITK": "simpleitk",
    "absl": "absl-py",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "efficientnet_pytorch": "efficientnet-pytorch",
    "faiss": "faiss-cpu",
    "git": "gitpython",
    "google": "protobuf",
    "hydra": "hydra-core",
    "lightning_fabric": "lightning-fabric",
    "lightning_utilities": "lightning-utilities",
    "mpl_toolkits": "matplotlib",
    "onnx_graphsurgeon": "onnx-graphsurgeon",
    "pytorch_lightning": "pytorch-lightning",
    "pytorch_metric_learning": "pytorch-metric-learning",
    "pywt": "pywavelets",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "torch_geometric": "torch-geometric",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
"""Modules whose distribution has another name."""


def distribution_of(module: str) -> str:
    """Return pip's name for the distribution of a top-level module."""
    return _DISTRIBUTIONS.get(module, module)
