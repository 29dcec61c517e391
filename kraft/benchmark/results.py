"""Writes RESULTS.md: a dated section for each benchmark command, with the machine and the tables."""

import re
from datetime import UTC, datetime
from pathlib import Path

from kraft.benchmark.report import Report
from kraft.engine.workspace.store import write_whole

RESULTS = Path(__file__).with_name("RESULTS.md")
START = "# Results of the benchmark commands\n"


def record(report: Report, command: str, path: Path = RESULTS) -> None:
    """Write the section of ``command`` to ``path``: in place of its last one, else at the end.

    Args:
        report: what the command found.
        command: as a user types it.
        path: a Markdown file, made where it is missing.

    Raises:
        MachineError: the file cannot be written.
    """
    day = datetime.now(tz=UTC).date().isoformat()
    verdict = "" if report.passed else "\n\n**A check was not met.**"
    section = f"## {day}: `{command}`\n\n```text\n{report}\n```{verdict}\n"
    text = path.read_text(encoding="utf-8") if path.is_file() else START
    # A section ends where the next heading of its level begins.
    former = re.compile(rf"^## \S+: `{re.escape(command)}`\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    found = former.search(text)
    before, after = (text[: found.start()], text[found.end() :]) if found else (text, "")
    parts = filter(None, (before.strip(), section.strip(), after.strip()))
    write_whole(path, lambda draft: draft.write_text("\n\n".join(parts) + "\n", encoding="utf-8"))
