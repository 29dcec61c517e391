"""The packages of an extra of pyproject.toml, held against what is installed before a job begins its work."""

import importlib.metadata

from packaging.requirements import Requirement

from kraft.errors import InputError


def need_extra(extra: str, purpose: str) -> None:
    """Make sure that every package of an extra is installed, in a version that pyproject.toml allows.

    Args:
        extra: name of the extra: spark, bench or test.
        purpose: what needs it, e.g. "--engine spark".

    Raises:
        InputError: a package is missing or of another version; all such packages are named.
    """
    lacking = [words for requirement in requirements(extra) if (words := lack(requirement))]
    if lacking:
        raise InputError(f"{purpose} needs {', '.join(lacking)}", f"Install what it needs: pip install -e '.[{extra}]'")


def requirements(extra: str) -> list[Requirement]:
    """What an extra adds to the plain package, as its installed metadata tells."""
    declared = map(Requirement, importlib.metadata.requires("kraft") or ())
    return [each for each in declared if each.marker is not None and each.marker.evaluate({"extra": extra})]


def lack(requirement: Requirement) -> str:
    """What is wrong with the installed version of a package, in words; empty if nothing is."""
    wanted = f"{requirement.name}{requirement.specifier}"
    try:
        installed = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{wanted} (not installed)"
    if requirement.specifier.contains(installed, prereleases=True):
        return ""
    return f"{wanted} (installed: {installed})"
