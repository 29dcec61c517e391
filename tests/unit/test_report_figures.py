"""Plots: one look, inlined as SVG that follows its page, and as PNG files for slides."""

import re
import xml.etree.ElementTree as ET
from html import unescape

import numpy as np
import pytest
from browser import look_at

from kraft.report import figures
from kraft.report.page import ASSETS


def line(axes):
    axes.plot([1, 2, 3], [3, 1, 2], label="甲")
    axes.axhline(1.5, color=figures.MUTED)
    axes.set_xlabel("x [s]")
    axes.legend()


def named(count):
    def draw(axes):
        axes.barh(range(count), range(count))
        axes.set_yticks(range(count), [f"name {number}" for number in range(count)])

    return draw


def test_a_plot_follows_the_page_in_fonts_and_colours():
    made = figures.svg(line, name="a", alt="x")
    assert "font-family" not in made
    assert {"var(--c0)", "var(--ink)", "var(--muted)", "var(--rule)"} <= set(re.findall(r"var\(--\w+\)", made))
    assert not re.search(r"#[0-9a-f]{6}", made)
    assert "x [s]" in re.findall(r"<text[^>]*>([^<]*)</text>", made)


def test_a_plot_is_well_formed_and_uses_what_it_defines():
    made = figures.svg(line, name="a", alt='x < "y"').replace(
        "<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1
    )
    root = ET.fromstring(made)  # noqa: S314 - our own
    assert root.attrib["aria-label"] == 'x < "y"'
    names = {one.attrib["id"] for one in root.iter() if "id" in one.attrib}
    used = set(re.findall(r"(?:href=\"|url\()#([^\")]+)", made))
    assert names == used
    assert all(name.startswith("a-") for name in names)


def test_plots_of_one_page_share_no_ids():
    one, other = (set(re.findall(r' id="([^"]+)"', figures.svg(line, name=name, alt="x"))) for name in "ab")
    assert one
    assert not one & other


def test_text_in_a_plot_is_no_markup():
    def draw(axes):
        axes.plot([1, 2], [1, 2], label="<script>1</script> & more")
        axes.legend()

    made = figures.svg(draw, name="a", alt="x")
    assert "<script>" not in made
    assert "<script>1</script> & more" in [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", made)]


def test_a_bar_chart_grows_with_its_names():
    heights = [
        float(re.search(r'viewBox="0 0 \S+ (\S+)"', figures.svg(named(count), name="a", alt="x"))[1])
        for count in (3, 40)
    ]
    assert heights[0] == pytest.approx(figures.HEIGHT * 72)
    assert heights[1] >= 40 * figures.ROOM_FOR_LABEL * 72


@pytest.mark.slow
@pytest.mark.parametrize("width", [figures.NARROW, figures.WIDE])
def test_a_legend_takes_as_many_lines_as_it_needs(tmp_path, width):
    def draw(axes):
        for number in range(9):
            axes.plot([1, 2], [number, number], label=f"a score set with a long name {number}")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=3)

    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><title>t</title>{figures.svg(draw, name='a', alt='x', width=width)}")
    assert look_at(page, width=800).shown["cut_text"] == []


SEEN = {
    "by most": np.eye(3),
    "without red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "without green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "without blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""Linear RGB as people without a kind of cones see it (Machado, Oliveira and Fernandes 2009, severity 1)."""
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
WHITE = np.array([0.95047, 1, 1.08883])
APART = 10
"""CIELAB distance that is seen at a glance; about 2 is just visible."""


def linear(colour):
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(seen):
    parts = TO_XYZ @ np.clip(seen, 0, 1) / WHITE
    x, y, z = np.where(parts > 0.008856, np.cbrt(parts), 7.787 * parts + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def colours_of(mode):
    light, dark = (ASSETS / "page.css").read_text().split("prefers-color-scheme: dark")
    css = {"light": light, "dark": dark}[mode]
    return [re.search(rf"--c{number}: (#[0-9a-f]{{6}});", css)[1] for number in range(len(figures.CYCLE))]


def test_a_page_in_light_has_the_colours_of_its_pictures():
    assert colours_of("light") == list(figures.CYCLE)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("eyes", SEEN)
def test_colours_are_told_apart_by_all_eyes(mode, eyes):
    seen = [lab(np.array(SEEN[eyes]) @ linear(colour)) for colour in colours_of(mode)]
    apart = {
        (one, other): np.linalg.norm(seen[one] - seen[other]) for other in range(len(seen)) for one in range(other)
    }
    assert min(apart.values()) > APART, min(apart, key=apart.get)


def test_no_setting_of_the_user_changes_a_plot():
    import matplotlib as mpl  # noqa: PLC0415

    before = figures.svg(line, name="a", alt="x")
    with mpl.rc_context({"font.size": 30, "axes.grid": False, "lines.linewidth": 9, "svg.fonttype": "path"}):
        assert figures.svg(line, name="a", alt="x") == before
