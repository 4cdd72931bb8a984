"""Evaluation: both paths beside their baselines and ceilings, an independent judge, the report."""
