"""What every fuzzed file is made with: nasty values, harmed bytes, and the drive over many of them."""

import contextlib
import signal

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

LONGEST = 10
"""Seconds of the processor that a file may take; of the clock, on a busy machine, `PATIENCE` times as many."""
PATIENCE = 12
NASTY = st.sampled_from(
    ["", " ", "abc", "-1", "0", "1.5", "1e3", "1e400", "nan", "-inf", "Infinity", "2147483647", "2147483648", "1_000",
     "0x1F", "NULL", "true", "\uff11", "1,5", "1;2", "'", "--", '"', "[8]", "[", "1.", ".5", "+7", "1e", " 12 ",
     "99999999999999999999", "1593878903.438", "1593878903438", "4102444800", "\x00", "\ufeff", "a\nb", "a\rb"]
)  # fmt: skip
SIGNS = [
    b",", b'"', b"\n", b"\r", b"\r\n", b"\n\n", b"\x00", b"\xff", b"\xc3", b"\xef\xbb\xbf", b" ", b"\t", b";", b"'",
    b"-", b"e", b".", b"1", b"9" * 20, b"nan", b"[", b"]", b"#", b"\\", b'""', b",,", b'","',
]  # fmt: skip
PIECES = st.sampled_from(SIGNS) | st.binary(min_size=1, max_size=3)


@st.composite
def csv_bytes(draw, rows):
    """The bytes of a CSV file of ``rows``, the header first, nearly right."""
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"]))
    always = draw(st.booleans())

    def field(text):
        must = any(char in text for char in ',"\r\n')
        return '"' + text.replace('"', '""') + '"' if must or always else text

    lines = [",".join(map(field, row)) for row in rows]
    text = draw(st.sampled_from(["", "", "", "\ufeff"])) + end.join(lines) + draw(st.sampled_from([end, end, ""]))
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 5]))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        how = draw(st.sampled_from(["insert", "insert", "delete", "replace", "cut", "repeat"]))
        piece = draw(PIECES)
        if how == "insert":
            content[at:at] = piece
        elif how == "delete":
            del content[at : at + len(piece)]
        elif how == "replace":
            content[at : at + len(piece)] = piece
        elif how == "cut":
            del content[at:]
        else:
            content[at:at] = content[at : at + draw(st.integers(1, 60))]
    return bytes(content)


@st.composite
def harms(draw):
    """What `harmed` does to a Parquet file: (place from 0 to 1, byte) to overwrite, and where to cut it, or None."""
    bytes_ = (
        draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3))
        if draw(st.integers(0, 2)) == 0
        else []
    )
    cut = draw(st.sampled_from([None, None, None, 0.3, 0.9]))
    return bytes_, cut


def harmed(path, bytes_, cut):
    """Harm a file; returns whether it is still whole."""
    whole = path.read_bytes()
    content = bytearray(whole)
    for at, byte in bytes_:
        content[int(at * len(content))] = byte
    if cut is not None:
        del content[int(cut * len(content)) :]
    path.write_bytes(content)
    return bytes(content) == whole


def one_of(readings, hold):
    """What ``hold`` says of the first reading that it agrees with."""
    *others, last = readings
    for expected in others:
        with contextlib.suppress(AssertionError):
            return hold(expected)
    return hold(last)


def _too_long(*_):
    raise TimeoutError(f"longer than {LONGEST} s")


@contextlib.contextmanager
def limited():
    """End what takes longer than `LONGEST` with a TimeoutError, within `drive`."""
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    signal.setitimer(signal.ITIMER_REAL, LONGEST * PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def drive(hold, strategy, count, number, phases=(Phase.generate, Phase.shrink)):
    """``hold`` ``count`` files of a ``strategy``."""

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(made):
        hold(made)

    before = {signum: signal.signal(signum, _too_long) for signum in (signal.SIGALRM, signal.SIGPROF)}
    try:
        one()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
