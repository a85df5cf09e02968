"""The report page: `write_report(folder, out)`."""

from irnn_hw.report.page import write_report

__all__ = ["write_report"]
