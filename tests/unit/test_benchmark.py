import importlib.util
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kraft.benchmark import limit, measure_process, parity, results, runner
from kraft.benchmark.process_monitor import Monitor
from kraft.benchmark.report import Report, Table, at_least, at_most, check, machine, median_of, ratio_of
from kraft.benchmark.setup import Setup, library_files, raw_folder
from kraft.engine.process.progress import QUIET, Progress
from kraft.errors import InputError, MachineError

pytestmark = pytest.mark.slow

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


def test_measuring_sees_what_a_process_allocates(tmp_path):
    run = measure_process.measure([sys.executable, "-S", "-c", ALLOCATE], threads=1, folder=tmp_path)

    assert 200 * MIB <= run.peak_bytes < 240 * MIB
    assert run.stdout == "209715200\n"
    assert run.seconds > 0
    assert run.cpu_seconds > 0


def test_measuring_sees_the_largest_of_nested_processes(tmp_path):
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {ALLOCATE!r}])"
    twice = f"{inner}; {inner}"
    run = measure_process.measure([sys.executable, "-S", "-c", twice], threads=1, folder=tmp_path)

    # The largest one, not the sum of both, and not only the first process.
    assert 200 * MIB <= run.peak_bytes < 240 * MIB


def test_measuring_is_not_misled_by_its_own_size(tmp_path):
    ballast = np.ones(300 * MIB // 8)
    run = measure_process.measure([sys.executable, "-S", "-c", "pass"], threads=1, folder=tmp_path)

    assert ballast.sum() > 0
    assert run.peak_bytes < 50 * MIB


def test_a_failed_command_is_an_error_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no luck')"]
    with pytest.raises(MachineError, match=r"(?s)exit 1.*no luck"):
        measure_process.measure(command, threads=1, folder=tmp_path)
    assert measure_process.measure(command, threads=1, folder=tmp_path, check=False).code == 1


def test_a_missing_program_is_an_error(tmp_path):
    with pytest.raises(MachineError, match="cannot run no-such-program"):
        measure_process.measure(["no-such-program"], threads=1, folder=tmp_path)


def test_the_last_line_is_the_answer():
    run = measure_process.Measured(1, 1, 1, 0, 'noise\n{"rounds": 3}\n', "")
    assert run.answer() == {"rounds": 3}


def test_threads_and_blas_are_set_for_every_side(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    variables = measure_process.environment(2)

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
    failed = check("results", "other", "the same", holds=False)
    report = Report("limit", "limit  held 1 of 1", [Table("t", ("a",), [("b",)])], {"runs": []}, [failed])

    assert str(report).startswith("limit  held 1 of 1\n\nt\n")
    assert "results  other  the same  NOT MET" in str(report)
    assert "machine" in str(report)
    assert json.loads(json.dumps(report.as_json()))["passed"] is False


def test_the_machine_is_described():
    facts = machine()

    assert facts["cores"] >= 1
    assert facts["ram_gib"] > 0
    assert {"kraft", "duckdb", "lightgbm"} <= set(facts["libraries"])


def test_factor_distance_is_of_predictions():
    random = np.random.default_rng(3)
    users, items = random.normal(size=(50, 4)), random.normal(size=(30, 4))
    turned = np.linalg.qr(random.normal(size=(4, 4)))[0]

    # Factors may be turned: what they predict is the same.
    assert parity.factor_distance((users, items), (users @ turned, items @ turned)) < 1e-9
    assert parity.factor_distance((users, items), (users, items + 1)) > 0.1
    assert parity.factor_distance((users, items), (users[:-1], items)) == float("inf")


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


def test_fresh_folders_are_empty(tmp_path):
    setup = Setup(tmp_path, tmp_path, 512 * MIB, 2, Progress(QUIET))
    (setup.fresh("run") / "left").write_text("over")

    assert list(setup.fresh("run").iterdir()) == []


def test_raw_data_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="user_features"):
        raw_folder(tmp_path, tmp_path / "synthetic", Progress(QUIET))


def test_raw_data_is_found_as_the_archive_unpacks(tmp_path):
    nested = tmp_path / "KuaiRec 2.0" / "data"
    nested.mkdir(parents=True)
    (nested / "user_features.csv").write_text("user_id\n")

    assert raw_folder(tmp_path, tmp_path / "synthetic", Progress(QUIET)) == nested


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="needs the extra [bench]")
def test_nothing_but_the_baseline_imports_pandas():
    # LightGBM and scikit-learn import pandas where it is installed, so only the benchmark's own files count.
    folder = Path(parity.__file__).parent
    loads = re.compile(r"^\s*(import|from) pandas\b", re.MULTILINE)
    users = [path.name for path in folder.glob("*.py") if loads.search(path.read_text(encoding="utf-8"))]
    assert users == ["pandas_baseline.py"]


def test_the_benchmark_itself_stays_lean():
    code = "import sys, jobs.benchmark; print({'lightgbm', 'implicit', 'pandas'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=measure_process.ROOT,
        env=measure_process.environment(1),
    )
    assert done.stdout == "set()\n"


def test_measured_processes_may_keep_what_they_compile(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("KEPT", "as it is")
    made = measure_process.environment(3)
    assert "PYTHONDONTWRITEBYTECODE" not in made
    assert (made["KEPT"], made["OMP_NUM_THREADS"]) == ("as it is", "3")


def test_a_check_holds_at_its_bound_and_not_beyond():
    assert at_most("peak", 512.0, 512) == ("peak", "512", "at most 512", "met")
    assert at_most("peak", 512.1, 512).verdict == "NOT MET"
    assert at_least("ratio", 2.0, 2.0) == ("ratio", "2.0", "at least 2.0", "met")
    assert at_least("ratio", 1.99, 2.0).verdict == "NOT MET"


def test_a_report_without_checks_passes():
    assert Report("limit", "limit", [], {}).passed


def test_each_side_begins_in_turn(tmp_path):
    order = []

    def side(name):
        order.append(name)
        return {"seconds": float(len(order))}

    setup = Setup(tmp_path, tmp_path, 512 * MIB, 1, Progress(QUIET))
    runs = setup.turns(3, {name: lambda name=name: side(name) for name in "abc"})
    assert "".join(order) == "abcbcacab"
    assert runs["a"] == [{"seconds": 1.0}, {"seconds": 6.0}, {"seconds": 8.0}]


def double(number, of):
    return {"result": 2 * number, "of": of}


def count(to):
    for number in range(to):
        yield {"number": number}


@pytest.fixture
def _importable(monkeypatch):
    """Lets another process import this file."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for function in (double, count):
        monkeypatch.setattr(function, "__module__", Path(__file__).stem)


@pytest.mark.usefixtures("_importable")
def test_of_a_generator_each_item_is_a_line(tmp_path):
    run = measure_process.measure(runner.command_of(count, {"to": 3}), threads=1, folder=tmp_path)
    assert [json.loads(line)["number"] for line in run.stdout.splitlines()] == [0, 1, 2]
    assert run.answer() == {"number": 2}


def test_the_error_of_a_run_is_told_without_its_remedy():
    failed = measure_process.Measured(1, 1, 1, 2, "", "error: no room\n       Raise it.\n")
    assert failed.error() == "error: no room"
    assert failed._replace(stderr="").error() == "exit 2"


def test_results_keep_one_dated_section_a_command(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n\nBefore.\n\n## 2020-01-01: `jobs.benchmark limit`\n\nold\n\n## Other\n\nkept\n")
    failed = check("peak", "9", "at most 8", holds=False)
    results.record(Report("limit", "limit  held 0 of 1", [], {}, [failed]), "jobs.benchmark limit", path)
    results.record(Report("limit", "limit  fast", [], {}), "jobs.benchmark quality --repeats 1", path)
    results.record(Report("limit", "limit  faster", [], {}), "jobs.benchmark quality --repeats 1", path)
    results.record(Report("limit", "limit  other options", [], {}), "jobs.benchmark quality", path)

    text = path.read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert [heading.rpartition(": ")[2] for heading in headings] == [
        "`jobs.benchmark limit`",
        "## Other",
        "`jobs.benchmark quality --repeats 1`",
        "`jobs.benchmark quality`",
    ]
    assert all(
        part in text for part in ("Before.", "limit  held 0 of 1", "A check was not met", "kept", "limit  faster")
    )
    assert not any(part in text for part in ("2020-01-01", "old", "limit  fast\n"))
    assert text.count(machine()["cpu"]) == 3


def test_results_begin_a_file_that_is_not_there(tmp_path):
    results.record(Report("limit", "limit  fast", [], {}), "jobs.benchmark limit", tmp_path / "new.md")
    assert (tmp_path / "new.md").read_text().startswith(results.START)


def test_a_monitor_looks_until_its_end():
    class Counter(Monitor):
        looks = 0

        def look(self):
            self.looks += 1

    with Counter(0.01) as counter:
        time.sleep(0.2)
    seen = counter.looks
    time.sleep(0.05)
    assert seen == counter.looks > 1
