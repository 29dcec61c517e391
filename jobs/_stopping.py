"""How a command stops when it is told to: one line, then the end, with 128 + the number of the signal."""

import os
import signal
import sys
from types import FrameType
from typing import Final, NoReturn

WORDS: Final = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def line(signum: int) -> str:
    """What is said of a stop."""
    return f"stopped: {WORDS[signal.Signals(signum)]}; the last complete tables are kept"


def stop_at_once() -> None:
    """While nothing has begun that would have to be put away: the process ends on the spot."""
    _install(_leave)


def stop_in_order() -> None:
    """From here on the first signal is an exception, so that whatever runs is ended and put away; further ones are
    passed over meanwhile.
    """
    _install(_raise)


def _install(handler: "signal._HANDLER") -> None:
    for signum in WORDS:
        # Where somebody lets a command run on regardless (nohup, a shell's background), it does.
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, handler)


def _leave(signum: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, f"{line(signum)}\n".encode())
    os._exit(128 + signum)


def _raise(signum: int, _frame: FrameType | None) -> NoReturn:
    for each in WORDS:
        signal.signal(each, signal.SIG_IGN)
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    print(line(signum), file=sys.stderr)
    sys.exit(128 + signum)
