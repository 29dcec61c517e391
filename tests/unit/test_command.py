"""`jobs._command`: where options come from, how help and errors read, and what a job exits with."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from matching import exactly

from jobs import (
    benchmark,
    build_features,
    evaluate,
    explain,
    explore,
    fetch_data,
    recommend,
    score,
    synthesize,
    train,
)
from jobs._command import read_options, run
from kraft.errors import InputError, MachineError
from kraft.settings import MIB, Settings

JOBS = (benchmark, build_features, evaluate, explain, explore, fetch_data, recommend, score, synthesize, train)
HEAVY = {"duckdb", "implicit", "lightgbm", "matplotlib", "numpy", "polars", "pyarrow", "scipy"}
SEE = "\n       See --help for every option."


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, in which kraft.toml may be."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(*argv):
    return read_options(build_features.Options, list(argv))


# --- where options come from ------------------------------------------------------------------


def test_defaults():
    assert options().model_dump() == Settings().model_dump()


def test_command_line_before_file_before_default(folder):
    (folder / "kraft.toml").write_text(
        'memory-limit = "512MiB"\nthreads = 3\nnull_timestamps = "drop"\n', encoding="utf-8"
    )
    chosen = options("--threads", "5")
    assert (chosen.threads, chosen.memory_limit, chosen.null_timestamps) == (5, 512 * MIB, "drop")
    assert chosen.train_fraction == 0.8


@pytest.mark.parametrize("size", ["512MiB", "0.5GiB", "536870912"])
def test_sizes(size):
    assert options("--memory-limit", size).memory_limit == 512 * MIB


def test_flags():
    chosen = options("-q", "--force", "--no-store-zeros")
    assert (chosen.quiet, chosen.verbose, chosen.force, chosen.store_zeros) == (True, False, True, False)


def test_several_values():
    def read(*argv):
        return read_options(evaluate.Options, list(argv))

    assert read("--compare", "kraft", "a,b.csv").compare == ("kraft", "a,b.csv")
    assert read("--without", "user", "item").without == ("user", "item")
    assert read("--without", "user", "-q", "--without", "item", "daily").without == ("user", "item", "daily")
    assert read().without == ()


def test_option_without_a_name():
    for argv in (["limit", "--threads", "2"], ["--threads", "2", "limit"]):
        chosen = read_options(benchmark.Options, argv)
        assert (chosen.what, chosen.threads) == ("limit", 2)


@pytest.mark.parametrize("word", ["None", "null", "[]", "a,b", "007"])
def test_words_are_taken_as_they_stand(word):
    chosen = options("--work", word, "--matrix", word)
    assert (chosen.work, chosen.matrix) == (Path(word), word)


def test_flag_of_the_file_can_be_taken_back(folder):
    (folder / "kraft.toml").write_text("store_zeros = false\n", encoding="utf-8")
    assert options("--store-zeros").store_zeros is True


def test_job_passes_over_a_setting_it_has_no_use_for(folder):
    (folder / "kraft.toml").write_text("train_fraction = 0.5\nquiet = true\n", encoding="utf-8")
    assert read_options(fetch_data.Options, []).quiet is True


# --- errors -----------------------------------------------------------------------------------

WRONG = {
    "--threads 0": "--threads 0: input should be greater than or equal to 1" + SEE,
    "--threads two": "--threads two: input should be a valid integer, unable to parse string as an integer" + SEE,
    "--train-fraction 1": "--train-fraction 1: input should be less than 1" + SEE,
    "--memory-limit 12x": "--memory-limit 12x: could not interpret byte unit: x" + SEE,
    "--memory-limit big": "--memory-limit big: could not parse value and unit from byte string" + SEE,
    "--null-timestamps first": "--null-timestamps first: input should be 'last' or 'drop'" + SEE,
    "--nothing": "unrecognized arguments: --nothing",
    "--thread 2": "unrecognized arguments: --thread 2",
    "more": "unrecognized arguments: more",
    "--raw": "argument --raw: expected one argument",
}


@pytest.mark.parametrize("typed", WRONG)
def test_wrong_option(typed):
    message = WRONG[typed]
    if not message.endswith(SEE):
        message += "\n       See `python -m jobs.build_features --help`."
    with pytest.raises(InputError, match=exactly(message)):
        options(*typed.split())


WRONG_ELSEWHERE = {
    "one value of two": (evaluate, ["--compare", "a"], "argument --compare: expected 2 arguments"),
    "three values of two": (evaluate, ["--compare", "a", "b", "c"], "unrecognized arguments: c"),
    "unknown group": (train, ["--without", "user", "weather"], "--without weather: input should be 'watch-time', "),
    "nothing to measure": (benchmark, [], "the following arguments are required: WHAT"),
    "needed": (score, [], "--out is required"),
    "retired": (recommend, ["--out", "x", "--exclude-seen"], "unrecognized arguments: --exclude-seen"),
}


@pytest.mark.parametrize(("job", "typed", "message"), WRONG_ELSEWHERE.values(), ids=WRONG_ELSEWHERE)
def test_wrong_option_of_another_job(job, typed, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        read_options(job.Options, typed)


WRONG_FILES = {
    "unknown": ("colour = 1\n", r"^kraft\.toml: unknown setting 'colour'\n       Known settings: raw, work, matrix, "),
    "no toml": ("threads 2\n", r"^kraft\.toml: .*line 1.*\n       Correct the file; each line is `name = value`\.$"),
    "rule": ("threads = 0\n", r"^kraft\.toml, threads 0: input should be greater than or equal to 1\n"),
    "type": ('force = "perhaps"\n', r"^kraft\.toml, force perhaps: input should be a valid boolean"),
    "size": ('memory_limit = "1 Zorkmid"\n', r"^kraft\.toml, memory_limit 1 Zorkmid: could not interpret byte unit"),
}


@pytest.mark.parametrize(("content", "message"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_wrong_file(folder, content, message):
    (folder / "kraft.toml").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        options()


def test_wrong_option_is_not_blamed_on_the_file(folder):
    (folder / "kraft.toml").write_text("threads = 2\n", encoding="utf-8")
    with pytest.raises(InputError, match=exactly("--threads 0: input should be greater than or equal to 1" + SEE)):
        options("--threads", "0")


# --- help -------------------------------------------------------------------------------------


def help_of(options_type, capsys, monkeypatch, columns=200):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit, match=r"^0$"):
        read_options(options_type, ["--help"])
    return capsys.readouterr().out


def test_help_names_every_option_and_its_default(capsys, monkeypatch):
    text = help_of(build_features.Options, capsys, monkeypatch)
    assert text.startswith("usage: python -m jobs.build_features [-h] [--raw PATH]")
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    limit = "The most resident memory that a process of a job may take, for example 512MiB or 2GiB. (default: 1GiB)"
    assert f"--memory-limit SIZE {limit}" in lines
    assert "--threads N Threads that every stage may use. Default: the cores of this machine." in lines
    assert "--factors N ALS: latent factors. Default: the preset's (kraft: 16, documented: 64)." in lines
    assert "--force Rebuild everything, also what is up to date." in lines
    assert (
        "--quiet, -q Print only results and errors." in lines or "-q, --quiet Print only results and errors." in lines
    )


def test_help_says_what_a_value_looks_like(capsys, monkeypatch):
    text = "".join(help_of(job.Options, capsys, monkeypatch) for job in (evaluate, recommend, benchmark))
    for start in (
        "--compare TEXT TEXT",
        "--without {watch-time,watch-ratio,length,user,item,video,categories,daily,taste,friends} [ ...]",
        "--baselines, --no-baselines",
        "--preset {kraft,documented}",
        "--out PATH",
        "--candidates N|all",
        "WHAT",
    ):
        assert re.search(rf"^  {re.escape(start)}(  |$)", text, re.MULTILINE), start
    words = " ".join(text.split())
    for end in ("ALS alone, ... (default: yes)", "by categories and author. (default: 0)", "Parquet parts. (required)"):
        assert end in words


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_help_names_every_option_with_the_first_sentence_of_its_docstring(job, capsys, monkeypatch):
    text = " ".join(help_of(job.Options, capsys, monkeypatch, columns=2000).split())
    for name, field in job.Options.model_fields.items():
        first = re.split(r"(?<=[.])\s", field.description)[0]
        option = "WHAT" if name == "what" else f"--{name.replace('_', '-')}"
        assert re.search(rf"{option} (\S+ )*?{re.escape(' '.join(first.split()))}", text), name


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_help_is_for_people(job, capsys, monkeypatch):
    text = help_of(job.Options, capsys, monkeypatch)
    for noise in ("None", "False", "True", "factory", "1073741824", "ByteSize", "Path ", "tuple", "\n    \n"):
        assert noise not in text
    description = text.partition("\n\n")[2].partition("\noptions:")[0].partition("\npositional arguments:")[0]
    assert not any(line.startswith(" ") for line in description.splitlines())


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_help_starts_without_what_the_job_works_with(job):
    code = (
        "import runpy, sys\n"
        "sys.argv = ['job', '--help']\n"
        "try:\n"
        f"    runpy.run_module({job.__name__!r}, run_name='__main__')\n"
        "finally:\n"
        f"    print(*({HEAVY!r} & sys.modules.keys()), file=sys.stderr)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "\n")
    assert done.stdout.startswith("usage: python -m ")


def test_help_starts_where_the_file_is_wrong(folder, capsys, monkeypatch):
    (folder / "kraft.toml").write_text("colour = 1\n", encoding="utf-8")
    assert help_of(build_features.Options, capsys, monkeypatch).startswith("usage: ")


# --- what a job exits with --------------------------------------------------------------------


def raising(error):
    def main(_):
        raise error

    return main


ENDS = {
    "done": (lambda _: None, 0, ""),
    "its own code": (lambda _: 1, 1, ""),
    "bad input": (
        raising(InputError("a.csv, line 3: no", "Mend it.")),
        2,
        "error: a.csv, line 3: no\n       Mend it.\n",
    ),
    "machine": (raising(MachineError("no space")), 1, "error: no space\n"),
    "interrupted": (raising(KeyboardInterrupt()), 130, "stopped: interrupted; the last complete tables are kept\n"),
}


@pytest.mark.parametrize(("main", "code", "told"), ENDS.values(), ids=ENDS)
def test_exit(capsys, monkeypatch, main, code, told):
    monkeypatch.setattr(sys, "argv", ["job"])
    monkeypatch.setattr("jobs._command.stop_in_order", lambda: None)
    with pytest.raises(SystemExit, match=f"^{code}$"):
        run(build_features.Options, main)
    assert capsys.readouterr() == ("", told)


def test_defect_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["job"])
    monkeypatch.setattr("jobs._command.stop_in_order", lambda: None)
    with pytest.raises(ZeroDivisionError, match="division"):
        run(build_features.Options, lambda _: 1 // 0)


def test_bad_input_for_real(raw):
    """The whole way, from the command line to a stage's process and back."""
    (raw / "small_matrix.csv").write_text("user_id,video_id\nabc,1\n", encoding="utf-8")
    typed = [sys.executable, "-m", "jobs.build_features", "--raw", "raw", "--work", "work"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        typed, cwd=raw.parent, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "error: raw/small_matrix.csv: column play_duration is missing (found: user_id, video_id)\n"
    )
    assert len(done.stderr.splitlines()) == 2
    assert list((raw.parent / "work" / "tables").iterdir()) == []
