"""Experiment tracking for industrial visual anomaly detection, built on MLflow."""

__version__ = "0.1.0"
