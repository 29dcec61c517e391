"""A page that shows the data: `python -m jobs.explore --out report/explore.html`."""

import shlex
from pathlib import Path

from jobs._command import run
from kraft.formatting import pluralize
from kraft.report.output_path import ENDINGS, Format, beside
from kraft.settings import MIB, OutputFile, Settings


class Options(Settings):
    """Users, videos and interactions, watch ratio and threshold, days and hours, categories, what is missing, what was
    rejected, and how the test period differs: one page of plots, each with a sentence computed from the data.

    The page is one file that opens offline; pictures of its plots are put in figures/ beside it. Brings up to date
    whatever tables it needs.
    """

    out: OutputFile | None = None
    """File to write. Default: report/explore.html, .json or .md."""
    format: Format = "html"
    """html is the page itself; json and markdown have the same words and numbers."""

    def written(self) -> dict[str, Path]:
        """The page where nothing else is said, and what lies beside it."""
        return ({} if self.out else {"the page": self.page}) | beside(self.page)

    @property
    def page(self) -> Path:
        return self.out or Path("report") / f"explore.{ENDINGS[self.format]}"


def main(options: Options) -> None:
    from kraft.pipeline.pipeline import Pipeline
    from kraft.report.stages import MakeDataPage, make_data_page
    from kraft.stages.table_lists import PAGE_TABLES

    out = options.page
    with Pipeline(options, more_tables=PAGE_TABLES) as pipeline:
        pipeline.build()
        asked = MakeDataPage(settings=pipeline.settings, out=out, format=options.format, losses=pipeline.losses)
        made = pipeline.run(make_data_page, asked)
        outcome = f"{pluralize(made.figures, 'figure')}, {made.bytes / MIB:.1f} MiB -> {out}"
        print(pipeline.summary("explore", outcome, f"open {shlex.quote(str(out))}"))


if __name__ == "__main__":
    run(Options, main)
