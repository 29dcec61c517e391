"""What an engine or a benchmark needs is told in one line, before a job begins its work."""

import importlib.metadata
import os
import re
import socket

import pytest
from commands import run

from kraft.engine import extras
from kraft.errors import InputError, MachineError
from kraft.spark import needs


def fake_java(folder, version):
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return folder


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def installed(monkeypatch):
    """Versions that are installed, by name; what is not in it is as it is."""
    chosen, real = {}, importlib.metadata.version

    def version(name):
        found = chosen.get(name, name)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name) if found is name else found

    monkeypatch.setattr(importlib.metadata, "version", version)
    return chosen


@pytest.fixture
def declared(monkeypatch):
    texts = ["numpy>=2", "one>=1.5,<3; extra == 'few'", "two[x]>=4; extra == 'few'", "three; extra == 'other'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: texts)


@pytest.mark.usefixtures("declared")
def test_an_extra_is_what_its_marker_says():
    assert [each.name for each in extras.requirements("few")] == ["one", "two"]
    assert extras.requirements("none") == []


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize(("one", "two"), [("1.5", "4"), ("2.9.1", "4.0.1"), ("2.0rc1", "5.0.dev1")])
def test_versions_that_are_allowed(installed, one, two):
    installed |= {"one": one, "two": two}
    extras.need_extra("few", "--some option")


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize(
    ("one", "two", "problem"),
    [
        (None, "4", "one<3,>=1.5 (not installed)"),
        ("1.4", "4", "one<3,>=1.5 (installed: 1.4)"),
        ("3.0", None, "one<3,>=1.5 (installed: 3.0), two>=4 (not installed)"),
    ],
)
def test_all_that_is_missing_or_of_another_version_is_named(installed, one, two, problem):
    installed |= {"one": one, "two": two}
    with pytest.raises(InputError, match=f"^{re.escape(f'--some option needs {problem}')}\n") as raised:
        extras.need_extra("few", "--some option")
    assert raised.value.remedy == "Install what it needs: pip install -e '.[few]'"


def test_java_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="needs Java, and there is no java on the PATH") as raised:
        needs.check_java()
    assert "openjdk-17-jre-headless" in raised.value.remedy


def test_java_home_without_java(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(InputError, match=re.escape(f"needs Java, and JAVA_HOME is {tmp_path}, without")):
        needs.check_java()


@pytest.mark.parametrize(("version", "old"), [("1.8.0_392", 8), ("11.0.2", 11)])
def test_java_that_is_too_old(tmp_path, monkeypatch, version, old):
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, version)))
    with pytest.raises(InputError, match=f"needs Java 17 or later; .* is Java {old}"):
        needs.check_java()


def test_java_that_is_recent_enough(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, "17.0.1")))
    needs.check_java()


def test_master_that_does_not_answer():
    with pytest.raises(MachineError, match=r"no answer \(Connection refused\)"):
        needs.check_master(f"spark://127.0.0.1:{unused_port()}")


@pytest.mark.parametrize("master", ["spark://", "spark://host", "spark://:7077", "spark://host:port"])
def test_master_that_is_no_host_and_port(master):
    with pytest.raises(InputError, match="not a host and a port"):
        needs.check_master(master)


def test_masters_of_other_kinds_are_sparks_business():
    needs.check_master("yarn")


WITHOUT = """
import importlib.metadata as metadata
real = metadata.version
def version(name):
    if name == "{0}":
        raise metadata.PackageNotFoundError(name)
    return {1!r}.get(name) or real(name)
metadata.version = version
"""
FOUND = {"pandas": "3.0.0", "py4j": "0.10.9.9", "pyspark": "4.1.0", "sqlglot": "30.0.0"}
"""As if the extra was installed, whether it is or not."""


def hide(folder, package):
    """PYTHONPATH of a Python in which the extra [spark] is installed but for ``package``."""
    (folder / "hidden").mkdir()
    (folder / "hidden" / "sitecustomize.py").write_text(WITHOUT.format(package, FOUND))
    return os.pathsep.join([str(folder / "hidden"), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.mark.parametrize(
    ("job", "package"),
    [(job, "pandas") for job in ("build_features", "train", "score", "recommend", "evaluate")]
    + [("score", "pyspark"), ("score", "sqlglot")],
)
def test_every_job_names_the_package_that_spark_lacks_before_any_work(raw, tmp_path, job, package):
    out = ["--out", "out.parquet"] if job in {"score", "recommend"} else []
    done = run(job, "--raw", raw, "--engine", "spark", *out, cwd=tmp_path, PYTHONPATH=hide(tmp_path, package))
    assert done.returncode == 2
    problem, remedy = done.stderr.splitlines()
    assert re.fullmatch(rf"error: --engine spark needs {package}\S+ \(not installed\)", problem)
    assert remedy == "       Install what it needs: pip install -e '.[spark]'"
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / "out.parquet").exists()


def test_a_job_without_java_says_so_before_any_work(raw, tmp_path):
    hidden = hide(tmp_path, "nothing")
    done = run("train", "--raw", raw, "--engine", "spark", cwd=tmp_path, PYTHONPATH=hidden, JAVA_HOME=str(tmp_path))
    assert done.returncode == 2
    problem, _ = done.stderr.splitlines()
    assert problem == f"error: --engine spark needs Java, and JAVA_HOME is {tmp_path}, without a bin/java"
    assert not (tmp_path / "work").exists()
