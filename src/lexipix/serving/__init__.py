"""The registered models at work: what `mlflow models serve` runs, without torch, transformers and Kedro."""
