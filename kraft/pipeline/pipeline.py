"""The order of the stages, from raw files to scores.

    raw files -> build (tables) -> als, watch_time (factors) -> ranker (model) -> score (scores) -> evaluate

Each stage runs in its own process (`kraft.engine.process.worker`), or on Spark. This module only decides which
have to run, and keeps what they return.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from kraft.artifacts import ALS, RANKER, SCORES, WATCH_TIME
from kraft.engine.process.memory import Budget, mib
from kraft.engine.process.os_errors import explained
from kraft.engine.process.progress import Progress
from kraft.engine.process.stage import Record, Stage
from kraft.engine.process.worker import run, run_here
from kraft.engine.workspace.locks import acquire_lock
from kraft.engine.workspace.store import Fingerprint, Store
from kraft.errors import InputError, add_notes
from kraft.logs.files import find_folder
from kraft.logs.losses import notes, paragraph
from kraft.pipeline.results import Results
from kraft.pipeline.summary import details
from kraft.settings import DEFAULT_RAW, KUAIREC, Settings
from kraft.stages.build_tables import build_tables
from kraft.stages.check_given import CheckGiven, Kind, check_given
from kraft.stages.evaluate import CompareScores, EvaluateScores, Evaluation, compare_scores, evaluate_scores
from kraft.stages.explain import ExplainScores, ScoresExplained, explain_scores
from kraft.stages.fingerprints import als_fingerprint, ranker_fingerprint, scores_fingerprint, watch_time_fingerprint
from kraft.stages.fit_als import FitAls, fit_als
from kraft.stages.fit_watch_times import FitWatchTimes, Period, fit_watch_times, store_of
from kraft.stages.import_log import ImportLog, LogImported, import_log
from kraft.stages.preset import PRESETS, Preset, preset_of
from kraft.stages.score import (
    ExportScores,
    ScoredGivenPairs,
    ScoreGivenPairs,
    ScoreTestPairs,
    export_scores,
    score_given_pairs,
    score_test_pairs,
)
from kraft.stages.synthesize import Synthesize, synthesize_log
from kraft.stages.table_records import BuildTables, TablesBuilt
from kraft.stages.train_ranker import TrainRanker, train_ranker

SYNTHETIC_USERS, SYNTHETIC_ITEMS = 200, 500
"""Size of the synthetic data that stands in for missing data: about 100,000 interactions, made in a few seconds."""
PERIODS: tuple[Period, ...] = ("train", "history")

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)
P = ParamSpec("P")


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
    results: Results = field(default_factory=Results)
    reused: list[str] = field(default_factory=list)
    """Tables and models that were up to date."""
    compared: list[str] = field(default_factory=list)
    """The user's own files of scores that were compared."""
    started: float = field(default_factory=time.monotonic)
    _lock: int | None = None
    _held: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.progress = Progress(self.settings.verbosity)
        Budget(self.settings.memory_limit)
        if self.settings.engine == "spark":
            # To read what is installed takes 30 ms: only a job that asks for Spark pays them.
            from kraft.spark.needs import need_spark  # noqa: PLC0415

            need_spark(self.settings.master)
            if self.settings.log != KUAIREC:
                raise InputError(
                    f"--log {self.settings.log}: Spark reads KuaiRec's own files only", "Leave out --engine spark."
                )
        self.store = Store(self.settings.work)
        # A job's own options are not the stages' business.
        shared = self.settings.model_dump(include=set(Settings.model_fields))
        self.settings = Settings.model_validate(shared)

    def __enter__(self) -> Self:
        self._lock = self._held.enter_context(
            acquire_lock(self.store.folder, self.progress, wait=not self.settings.no_wait)
        )
        self.store.cleanup()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        built = self.results.get(build_tables)
        if error is not None and built:
            add_notes(error, notes(built.result.rejected, published=True))
        with self._held:
            # A stage that was killed has left its drafts.
            self.store.cleanup()
            if built and (error is None or isinstance(error, Exception)):
                try:
                    self.store.commit()
                except Exception as second:
                    # A full disk that ended the job does not let it show its tables either: the first error is told.
                    if error is None or explained(second) is None:
                        raise

    @property
    def preset(self) -> Preset:
        return preset_of(self.settings)

    # --- the stages ---------------------------------------------------------------------------

    def build(self) -> TablesBuilt:
        """Tables from the raw files."""
        self._find_raw()
        asked = BuildTables(settings=self.settings, more=self.more_tables, commit=False, log=self._import_log())
        built = self.run(build_tables, asked)
        self.reused += built.reused
        return built

    def fit_als(self) -> None:
        """The ALS factors, on tables that are up to date."""
        self.build()
        self._bring(self.preset.artifact(ALS), als_fingerprint, fit_als, FitAls(settings=self.settings))

    def train(self) -> None:
        """Models of the preset, on tables that are up to date."""
        self.fit_als()
        if self.preset.watch_time:
            self._fit_watch_times()
        self._bring(self.preset.artifact(RANKER), ranker_fingerprint, train_ranker, TrainRanker(settings=self.settings))

    def _fit_watch_times(self) -> None:
        """Of the whole train period and of the history: only those that are stale."""
        stale = tuple(period for period in PERIODS if self._is_stale(period))
        if stale:
            self.run(fit_watch_times, FitWatchTimes(settings=self.settings, periods=stale))
        else:
            self.reused.append(WATCH_TIME)

    def _is_stale(self, period: Period) -> bool:
        store = store_of(period, self.store)
        return self._stale(WATCH_TIME, watch_time_fingerprint(store, self.store, self.settings), store)

    def score(self) -> None:
        """Scores of the test pairs."""
        self.train()
        asked = ScoreTestPairs(settings=self.settings, commit=False)
        self._bring(self.preset.artifact(SCORES), scores_fingerprint, score_test_pairs, asked)

    def export(self, out: Path | str) -> None:
        """The scores as a file of the user's."""
        self.score()
        self.run(export_scores, ExportScores(settings=self.settings, out=str(out)))

    def score_pairs(self, pairs: Path, out: Path | str) -> ScoredGivenPairs:
        """Scores of the user's own pairs."""
        self.check_given(("pairs", pairs))
        self.train()
        return self.run(score_given_pairs, ScoreGivenPairs(settings=self.settings, pairs=pairs, out=str(out)))

    def explain(
        self, pairs: list[tuple[int, int]], sources: tuple[str, ...] = (), features: int = 10
    ) -> ScoresExplained:
        """Why the ranker, which is up to date, gives each (user_id, item_id) its score."""
        asked = ExplainScores(settings=self.settings, pairs=tuple(pairs), sources=sources, features=features)
        return self.run(explain_scores, asked)

    def evaluate(self, *, baselines: bool = True) -> Evaluation:
        """Metrics of the scores of the test pairs; with ``baselines``, beside those of the simplest recommenders and of
        other presets whose scores are there and up to date.
        """
        self.score()
        scores = {self.preset.name: self._scores_of(self.preset)}
        if baselines:
            for name in PRESETS.keys() - scores.keys():
                other = self.settings.model_copy(update={"preset": name})
                if not self.store.stale(PRESETS[name].artifact(SCORES), scores_fingerprint(self.store, other)):
                    scores[name] = self._scores_of(PRESETS[name])
        als = self.preset.artifact(ALS)
        return self.run(
            evaluate_scores, EvaluateScores(settings=self.settings, scores=scores, baselines=baselines, als=als)
        )

    def compare(self, first: str, second: str) -> Evaluation:
        """The paired difference of two score sets, each a preset, whose scores are brought up to date, or a file."""
        self.check_given(*(("scores", Path(name)) for name in (first, second) if name not in PRESETS))
        scores = {}
        for name in (first, second):
            if name in PRESETS:
                self.settings = self.settings.model_copy(update={"preset": name})
                self.score()
                scores[name] = self._scores_of(self.preset)
            else:
                scores[name] = Path(name).resolve()
        self.compared = [name for name in (first, second) if name not in PRESETS]
        return self.run(compare_scores, CompareScores(settings=self.settings, scores=scores))

    def _scores_of(self, preset: Preset) -> Path:
        return self.store.table(preset.artifact(SCORES))

    def check_given(self, *files: tuple[Kind, Path | None]) -> None:
        """Hold files that the user named, where he did, to their rules before any work.

        Raises:
            InputError: one is unreadable, or breaks a rule.
        """
        if given := tuple((kind, path) for kind, path in files if path is not None):
            self.run(check_given, CheckGiven(settings=self.settings, files=given), told=False)

    # --- how a stage runs ---------------------------------------------------------------------

    def run(self, stage: Stage[A, P, R], arguments: A, *, told: bool = True) -> R:
        """Run one stage: where the engine has its own way, here, else in its own process.

        Args:
            stage: the stage.
            arguments: its arguments.
            told: whether the summary tells of it.

        Raises:
            KraftError: as the stage does.
        """
        own = self._own(stage)
        measured = run_here(own, arguments) if own else run(stage, arguments, lock=self._lock)
        self.results.add(stage, measured, told=told)
        return measured.result

    def _own(self, stage: Stage[A, P, R]) -> Callable[[A], R] | None:
        """How the job's engine runs a stage, where not as DuckDB does."""
        if self.settings.engine == "duckdb":
            return None
        from kraft.spark.engine import on_spark  # noqa: PLC0415 - it needs pyspark

        return on_spark(stage)

    def _stale(self, name: str, fingerprint: Fingerprint, store: Store | None = None) -> bool:
        """Whether a model or the scores have to be made again; --verbose says why."""
        reason = "--force" if self.settings.force else (store or self.store).stale(name, fingerprint)
        if reason:
            self.progress.detail(f"  {name:<20} ({reason})")
        return bool(reason)

    def _bring(
        self, name: str, fingerprint: Callable[[Store, Settings], Fingerprint], stage: Stage[A, P, R], arguments: A
    ) -> None:
        if self._stale(name, fingerprint(self.store, self.settings)):
            self.run(stage, arguments)
        else:
            self.reused.append(name)

    # --- data ---------------------------------------------------------------------------------

    def _import_log(self) -> LogImported | None:
        """The typed parts of a described log, up to date; None if the raw files are KuaiRec's."""
        if self.settings.log == KUAIREC:
            return None
        return self.run(import_log, ImportLog(settings=self.settings))

    def _find_raw(self) -> None:
        """Say in the settings where the raw files are, and what a described log has no columns for."""
        if self.settings.log != KUAIREC:
            from kraft.logs.described import description  # noqa: PLC0415 - other logs need none of it

            described = description.read(self.settings.log, self.settings.raw)
            without = tuple(dict.fromkeys((*self.settings.without, *described.log.without())))
            found = {"raw": described.folder, "without": without}
            self.settings = self.settings.model_copy(update=found)
        elif self.settings.raw is None:
            self.settings = self.settings.model_copy(update={"raw": self._raw()})

    def _raw(self) -> Path:
        if find_folder(DEFAULT_RAW):
            return DEFAULT_RAW
        synthetic = self.store.folder / "synthetic"
        self.progress.say(
            "no data given: using small synthetic KuaiRec data in "
            f"{self.settings.work / 'synthetic'} (made-up people and videos)\n"
            "  for the real data     python -m jobs.fetch_data"
        )
        if find_folder(synthetic) is None:
            # The folder gets its name once it is whole.
            with self.store.scratch() as folder:
                made = folder / "synthetic"
                run(synthesize_log, Synthesize(to=made, users=SYNTHETIC_USERS, items=SYNTHETIC_ITEMS), lock=self._lock)
                made.rename(synthetic)
        return synthetic

    # --- what people read ---------------------------------------------------------------------

    @property
    def losses(self) -> str:
        """What rows do not count, as a paragraph for a page; empty if all do."""
        built = self.results.get(build_tables)
        return paragraph(built.result.losses) if built else ""

    def summary(self, job: str, outcome: str, next_step: str) -> str:
        """The last lines of a job: what was made, seconds, the peak against the limit, what to type next."""
        seconds = time.monotonic() - self.started
        peak, limit = self.results.peak_bytes, mib(self.settings.memory_limit)
        lines = [f"{job}  {outcome}   {seconds:.1f} s   peak {peak / 1024**2:,.0f} of {limit}"]
        lines += [f"  {line}" for line in details(self.results, self.reused, self.compared, self.settings)]
        if peak > self.settings.memory_limit:
            lines.append(f"  warning: the peak is over the limit of {limit}; please report these lines")
        lines.append(f"next      {next_step}")
        return "\n".join(lines)
