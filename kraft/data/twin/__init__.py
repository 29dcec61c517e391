"""A synthetic twin of KuaiRec: the same seven files, layout and quirks, made-up people and videos.

world.py         who watches, what there is, how long they stay
calendar.py      when
interactions.py  small_matrix and big_matrix, block by block
side_tables.py   users, categories, captions, daily statistics, friends
writing.py       files, whole or not at all
calibration.py   the finished files against KuaiRec's own statistics
"""

from kraft.data.twin.making import TwinSummary, make_stage, synthesize

__all__ = ["TwinSummary", "make_stage", "synthesize"]
