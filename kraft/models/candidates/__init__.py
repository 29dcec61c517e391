"""From the whole catalogue to a few hundred candidates a user: several sources, one list.

    catalogue   the videos that may be recommended, and what the sources need to know of them
    user_rows   what tables say of the users of a block: seen videos, recent positives, categories
    top         scores of a block of users against many videos, and the best of each row
    sources     six ways to order the catalogue for a user
    union       one list a user out of those of the sources
    blocks      all of it, block after block of users, blocks side by side

A video is known by its position in the catalogue, from 0 in the order of the ids. Nothing grows with
users x videos: a block's users are as many as let their scores fit into `top.BLOCK_BYTES`.
"""

from typing import Final

SHARES: Final = {"watch_time": 30, "als": 20, "popular": 15, "categories": 10, "similar": 10, "new": 15}
"""The sources in the order of their bits, and their shares of the candidates [%]: whole numbers, so that rank / share
is the same wherever it is the same fraction."""
BITS: Final = {name: 1 << number for number, name in enumerate(SHARES)}
"""Bit of each source in `sources` of a candidate, the same in every preset."""


def names_of(sources: int) -> str:
    """The names of the sources whose bits are set, in their order.

    >>> names_of(BITS["als"] | BITS["new"])
    'als+new'
    """
    return "+".join(name for name, bit in BITS.items() if sources & bit)
