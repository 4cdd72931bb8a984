"""Evaluation: both paths with their baselines and ceilings, by evaluators trained apart, and the report."""
