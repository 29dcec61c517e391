"""The pages that a reader starts with: README.md fits a screenful, and no page links to what is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_BYTES = 8_192
READMES = [ROOT / "README.md", *(page for top in ("kraft", "sql", "tests") for page in (ROOT / top).rglob("README.md"))]
FENCES = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINKS = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PATHS = re.compile(r"`((?:kraft|jobs|sql|tests)/[\w./*-]+)`")
PLACEHOLDER = re.compile(r"\b(X|NAME|STAGE|WHAT_IT_SHOWS)\b")


def test_readme_fits_a_screenful():
    assert (ROOT / "README.md").stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("page", READMES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_of_a_readme_leads_to_a_file(page):
    links = LINKS.findall(FENCES.sub("", page.read_text(encoding="utf-8")))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_readme_links_to_every_other_readme():
    links = LINKS.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    linked = {(ROOT / link).resolve() for link in links if "://" not in link}
    assert set(READMES) - {ROOT / "README.md"} <= linked


@pytest.mark.parametrize("page", [*READMES, ROOT / "SECURITY.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_is_there(page):
    named = {path for path in PATHS.findall(page.read_text(encoding="utf-8")) if not PLACEHOLDER.search(path)}
    assert sorted(path for path in named if not list(ROOT.glob(path))) == []
