"""Pages that show the data and the results: plots, tables, and a sentence on each that is computed from them.

page.py      what stands on a page, and its ways out: HTML, JSON, Markdown (assets/: template and style)
figures.py   how every plot looks, and its ways out: SVG for the page, PNG for slides
plots.py     the shapes of plots
output_path.py  where a page goes, and its pictures
words.py     numbers as people read them
exploration  the page of the data: a section a module, over the small tables of `sql/exploration`
evaluation   the page of the scores: a section a module, over the reports of `kraft.evaluation` and the models
"""
