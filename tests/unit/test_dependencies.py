"""pyproject.toml and the imports of `kraft` and `jobs` say the same, and nothing reaches pandas by a side door."""

import ast
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
OWN = {"kraft", "jobs", "sql"}
IMPORTED_AS = {"scikit-learn": "sklearn", "typing-extensions": "typing_extensions"}
"""Distribution -> package, where the names differ."""
EXTRAS = {"kraft/spark/": "spark", "kraft/benchmark/pandas_baseline.py": "bench"}
"""Place -> the extra that it may import from."""


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def packages_of(requirements):
    names = [Requirement(each).name for each in requirements]
    return {IMPORTED_AS.get(name, name) for name in names}


def sources():
    """Path below the root -> its syntax tree."""
    for folder in ("kraft", "jobs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree):
    """Packages of others that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        else:
            continue
        yield from {name.split(".")[0] for name in names} - OWN - sys.stdlib_module_names


def test_every_import_is_declared_and_every_declaration_imported():
    plain = packages_of(project()["dependencies"])
    extras = {name: packages_of(project()["optional-dependencies"][name]) for name in EXTRAS.values()}
    imported, undeclared = {}, []
    for path, tree in sources():
        extra = next((name for place, name in EXTRAS.items() if path.startswith(place)), "")
        for package in imports(tree):
            imported.setdefault(package, []).append(path)
            if package not in plain | extras.get(extra, set()):
                undeclared.append((path, package))
    assert undeclared == []
    assert plain - imported.keys() == set()
    # pyspark asks for pandas, and KRAFT does not.
    assert (extras["spark"] | extras["bench"]) - imported.keys() == set()


def test_no_two_files_import_each_other_not_even_by_way_of_others():
    graph = grimp.build_graph("kraft", "jobs")
    # Raises CycleError, which names the files.
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


def test_names_of_packages_are_those_of_their_distributions():
    known = {name.lower().replace("_", "-") for names in packages_distributions().values() for name in names}
    lacking = {Requirement(each).name for each in project()["dependencies"]} - known
    assert lacking == set()


@pytest.mark.parametrize("package", ["pandas", "sklearn"])
def test_the_tree_walk_finds_an_import_inside_a_function(package):
    assert list(imports(ast.parse(f"def f():\n    from {package}.core import g\n    import os, kraft.x"))) == [package]


def test_no_call_needs_pandas_behind_its_name():
    """`to_pandas_dtype` looks like NumPy's, and imports pandas in pyarrow 24 and 25."""
    called = [
        (path, node.attr)
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and path != "kraft/benchmark/pandas_baseline.py"
        and (node.attr.startswith(("to_pandas", "from_pandas", "toPandas")) or node.attr.endswith("InPandas"))
    ]
    assert called == []


def test_the_pandas_of_spark_is_one_that_the_benchmarks_take_too():
    """Both extras can be installed into one environment."""
    extras = project()["optional-dependencies"]
    spark, bench = (
        next(each for each in map(Requirement, extras[name]) if each.name == "pandas") for name in ("spark", "bench")
    )
    assert (spark.specifier & bench.specifier).contains("3.1.1")
    assert spark.specifier.contains("2.2.3")
    assert not spark.specifier.contains("2.1.4")
