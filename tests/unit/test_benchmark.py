import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kraft.benchmark import agreement, limit, outside, pages, trials, variants
from kraft.benchmark.invariance import VARIANTS, _line, _metrics, same_rows
from kraft.benchmark.report import Report, Table, machine, median_of, ratio_of
from kraft.benchmark.setup import Setup, library_files, raw_folder
from kraft.engine.progress import QUIET, Progress
from kraft.errors import InputError, MachineError

MIB = 1024**2
ALLOCATE = "import sys; block = b'x' * (200 * 1024**2); print(len(block))"
LOAD = """
import sys
import duckdb, lightgbm, polars, pyarrow.parquet, scipy.sparse
print(*(getattr(module, "__file__", "") for module in list(sys.modules.values())), sep="\\n")
"""


def test_medians_and_ratios():
    slow = [{"seconds": 10.0}, {"seconds": 90.0}, {"seconds": 12.0}]
    fast = [{"seconds": 2.0}, {"seconds": 30.0}, {"seconds": 3.0}]

    assert median_of(slow, "seconds") == 12.0
    # 5, 3 and 4: not 12 / 3, which would pair runs that never stood side by side.
    assert ratio_of(slow, fast, "seconds") == 4.0


def test_runs_without_a_partner_have_no_ratio():
    with pytest.raises(ValueError, match="shorter"):
        ratio_of([{"seconds": 1}, {"seconds": 2}], [{"seconds": 1}], "seconds")


def test_the_libraries_that_a_run_loads_are_warmed_with_the_data():
    loaded = subprocess.run([sys.executable, "-c", LOAD], check=True, capture_output=True, text=True).stdout

    compiled = {Path(name) for name in loaded.splitlines() if ".so" in name and "site-packages" in name}
    assert compiled
    assert compiled <= set(library_files())


def test_the_data_is_read_before_each_run(tmp_path, monkeypatch):
    for name in ("small_matrix.csv", "big_matrix.csv", "user_features.parquet", "notes.txt"):
        (tmp_path / name).write_text("as it is")
    setup = Setup(tmp_path, tmp_path, 512 * MIB, 1, Progress(QUIET), "big")
    opened = []
    real = Path.open

    def open_(path, *arguments, **options):
        opened.append(path.name)
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_)
    for _ in range(2):
        opened.clear()
        run = setup.measure([sys.executable, "-S", "-c", "print('{}')"])
        assert run.answer() == {}
        read = {name for name in opened if (tmp_path / name).exists()}
        assert read == {"big_matrix.csv", "user_features.parquet"}


def test_outside_sees_what_a_process_allocates(tmp_path):
    run = outside.measure([sys.executable, "-S", "-c", ALLOCATE], threads=1, folder=tmp_path)

    assert 200 * MIB <= run.peak_bytes < 240 * MIB
    assert run.stdout == "209715200\n"
    assert run.seconds > 0
    assert run.cpu_seconds > 0


def test_outside_sees_the_largest_of_nested_processes(tmp_path):
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {ALLOCATE!r}])"
    twice = f"{inner}; {inner}"
    run = outside.measure([sys.executable, "-S", "-c", twice], threads=1, folder=tmp_path)

    # The largest one, not the sum of both, and not only the first process.
    assert 200 * MIB <= run.peak_bytes < 240 * MIB


def test_outside_is_not_misled_by_its_own_size(tmp_path):
    ballast = np.ones(300 * MIB // 8)
    run = outside.measure([sys.executable, "-S", "-c", "pass"], threads=1, folder=tmp_path)

    assert ballast.sum() > 0
    assert run.peak_bytes < 50 * MIB


def test_a_failed_command_is_an_error_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no luck')"]
    with pytest.raises(MachineError, match=r"(?s)exit 1.*no luck"):
        outside.measure(command, threads=1, folder=tmp_path)
    assert outside.measure(command, threads=1, folder=tmp_path, check=False).code == 1


def test_a_missing_program_is_an_error(tmp_path):
    with pytest.raises(MachineError, match="cannot run no-such-program"):
        outside.measure(["no-such-program"], threads=1, folder=tmp_path)


def test_the_last_line_is_the_answer():
    run = outside.Measured(1, 1, 1, 0, 'noise\n{"rounds": 3}\n', "")
    assert run.answer() == {"rounds": 3}


def test_threads_and_blas_are_set_for_every_side(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    variables = outside.environment(2)

    assert variables["OMP_NUM_THREADS"] == "2"
    assert variables["OPENBLAS_NUM_THREADS"] == "1"
    assert variables["OMP_WAIT_POLICY"] == "passive"


def test_a_table_lines_up():
    table = Table("title", ("", "ratio", "seconds"), [("short", 2.5, 1234.5), ("longer name", "-", 12)])

    assert str(table).splitlines() == [
        "title",
        "               ratio  seconds",
        "  short         2.50    1,234",
        "  longer name      -       12",
    ]


def test_a_report_is_text_and_json():
    report = Report("limit", "limit  held 1 of 1", [Table("t", ("a",), [("b",)])], {"runs": []}, passed=False)

    assert str(report).startswith("limit  held 1 of 1\n\nt\n")
    assert "machine" in str(report)
    assert json.loads(json.dumps(report.as_json()))["passed"] is False


def test_the_machine_is_described():
    facts = machine()

    assert facts["cores"] >= 1
    assert facts["ram_gib"] > 0
    assert {"kraft", "duckdb", "lightgbm"} <= set(facts["libraries"])


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "small_matrix.csv").write_text(
        "user_id,video_id,timestamp,watch_ratio\n1,5,1593880000.123,1.10\n1,6,,0.5\n2,5,1593880001.5,2\n"
    )
    (folder / "user_features.csv").write_text("user_id,onehot_feat0\n1,3.0\n2,\n")
    (folder / "item_categories.csv").write_text('video_id,feat\n5,[8]\n6,"[27, 9]"\n')
    return folder


def made(tmp_path, variant, raw):
    folder = tmp_path / "variant"
    folder.mkdir()
    variant(raw, folder, "small")
    return folder


def test_shuffling_moves_lines_and_changes_none(tmp_path, raw):
    folder = made(tmp_path, variants.shuffled, raw)

    for source in raw.iterdir():
        before, after = (path.read_text().splitlines() for path in (source, folder / source.name))
        assert after[0] == before[0]
        assert sorted(after) == sorted(before)


def test_another_format_holds_the_same_values(tmp_path, raw):
    folder = made(tmp_path, variants.other_format, raw)

    assert sorted(path.suffix for path in folder.iterdir()) == [".parquet"] * 3
    log = pl.read_parquet(folder / "small_matrix.parquet")
    assert log["timestamp"].to_list() == [1593880000.123, None, 1593880001.5]
    assert pl.read_parquet(folder / "item_categories.parquet")["feat"].to_list() == ["[8]", "[27, 9]"]


def test_a_variant_of_nothing_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"small_matrix\.csv \(or \.parquet\) is not there"):
        variants.shuffled(tmp_path, tmp_path, "small")


def result(tables=("a", "b"), differ=(), metrics=None, factors="f", trees="t"):
    return {
        "variant": VARIANTS[0].name,
        "seconds": 1.0,
        "peak_mib": 1.0,
        "rows_differ": list(differ),
        "tables": {str(number): digest for number, digest in enumerate(tables)},
        "metrics": {"auc": 0.5} if metrics is None else metrics,
        "factors": {"user": factors},
        "trees": trees,
    }


def test_verdicts_of_invariance():
    first = result()

    assert _line(first, first)["tables"] == "same bytes"
    assert _line(first, first)["metrics"] == "same"
    assert _line(result(tables=("a", "c")), first)["tables"] == "same rows"
    assert _line(result(tables=("a", "c"), differ="1"), first)["tables"] == "DIFFERENT: 1"
    assert _line(result(metrics={"auc": 0.6}), first)["metrics"] == "DIFFERENT"
    assert _line(result(metrics={}, trees=""), first)["metrics"] == "-"
    assert _line(result(factors="g"), first)["factors"] == "other bits"


def test_metrics_are_compared_to_four_decimals(tmp_path):
    path = tmp_path / "evaluation.json"
    path.write_text('{"auc": 0.123456, "none": null, "at": [{"k": 10, "name": "x"}]}')

    assert _metrics(path) == {".auc": 0.1235, ".at.0.k": 10}


def test_rows_are_compared_where_bytes_differ(tmp_path):
    frame = pl.DataFrame({"a": [1, 2]})
    first, packed, turned = (tmp_path / name for name in ("first", "packed", "turned"))
    frame.write_parquet(first, compression="uncompressed")
    frame.write_parquet(packed, compression="zstd")
    frame.reverse().write_parquet(turned)

    assert same_rows(packed, first)
    assert not same_rows(turned, first)
    assert same_rows(first, tmp_path / "none yet")


def test_factor_distance_is_of_predictions():
    random = np.random.default_rng(3)
    users, items = random.normal(size=(50, 4)), random.normal(size=(30, 4))
    turned = np.linalg.qr(random.normal(size=(4, 4)))[0]

    # Factors may be turned: what they predict is the same.
    assert agreement.factor_distance((users, items), (users @ turned, items @ turned)) < 1e-9
    assert agreement.factor_distance((users, items), (users, items + 1)) > 0.1
    assert agreement.factor_distance((users, items), (users[:-1], items)) == float("inf")


def test_the_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert limit.digest(tmp_path / "file").startswith("ba7816bf")


def test_options_of_a_job(tmp_path):
    setup = Setup(tmp_path, tmp_path, 512 * MIB, 2, Progress(QUIET), "big")

    words = setup.options(tmp_path / "w", threads=1, rounds=None)
    assert words[0] == "--quiet"
    assert words[words.index("--matrix") + 1] == "big"
    assert words[words.index("--threads") + 1] == "1"
    assert words[words.index("--memory-limit") + 1] == f"{512 * MIB}B"
    assert "--rounds" not in words


def test_trials_train_on_the_log_that_was_asked_for(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(Setup, "measure", lambda _, command: trained.append(command))
    setup = Setup(tmp_path, tmp_path, 512 * MIB, 2, Progress(QUIET), "big")
    settings = trials._built(setup)  # noqa: SLF001 - what all trials go by
    (command,) = trained
    assert settings["matrix"] == command[command.index("--matrix") + 1] == "big"


def test_fresh_folders_are_empty(tmp_path):
    setup = Setup(tmp_path, tmp_path, 512 * MIB, 2, Progress(QUIET))
    (setup.fresh("run") / "left").write_text("over")

    assert list(setup.fresh("run").iterdir()) == []


def test_raw_data_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="user_features"):
        raw_folder(tmp_path, tmp_path / "twin", Progress(QUIET))


def test_raw_data_is_found_as_the_archive_unpacks(tmp_path):
    nested = tmp_path / "KuaiRec 2.0" / "data"
    nested.mkdir(parents=True)
    (nested / "user_features.csv").write_text("user_id\n")

    assert raw_folder(tmp_path, tmp_path / "twin", Progress(QUIET)) == nested


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="needs the extra [bench]")
def test_nothing_but_the_peer_imports_pandas():
    # LightGBM and scikit-learn import pandas where it is installed, so only the benchmark's own files count.
    folder = Path(agreement.__file__).parent
    users = [path.name for path in folder.glob("*.py") if "import pandas" in path.read_text(encoding="utf-8")]
    assert users == ["peer.py"]


def test_the_benchmark_itself_stays_lean():
    code = "import sys, jobs.benchmark; print({'lightgbm', 'implicit', 'pandas'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=outside.ROOT,
        env=outside.environment(1),
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("seconds", "peak_mib", "page_mib", "passed"),
    [(30, 512, 5, True), (30.5, 512, 5, False), (30, 513, 5, False), (30, 512, 5.1, False)],
)
def test_pages_have_to_keep_to_what_is_promised(tmp_path, seconds, peak_mib, page_mib, passed):
    run = {"seconds": seconds, "peak_mib": peak_mib, "page_mib": page_mib}
    setup = Setup(tmp_path, tmp_path, 2**30, 2, Progress(-1))
    made = pages.report(setup, {"explore": [run], "evaluation": [run]})
    assert made.passed == passed
    assert made.headline.startswith(f"pages  both in {2 * seconds:.1f} s")


def test_measured_processes_may_keep_what_they_compile(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("KEPT", "as it is")
    made = outside.environment(3)
    assert "PYTHONDONTWRITEBYTECODE" not in made
    assert (made["KEPT"], made["OMP_NUM_THREADS"]) == ("as it is", "3")
