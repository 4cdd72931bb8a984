"""Evaluation of the trained models on the test split; :mod:`.metrics_json` puts all metrics together."""
