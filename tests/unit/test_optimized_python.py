"""Python without docstrings and asserts (-OO, PYTHONOPTIMIZE=2): nothing that KRAFT does may depend on them."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# What needs Spark, or is the benchmark's opponent, is not there in every environment.
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for room in ("jobs", "kraft/logs", "kraft/engine", "kraft/evaluation", "kraft/models", "kraft/report")
    for path in sorted((ROOT / room).rglob("*.py"))
    if path.name != "__init__.py"
]


def without_docstrings(*arguments):
    return subprocess.run([sys.executable, "-OO", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("room", ["jobs", "kraft"])
def test_every_module_loads(room):
    names = [name for name in MODULES if name.startswith(room)]
    done = without_docstrings("-c", f"import importlib\nfor name in {names}: importlib.import_module(name)")
    assert (done.returncode, done.stderr) == (0, "")


def test_lightgbm_learns_and_predicts():
    program = """
import numpy as np
from kraft.models.ranker.lightgbm_import import lightgbm
x = np.arange(200.0).reshape(100, 2)
told = lightgbm.train({"verbose": -1, "min_data": 1}, lightgbm.Dataset(x, x[:, 0] > 100), 2).predict(x)
print(told[0] < told[-1])
"""
    done = without_docstrings("-c", program)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_help_still_says_what_each_option_does():
    done = without_docstrings("-m", "jobs.train", "--help")
    assert done.returncode == 0, done.stderr
    assert "Fit the factors and stop before the ranker." in " ".join(done.stdout.split())
