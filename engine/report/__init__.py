"""The results folder and what is drawn into it: CSV, JSON, PNG plots, the HTML report and the console tables."""

from __future__ import annotations

from engine.report.console import summary_tables
from engine.report.folder import check_folder, write_results

__all__ = ["check_folder", "summary_tables", "write_results"]
