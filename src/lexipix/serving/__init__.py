"""The registered models as `mlflow models serve` runs them: without torch, transformers and Kedro."""
