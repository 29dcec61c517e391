"""Section on how a described log was read: the description, and the SQL that it became."""

from kraft.engine.workspace.store import Store
from kraft.formatting import pluralize
from kraft.logs.described import description
from kraft.report.page import Section, Table
from kraft.settings import Settings
from kraft.stages.import_log import LOG


def section(settings: Settings) -> Section:
    """What was understood of a described log, whose parts are up to date."""
    described = description.read(settings.log, settings.raw)
    entries = Store(settings.work).inner(LOG).manifest()
    lead = f"{described.path} says what each row is. Its expressions became the SELECT below, one a file."
    parts = []
    for name, table in described.log:
        if table is None:
            continue
        fields = [
            [field, ", ".join(value) if isinstance(value, tuple) else str(value)]
            for field, value in table
            if value not in {None, ()}
        ]
        found = [entry for part, entry in sorted(entries.items()) if part.startswith(f"{name}_")]
        rows = sum(entry["rows"] for entry in found)
        parts.append(
            Table(
                f"described_{name}",
                f"Description of the {name}",
                f"{pluralize(rows, 'row')} of {pluralize(len(found), 'file')}.",
                ["field", "expression"],
                fields,
                found[0]["fingerprint"]["settings"]["select"],
            )
        )
    return Section("How the log was read", lead, [*parts])
