"""Grafana dashboards as data; `PYTHONPATH=scripts python -m dashboards` writes them as JSON into role monitoring."""

import importlib
import warnings

with warnings.catch_warnings():
    # The SDK advises the newest model of dashboards. The classic one is what every version of Grafana reads from files.
    warnings.simplefilter("ignore", DeprecationWarning)
    for module in ("dashboard", "timeseries"):
        importlib.import_module(f"grafana_foundation_sdk.builders.{module}")
