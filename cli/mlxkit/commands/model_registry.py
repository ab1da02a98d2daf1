"""`mlx model-registry`: ZenML's spelling of `mlx registry`, and of `mlx model` below `models`."""

from __future__ import annotations

from .component import component_app
from .zenml_words import MODELS_OF_A_REGISTRY, add_words

app = component_app("model_registry")
add_words(app, "models", MODELS_OF_A_REGISTRY, "model-registry")
