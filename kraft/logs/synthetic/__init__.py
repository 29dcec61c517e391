"""Synthetic data in the form of KuaiRec: the same seven files, layout and quirks, made-up people and videos.

generator.py     all seven files from one seed, and the true probabilities beside them
population.py    who watches, what there is (lengths.py: how long it is), how long they stay
windows.py       which videos can be met when, and who is in a hurry (calendar.py: the days' traffic)
interactions.py  small_matrix, its true probabilities and big_matrix, block by block (blocks.py)
side_tables.py   users, categories, captions (texts.py), friends
daily.py         what was counted for each video and day
real_side_tables.py
                 real side tables to build on
writing.py       files, whole or not at all
calibration.py   the finished files against KuaiRec's own statistics (statistic.py: one of them)
"""

from kraft.logs.synthetic.generator import SyntheticSummary, synthesize

__all__ = ["SyntheticSummary", "synthesize"]
