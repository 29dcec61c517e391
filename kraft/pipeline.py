"""The order of the stages: each job brings up to date what it needs, and says what that was.

    raw files -> build (tables) -> als, watch_time (factors) -> ranker (model) -> score (scores) -> evaluate

Each stage runs in a process of its own (`kraft.engine.isolation`). This module only decides which have to
run, and adds up what they report.
"""

import importlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from kraft.data.losses import notes, paragraph
from kraft.data.places import find_folder
from kraft.engine.budget import Budget, mib
from kraft.engine.faults import explained
from kraft.engine.isolation import ONE_READER, THRIFTY, Running, RunningStage, StageHere, run_stage
from kraft.engine.locks import hold
from kraft.engine.progress import Progress
from kraft.engine.store import FIT, Recipe, Store
from kraft.errors import add_notes
from kraft.models.recipes import (
    ALS,
    RANKER,
    SCORES,
    WATCH_TIME,
    als_recipe,
    fit_store,
    named,
    ranker_recipe,
    scores_recipe,
    watch_time_recipe,
)
from kraft.settings import DEFAULT_RAW, MIB, PRESETS, Settings
from kraft.summary import details

TWIN_USERS, TWIN_ITEMS = 200, 500
"""Size of the twin that stands in for missing data: about 100,000 interactions, made in a few seconds."""
BUILD, FIT_ALS = "kraft.data.tables:build", "kraft.models.als_stage:fit_als"
SCORE, JUDGE = "kraft.models.scoring_stages:score", "kraft.evaluation.stage:judge"
LAST_TABLE_OF_ALS = "item_index"
"""Of the tables that the factors need, the one that is built last."""
ROOM_FOR_TWO = 1024 * MIB
"""Memory limit from which two stages run beside each other, as the factors beside the build: together the two processes
then take 0.7 of it on the full-size twin, 0.96 at 75 M interactions."""
THRIFTY_STAGES = (
    "kraft.models.ranker_stage",
    "kraft.models.scoring_stages",
    "kraft.models.recommend_stage",
    "kraft.models.explain_stage",
    "kraft.evaluation.stage",
    "kraft.evaluation.recommendations",
)
"""Stages for which the limit is narrow."""
ON_SPARK = {
    BUILD: "kraft.spark.tables:build",
    FIT_ALS: "kraft.spark.als:fit_als",
    "kraft.models.ranker_stage:train_ranker": "kraft.spark.ranker:train_ranker",
    SCORE: "kraft.spark.scoring:score",
    "kraft.models.scoring_stages:score_pairs": "kraft.spark.scoring:score_pairs",
    "kraft.models.scoring_stages:export_scores": "kraft.spark.scoring:export_scores",
    "kraft.models.candidates_stage:make_candidates": "kraft.spark.candidates:make_candidates",
    "kraft.models.recommend_stage:recommend": "kraft.spark.lists:recommend",
    JUDGE: "kraft.spark.evaluation:judge",
    "kraft.evaluation.stage:compare": "kraft.spark.evaluation:compare",
    "kraft.evaluation.recommendations:judge_recommendations": "kraft.spark.evaluation:judge_recommendations",
}
"""The stages that --engine spark runs in its own way, in the job's process: Spark has processes of its own. The others
read what these leave in the work folder."""


@dataclass
class Pipeline:
    """One job's run over one work folder; a context manager, which holds the folder's lock.

    At its end readers see what was made, all at once (`Store.commit`): where a stage failed after the tables were
    built, the tables; where the build failed, or the job was stopped, what they saw before.
    """

    settings: Settings
    more_tables: tuple[str, ...] = ()
    """Tables that the job needs beyond those of the preset."""
    store: Store = field(init=False)
    progress: Progress = field(init=False)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each stage that ran in this job returned, by its name."""
    reused: list[str] = field(default_factory=list)
    """Tables and models that were up to date."""
    started: float = field(default_factory=time.monotonic)
    _lock: int | None = None
    _held: ExitStack = field(default_factory=ExitStack)
    _waiting: dict[str, Running] = field(default_factory=dict)
    """Stages that were started ahead (`_expect`)."""

    def __post_init__(self) -> None:
        self.progress = Progress(self.settings.verbosity)
        Budget(self.settings.memory_limit)
        if self.settings.engine == "spark":
            # To read what is installed takes 30 ms: only who asks for Spark pays them.
            from kraft.spark.needs import need_spark  # noqa: PLC0415

            need_spark(self.settings.master)
        self.store = Store(self.settings.work)
        # A job's own options are not the stages' business.
        shared = self.settings.model_dump(include=set(Settings.model_fields))
        self.settings = Settings.model_validate(shared)

    def __enter__(self) -> Self:
        self._lock = self._held.enter_context(hold(self.store.folder, self.progress, wait=not self.settings.no_wait))
        self.store.tidy()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and "build" in self.results:
            add_notes(error, notes(self.results["build"]["rejected"], published=True))
        with self._held:
            # A stage that was killed has left its drafts.
            self.store.tidy()
            if "build" in self.results and (error is None or isinstance(error, Exception)):
                try:
                    self.store.commit()
                except Exception as second:
                    # A full disk that ended the job does not let it show its tables either: the first error is told.
                    if error is None or explained(second) is None:
                        raise

    # --- the stages ---------------------------------------------------------------------------

    def build(self) -> None:
        """Tables from the raw files."""
        with self._start(BUILD, more=self.more_tables) as build:
            self._finish_build(build)

    def train(self) -> None:
        """Models of the preset, on tables that are up to date."""
        self.fit_als()
        if PRESETS[self.settings.preset].watch_time:
            self._fit_watch_times()
        recipe = partial(ranker_recipe, self.store, self.settings)
        self._bring(named(RANKER, self.settings), "kraft.models.ranker_stage:train_ranker", recipe)

    def _fit_watch_times(self) -> None:
        """Of the whole train period and of the history: only those that are stale."""
        stores = {"main": self.store, FIT: fit_store(self.store)}
        stale = [
            which
            for which, store in stores.items()
            if self._stale(WATCH_TIME, watch_time_recipe(store, self.store, self.settings), store)
        ]
        if stale:
            self.run(WATCH_TIME, "kraft.models.watch_time_stage:fit_watch_times", stores=stale)
        else:
            self.reused.append(WATCH_TIME)

    def fit_als(self) -> None:
        """Factors alone, on tables that are up to date.

        The factors need only the first of the tables: where the limit has room for both, they are fitted while the
        others are built, one thread's work for most of the time.
        """
        name = named(ALS, self.settings)
        with self._start(BUILD, more=self.more_tables) as build, ExitStack() as beside:
            if not self.store.entry(name):
                # Factors that are not there have to be fitted.
                self._expect(FIT_ALS)
            together = self._room_for_two and build.wait_for(LAST_TABLE_OF_ALS)
            if not together:
                self._finish_build(build)
            als: Running | None = None
            if self._stale(name, als_recipe(self.store, self.settings)):
                # Two bars at once would overwrite each other.
                als = beside.enter_context(self._start(FIT_ALS, silent=together))
            if together:
                self._finish_build(build)
                # Loaded while the factors are fitted, on what is left of the cores: it writes the catalog at the end.
                importlib.import_module("kraft.engine.session")
            if als:
                self.results[name] = als.result()
            else:
                self.reused.append(name)

    def score(self) -> None:
        """Scores of the test pairs."""
        if self._trained and not self.store.entry(named(SCORES, self.settings)):
            self._expect(SCORE)
        self.train()
        recipe = partial(scores_recipe, self.store, self.settings)
        self._bring(named(SCORES, self.settings), SCORE, recipe)

    def export(self, out: Path | str) -> None:
        """The scores as a file of the user's."""
        self.score()
        self.run("export", "kraft.models.scoring_stages:export_scores", out=str(out))

    def score_pairs(self, pairs: Path, out: Path | str) -> None:
        """Scores of the user's own pairs."""
        self.train()
        self.run("pairs", "kraft.models.scoring_stages:score_pairs", pairs=str(pairs), out=str(out))

    def explain(self, pairs: list[tuple[int, int]], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """Why the ranker, which is up to date, gives each (user_id, item_id) its score."""
        self.run("explain", "kraft.models.explain_stage:explain", pairs=pairs, **options)
        return self.results["explain"]

    def evaluate(
        self, *, baselines: bool = True, meanwhile: Callable[["Pipeline"], object] | None = None
    ) -> dict[str, Any]:
        """Metrics of the scores of the test pairs; with ``baselines``, beside those of the simplest recommenders and of
        other presets whose scores are there and up to date.

        Most of it is one thread's work: ``meanwhile``, what else is to be done with the models, is done beside it where
        the limit has room for both, and else after it.
        """
        if self._trained:
            self._expect(JUDGE)
        self.score()
        scores: dict[str, str] = {self.settings.preset: self._scores_of(self.settings)}
        if baselines:
            for preset in PRESETS.keys() - scores.keys():
                other = self.settings.model_copy(update={"preset": preset})
                if not self.store.stale(named(SCORES, other), scores_recipe(self.store, other)):
                    scores[preset] = self._scores_of(other)
        als = named(ALS, self.settings)
        more = {"scores": scores, "baselines": baselines, "als": als}
        together = meanwhile is not None and self._room_for_two
        with self._start(JUDGE, silent=together, **more) as judging:
            if meanwhile and together:
                meanwhile(self)
            self.results["evaluate"] = judging.result()
        if meanwhile and not together:
            meanwhile(self)
        return self.results["evaluate"]

    def compare(self, first: str, second: str) -> dict[str, Any]:
        """The paired difference of two score sets, each a preset, whose scores are brought up to date, or a file."""
        scores = {}
        for name in (first, second):
            if name in PRESETS:
                self.settings = self.settings.model_copy(update={"preset": name})
                self.score()
                scores[name] = self._scores_of(self.settings)
            else:
                scores[name] = str(Path(name).resolve())
        self.run("evaluate", "kraft.evaluation.stage:compare", scores=scores)
        self.results["evaluate"]["compared"] = [name for name in (first, second) if name not in PRESETS]
        return self.results["evaluate"]

    def _scores_of(self, settings: Settings) -> str:
        return str(self.store.table(named(SCORES, settings)))

    # --- how a stage runs ---------------------------------------------------------------------

    def _stale(self, name: str, recipe: Recipe, store: Store | None = None) -> bool:
        """Whether a model or the scores have to be made again; --verbose says why."""
        reason = "--force" if self.settings.force else (store or self.store).stale(name, recipe)
        if reason:
            self.progress.detail(f"  {name:<20} ({reason})")
        return bool(reason)

    def _bring(self, name: str, stage: str, recipe: Callable[[], Recipe]) -> None:
        if self._stale(name, recipe()):
            self.run(name, stage)
        else:
            self.reused.append(name)

    def run(self, name: str, stage: str, **more: Any) -> None:  # noqa: ANN401 - JSON values
        """Run one stage, and keep what it returns as the result ``name``."""
        with self._start(stage, **more) as running:
            self.results[name] = running.result()

    @property
    def _room_for_two(self) -> bool:
        """Whether two stages may run beside each other; a cluster does one after the other."""
        return self.settings.memory_limit >= ROOM_FOR_TWO and self.settings.engine == "duckdb"

    @property
    def _trained(self) -> bool:
        """Whether the ranker is there; most likely it is up to date."""
        return self.store.entry(named(RANKER, self.settings)) is not None

    def _expect(self, stage: str) -> None:
        """Start a stage that will be needed soon, where there is room: it loads its libraries beside what runs before
        it, on what is left of the cores. If it is not needed after all, it ends with the job.
        """
        if self._room_for_two and stage not in self._waiting:
            self._waiting[stage] = self._held.enter_context(self._open(stage))

    def _start(self, stage: str, **more: Any) -> Running:  # noqa: ANN401 - JSON values
        asked = self._asked(**more)
        waiting = self._waiting.pop(stage, None)
        if waiting is None:
            return self._open(stage, asked)
        waiting.begin(asked)
        return waiting

    def _open(self, stage: str, asked: dict[str, Any] | None = None) -> Running:
        if self.settings.engine == "spark" and stage in ON_SPARK:
            return StageHere(ON_SPARK[stage], asked)
        environment = ONE_READER | (THRIFTY if stage.startswith(THRIFTY_STAGES) else {})
        return RunningStage(stage, asked, environment=environment, lock=self._lock)

    def _asked(self, *, silent: bool = False, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        if self.settings.raw is None:
            self.settings = self.settings.model_copy(update={"raw": self._raw()})
        settings = self.settings.model_dump(mode="json") | ({"quiet": True} if silent else {})
        return {"settings": settings, "commit": False, **more}

    def _finish_build(self, build: Running) -> None:
        self.results["build"] = build.result()
        self.reused += self.results["build"]["reused"]

    # --- data ---------------------------------------------------------------------------------

    def _raw(self) -> Path:
        if find_folder(DEFAULT_RAW):
            return DEFAULT_RAW
        twin = self.store.folder / "twin"
        self.progress.say(
            "no data given: using a small synthetic twin of KuaiRec in "
            f"{self.settings.work / 'twin'} (made-up people and videos)\n"
            "  for the real data     python -m jobs.fetch_data"
        )
        if find_folder(twin) is None:
            # The twin gets its name once it is whole.
            with self.store.scratch() as folder:
                made = folder / "twin"
                run_stage(
                    "kraft.data.twin:make_stage",
                    {"to": str(made), "users": TWIN_USERS, "items": TWIN_ITEMS, "verbosity": -1},
                    lock=self._lock,
                )
                made.rename(twin)
        return twin

    # --- what people read ---------------------------------------------------------------------

    @property
    def losses(self) -> str:
        """What rows do not count, as a paragraph for a page; empty where all do."""
        return paragraph(self.results["build"])

    def summary(self, job: str, outcome: str, next_step: str) -> str:
        """The last lines of a job: what was made, seconds, the peak against the limit, what to type next."""
        seconds = time.monotonic() - self.started
        peak = max((result["peak_bytes"] for result in self.results.values()), default=0)
        limit = mib(self.settings.memory_limit)
        lines = [f"{job}  {outcome}   {seconds:.1f} s   peak {peak / 1024**2:,.0f} of {limit}"]
        lines += [f"  {line}" for line in details(self.results, self.reused, self.settings)]
        if peak > self.settings.memory_limit:
            lines.append(f"  warning: the peak is over the limit of {limit}; please report these lines")
        lines.append(f"next      {next_step}")
        return "\n".join(lines)
