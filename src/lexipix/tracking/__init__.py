"""MLflow: runs, their lineage, the UI's views, and the model registry."""
