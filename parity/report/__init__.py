"""Reports: what a run found, as JSON, in the terminal, and as Markdown."""

from parity.report.document import SCHEMA, from_document, to_document
from parity.report.file import read_report, report_bytes, sealed_document, write_document, write_markdown, write_report
from parity.report.markdown import to_markdown
from parity.report.record import Report, ReportedCase, ReportedForward, ReportedTap
from parity.report.reduction import as_report
from parity.report.terminal import render

__all__ = [
    "SCHEMA",
    "Report",
    "ReportedCase",
    "ReportedForward",
    "ReportedTap",
    "as_report",
    "from_document",
    "read_report",
    "render",
    "report_bytes",
    "sealed_document",
    "to_document",
    "to_markdown",
    "write_document",
    "write_markdown",
    "write_report",
]
