"""How every plot looks: one style, and the ways out, an inlined SVG and a PNG file.

An SVG keeps its text as text, in the fonts of the page, and takes its colours from the page's CSS variables, so that
dark mode recolours it. Colours are those of Okabe and Ito, which colour-blind readers can tell apart.
"""

import html
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator

Draw = Callable[[Axes], None]

INK, MUTED, RULE, PAPER = "#1b1f23", "#6a737d", "#d4d9de", "#ffffff"
"""Text and lines; what steps back; grid; background. By these names drawing functions may ask for them."""
CYCLE: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#2c1a6e", "#6b2400")
"""C0 to C7: Okabe and Ito's, but for the last two (theirs are black, the ink, and a yellow too light for a line)."""
GREYS = {"#000000": "ink", "#808080": "muted", "#b0b0b0": "rule"}
"""What matplotlib draws in where nobody chose."""
VARIABLES: Final = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", **GREYS} | {
    colour: f"c{number}" for number, colour in enumerate(CYCLE)
}
"""Colour -> the page's CSS variable of it."""

NARROW, WIDE = 4.1, 9.1
"""Widths of a plot [inches]: half the page or a whole phone; the whole page."""
HEIGHT = 3.1
ROOM_FOR_LABEL, ROOM_AROUND = 0.21, 0.8
"""Inches a bar with a name takes, and what stands above and below all of them."""
ABOVE: Final[dict[str, Any]] = {
    "loc": "lower left", "bbox_to_anchor": (0, 1.01), "borderaxespad": 0, "columnspacing": 1.2,
}  # fmt: skip
"""Where a legend covers nothing; three columns, or as many as there is room for."""
PNG_DPI = 200
HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+(?:\s*[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+)*")
"""Chinese text, with its punctuation."""
HAN_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Droid Sans Fallback",
    "Arial Unicode MS",
)  # fmt: skip
"""Fonts with Chinese characters, of which a PNG takes the first that is installed."""

STYLE: Final[dict[str, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 9,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
    "path.simplify_threshold": 0.3,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "kraft",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}

_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_STYLE = re.compile(r'style="[^"]*"')
_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_IDS = re.compile(r' id="([^"]*)"')
_REFERENCES = re.compile(r'#([^")]+)[")]')
_NO_TURN = re.compile(r' transform="rotate\(-0 [^"]*"')
_PATH = re.compile(r'(?<= d=")[^"]*')
_LONG = re.compile(r"(\.\d\d)\d+")
_TEXT = re.compile(r"<text( [^>]*>[^<]*)")
_BEFORE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_REMARKS = re.compile(r"<metadata>.*?</metadata>|<style .*?</style>|<!--.*?-->|(?<=>)\s+(?=<)", re.DOTALL)


def svg(draw: Draw, *, name: str, alt: str, width: float = NARROW, height: float = HEIGHT) -> str:
    """An SVG element to inline in a page.

    Args:
        draw: draws on the axes.
        name: starts all ids in it, so that several can stand on one page.
        alt: what it shows, for those who do not see it.
        width: of the axes and what is around them [inches].
        height: the same; a bar chart with many names becomes higher.
    """
    with _style():
        canvas = _canvas(draw, width, height)
        _lay_out(canvas)
        written = io.StringIO()
        printer: Any = FigureCanvasSVG(canvas)
        printer.print_svg(written, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _inlined(written.getvalue(), name, alt)


def png(draw: Draw, *, title: str, width: float = NARROW, height: float = HEIGHT) -> bytes:
    """The same plot as a PNG file for slides: light, with its title."""
    with _style():
        canvas = _canvas(draw, width, height)
        canvas.suptitle(title, fontsize=11, wrap=True)
        canvas.set_dpi(PNG_DPI)
        canvas.set_facecolor(PAPER)
        _lay_out(canvas)
        written = io.BytesIO()
        printer: Any = FigureCanvasAgg(canvas)
        printer.print_png(written, metadata={"Software": None})
    return written.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    settings: Any = {**STYLE, "font.family": _families()}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Without a Chinese font a PNG shows boxes; the SVG has the fonts of whoever reads it.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


@cache
def _families() -> list[str]:
    """Fonts that are installed: of matplotlib's own for all but Chinese, and the first that has that."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in HAN_FONTS if name in installed][:1]]


def _canvas(draw: Draw, width: float, height: float) -> Canvas:
    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes = canvas.subplots()
    draw(axes)
    if isinstance(axes.yaxis.get_major_locator(), FixedLocator):
        canvas.set_figheight(max(height, len(axes.get_yticks()) * ROOM_FOR_LABEL + ROOM_AROUND))
    if axes.get_legend():
        _fit_legend(canvas, axes)
    return canvas


def _lay_out(canvas: Canvas) -> None:
    """Place everything once; `Figure.savefig` would do it twice, and draw twice, which is most of its time."""
    engine = canvas.get_layout_engine()
    assert engine is not None  # noqa: S101 - every canvas has one
    engine.execute(canvas)
    canvas.set_layout_engine("none")


def _fit_legend(canvas: Canvas, axes: Axes) -> None:
    """Give a legend above the axes the lines that it needs, and the figure the height that these take: what fits a
    whole page may not fit half a one.
    """
    legend = axes.get_legend()
    assert legend is not None  # noqa: S101 - that is what the caller asked
    for columns in (2, 1, 0):
        # Its width must not narrow the axes before it is known to fit.
        legend.set_in_layout(False)
        canvas.draw_without_rendering()
        taken = legend.get_window_extent()
        if taken.x1 <= canvas.bbox.x1 or taken.y1 <= axes.get_window_extent().y1 or not columns:
            break
        # The columns of a legend that is there cannot be changed.
        legend = axes.legend(**ABOVE, ncols=columns)
    legend.set_in_layout(True)
    if taken.y1 > axes.get_window_extent().y1:
        canvas.set_figheight(canvas.get_figheight() + max(0, taken.height / canvas.dpi - ROOM_FOR_LABEL))


def _inlined(written: str, name: str, alt: str) -> str:
    """Matplotlib's SVG file as an element of a page: only ids that are used, in the page's fonts and colours."""
    text = _NO_TURN.sub("", _REMARKS.sub("", _BEFORE.sub("", written, count=1)))
    text = _STYLE.sub(lambda style: _FONT.sub("", _COLOUR.sub(_variable, style[0])), text)
    text = _PATH.sub(lambda path: _LONG.sub(r"\1", path[0].replace("\n", "")), text)
    used = set(_REFERENCES.findall(text))
    text = _IDS.sub(lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = text.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    text = _TEXT.sub(lambda found: f'<text lang="zh-Hans"{found[1]}' if HAN.search(found[1]) else found[0], text)
    sizes = re.search(r'viewBox="[^"]*"', text)
    assert sizes is not None  # noqa: S101 - matplotlib always writes it
    opening = f'<svg role="img" aria-label="{html.escape(alt)}" {sizes[0]}>'
    return re.sub(r"^<svg [^>]*>", lambda _: opening, text, count=1).strip()


def _variable(colour: re.Match[str]) -> str:
    """A colour of the style as the page's variable; any other as it is."""
    name = VARIABLES.get(colour[0])
    return f"var(--{name})" if name else colour[0]
