"""A small log that no description fits yet, and ways to read it."""

from pathlib import Path

from kraft.settings import Settings
from kraft.stages.import_log import ImportLog, LogImported, import_log

LOG = "\n".join(
    [
        "who,what,moment,rating,secs,len",
        *(
            f"u{row % 7},{row % 5},{1_600_000_000 + 50 * row},{row % 5 + 1},{row % 9},{10 + row % 4}"
            for row in range(60)
        ),
    ]
)
PEOPLE = "\n".join(["id,age,register_days", *(f"u{number},{20 + number},{number}" for number in range(7))])
THINGS = "\n".join(
    ["id,genres,made,name", *(f"{number},Comedy|Drama,2020-01-0{number + 1},N{number}" for number in range(5))]
)
DESCRIPTION = {
    "interactions": {
        "files": "log.csv",
        "user": "who",
        "item": "what",
        "time": "moment",
        "label": "rating >= 4",
        "watch_time": "secs * 1000",
        "length": "len * 1000",
    },
    "users": {"files": "people.csv", "key": "id", "attributes": ["register_days"]},
    "items": {"files": "things.csv", "key": "id", "categories": "genres", "uploaded": "made", "title": "name"},
}


def write_log(folder: Path) -> Path:
    """The three files."""
    folder.mkdir(exist_ok=True)
    for name, text in (("log.csv", LOG), ("people.csv", PEOPLE), ("things.csv", THINGS)):
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
    return folder


def as_toml(description: dict[str, dict[str, object]]) -> str:
    """The description as a TOML file; a value None leaves its line out."""
    lines = []
    for section, fields in description.items():
        lines.append(f"[{section}]")
        for name, value in fields.items():
            if value is not None:
                text = str(value) if isinstance(value, list) else f"'''{value}'''"
                lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"


def describe(folder: Path, changes: dict[str, dict[str, object]] | None = None) -> Path:
    """Write DESCRIPTION, with other values for some fields, to log.toml."""
    merged = {section: {**fields, **(changes or {}).get(section, {})} for section, fields in DESCRIPTION.items()}
    path = folder / "log.toml"
    path.write_text(as_toml(merged), encoding="utf-8")
    return path


def read(description: Path, work: Path, **settings: object) -> LogImported:
    """Read the log in this process."""
    return import_log(ImportLog(settings=Settings(log=str(description), work=work, threads=2, quiet=True, **settings)))
