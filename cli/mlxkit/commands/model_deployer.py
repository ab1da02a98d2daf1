"""`mlx model-deployer`: ZenML's spelling of `mlx deployer`, and of `mlx deployment` below `models`."""

from __future__ import annotations

from .component import component_app
from .zenml_words import MODELS_OF_A_DEPLOYER, add_words

app = component_app("model_deployer")
add_words(app, "models", MODELS_OF_A_DEPLOYER, "model-deployer")
