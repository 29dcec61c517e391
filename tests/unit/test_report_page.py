"""Pages: one HTML file that needs nothing else, the same content as JSON and Markdown, plots as inlined SVG and PNG."""

import csv
import doctest
import io
import json
import re
from datetime import date
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from browser import look_at

from kraft.errors import InputError
from kraft.report import figures
from kraft.report import page as page_module
from kraft.report.page import Figure, Page, Section, Table, Text, to_csv, to_html, to_json, to_markdown, write

pytestmark = pytest.mark.slow

UNTRUSTED = '<script>alert("1")</script> & "quoted" 猫'


def line(axes):
    axes.plot([1, 2, 3], [3, 1, 2], label="甲")
    axes.axhline(1.5, color=figures.MUTED)
    axes.set_xlabel("x [s]")
    axes.legend()


def one_figure(name="plot", **changed):
    data = [{"x": 1, "y": 2.5, "text": 'a,"b'}, {"x": 2, "y": None, "text": "猫 #1"}]
    values = {"title": "A plot", "sentence": "It shows 3.", "alt": 'A line "falls".', "draw": line, "data": data}
    return Figure(**{"name": name, **values, **changed})


@pytest.fixture(scope="module")
def page():
    table = Table("numbers", "Numbers", "Two rows.", ["what", "how | many"], [["电影", 23456], [UNTRUSTED, None]])
    sections = [
        Section("First things", "A lead.", [one_figure(sql="select 1 < 2"), one_figure("broad", wide=True), table]),
        Section("Words", "", [Text(UNTRUSTED)]),
    ]
    return Page("A page", "Of 猫 and more.", sections, {"python": "3", "data": UNTRUSTED})


@pytest.fixture(scope="module")
def document(page):
    return to_html(page)


class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_examples_hold():
    assert doctest.testmod(page_module).failed == 0


def test_the_document_needs_no_other_file_and_no_script(document):
    elements = Elements(document)
    assert not elements.of("script")
    assert not elements.of("img")
    addresses = [value for _, attributes in elements.found for name, value in attributes.items() if "href" in name]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"\b(https?:)?//", re.sub(r'href="data:[^"]*"', "", document))
    policy = next(one["content"] for one in elements.of("meta") if one.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_text_of_the_data_is_no_markup(document):
    assert "<script" not in document
    assert document.count("&lt;script&gt;") == 3


def test_chinese_text_says_that_it_is(document):
    assert '<p class="lead">Of <span lang="zh-Hans">猫</span> and more.</p>' in document
    assert '<td><span lang="zh-Hans">电影</span></td>' in document
    assert re.search(r'<text lang="zh-Hans"[^>]*>甲</text>', document)


def test_contents_lead_to_every_section(document):
    elements = Elements(document)
    names = [one["id"] for _, one in elements.found if "id" in one]
    targets = [one["href"][1:] for one in elements.of("a") if one["href"].startswith("#")]
    assert {"first-things", "words", "made-with"} <= set(targets) <= set(names)
    assert len(names) == len(set(names))


def test_every_plot_is_an_image_with_words(document):
    plots = Elements(document).of("svg")
    # A wide one is there twice: for a screen and for a phone.
    assert len(plots) == 3
    assert all((one["role"], one["aria-label"]) == ("img", 'A line "falls".') for one in plots)


def test_data_hang_on_the_page(document):
    links = {one["download"]: one["href"] for one in Elements(document).of("a") if "download" in one}
    assert set(links) == {"plot.csv", "broad.csv", "numbers.csv"}
    kind, _, content = links["plot.csv"].partition(",")
    assert kind == "data:text/csv;charset=utf-8"
    assert list(csv.reader(io.StringIO(unquote(content)))) == [
        ["x", "y", "text"],
        ["1", "2.5", 'a,"b'],
        ["2", "", "猫 #1"],
    ]
    assert "select 1 &lt; 2" in document


def test_numbers_stand_to_the_right():
    rows = [["a", 1, "3.5%", "[0.1, 0.2]", "2020-07-05 12:00", "x1"], [None, None, "+0.1 s", "", "3,741", "7"]]
    assert Table("t", "T", "", list("abcdef"), rows).numeric == [False, True, True, True, True, False]


def test_a_table_takes_half_of_the_page_where_it_fits():
    assert not Table("t", "T", "", ["a header of many words", "b"], [["x" * 20, "y" * 20]]).wide
    assert Table("t", "T", "", ["a", "b"], [["x" * 30, "y" * 30]]).wide
    assert not Table("t", "T", "", ["a"], []).wide


def test_dates_are_not_broken_in_sentences():
    table = Table("t", "T", "On 2020-07-05 and <2020-07-06 12:30>.", ["a"], [])
    document = to_html(Page("p", "", [Section("s", "", [table])]))
    assert "On <time>2020-07-05</time> and &lt;<time>2020-07-06 12:30</time>&gt;." in document


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([one_figure("a"), one_figure("a")], "two figures, tables or sections are called a"),
        ([one_figure("words")], "are called words"),
        ([one_figure("../a")], r"'\.\./a' is no name"),
        ([Table("A b", "", "", [], [])], "'A b' is no name"),
    ],
)
def test_names_are_unique_and_fit_for_files(parts, message):
    with pytest.raises(ValueError, match=message):
        Page("p", "", [Section("Words", "", parts)])


def test_json_has_all_words_and_data(page):
    made = json.loads(to_json(page, "figures"))
    assert (made["title"], made["lead"], made["facts"]["python"]) == ("A page", "Of 猫 and more.", "3")
    plot, broad, table = made["sections"][0]["parts"]
    assert plot["data"] == page.sections[0].parts[0].data
    assert (plot["kind"], plot["image"], broad["image"]) == ("figure", "figures/plot.png", "figures/broad.png")
    assert (plot["alt"], plot["sql"], plot["sentence"]) == ('A line "falls".', "select 1 < 2", "It shows 3.")
    assert (table["kind"], table["rows"]) == ("table", [["电影", 23456], [UNTRUSTED, None]])
    assert made["sections"][1]["parts"] == [{"kind": "text", "text": UNTRUSTED}]


def test_json_is_valid_where_a_number_is_none():
    data = [{"a": float("nan"), "b": float("inf"), "c": date(2020, 7, 5), "d": (1, 2)}]
    made = json.loads(to_json(Page("p", "", [Section("s", "", [one_figure(data=data)])])))
    part = made["sections"][0]["parts"][0]
    assert part["data"] == [{"a": None, "b": None, "c": "2020-07-05", "d": [1, 2]}]
    assert part["image"] is None


def test_markdown_shows_pictures_or_else_their_data(page):
    with_pictures, without = to_markdown(page, "figures"), to_markdown(page)
    assert '![A line "falls".](figures/plot.png)' in with_pictures
    assert "![" not in without
    assert '| x | y | text |\n| --- | --- | --- |\n| 1 | 2.5 | a,"b |\n| 2 | \u2013 | 猫 #1 |\n' in without
    for text in (with_pictures, without):
        assert "| what | how \\| many |\n| --- | --- |\n| 电影 | 23,456 |\n" in text
        assert "```sql\nselect 1 < 2\n```" in text
        assert "- [First things](#first-things)" in text


@pytest.mark.parametrize("kind", ["html", "json", "markdown"])
def test_write_makes_the_page_and_a_picture_a_figure(page, tmp_path, kind):
    out = tmp_path / "report" / "page"
    write(page, out, format=kind, figures=tmp_path / "pictures")
    text = out.read_text(encoding="utf-8")
    assert {one.name for one in (tmp_path / "pictures").iterdir()} == {"plot.png", "broad.png"}
    assert all(one.read_bytes().startswith(b"\x89PNG") for one in (tmp_path / "pictures").iterdir())
    assert [one.name for one in out.parent.iterdir()] == ["page"]
    assert ("../pictures/plot.png" in text) == (kind != "html")


def test_the_same_page_gives_the_same_bytes(page, tmp_path):
    for name in ("a", "b"):
        write(page, tmp_path / name / "page.html", format="html", figures=tmp_path / name)
    for name in ("page.html", "plot.png", "broad.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_cannot_be_drawn_leaves_the_last_page(page, tmp_path):
    write(page, tmp_path / "page.html", format="html", figures=tmp_path / "figures")
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}

    def broken(_):
        raise RuntimeError("no such plot")

    parts = [one_figure("another"), one_figure("broken", draw=broken)]
    with pytest.raises(RuntimeError, match="no such plot"):
        write(
            Page("p", "", [Section("s", "", parts)]),
            tmp_path / "page.html",
            format="html",
            figures=tmp_path / "figures",
        )
    assert {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()} == before


def test_a_place_that_cannot_be_written_is_an_error_of_one_line(page, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a folder"):
        write(page, tmp_path / "file" / "page.html", format="json", figures=None)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="a folder of this name"):
        write(page, tmp_path / "folder", format="json", figures=None)
    with pytest.raises(InputError, match="File name too long"):
        write(page, tmp_path / ("x" * 300), format="json", figures=None)


def test_a_page_in_a_browser(page, tmp_path):
    out = tmp_path / "page.html"
    write(page, out, format="html", figures=None)
    for width in (390, 1280):
        look = look_at(out, width=width)
        assert (look.complaints, look.requests) == ([], [])
        assert look.shown["width"] <= width
        assert len(look.shown["images"]) == 2
        assert min(min(size) for size in look.shown["images"]) > 100
        assert look.shown["unnamed"] == look.shown["repeated_ids"] == look.shown["dead_links"] == 0
        assert look.shown["cut_text"] == []
    dark = look_at(out, width=1280, dark=True).shown["background"]
    assert dark != look.shown["background"]


def test_csv_of_a_table():
    assert to_csv(Table("t", "", "", ["a", "b"], [[1, None], ["x\ny", 0.5]])) == 'a,b\n1,\n"x\ny",0.5\n'
