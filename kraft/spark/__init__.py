"""The same pipeline on Spark, for logs that one machine has no room for. Nothing outside this package imports pyspark.

    needs       what has to be there before a job begins: packages, Java, a master
    session     the SparkSession of a job
    dialect     the files of sql/ in Spark's words
    frames      raw files and tables as DataFrames under their logical names; remote: raw files at URLs
    outputs     what is written at URLs
    builder     `engine.sql.builder` on Spark: same checks and manifest; parts: what workers write, as one file
    tables, als, ranker, scoring, candidates, lists, evaluation
                the stages of `kraft.stages` that `engine` registers, each on Spark

Settings, column names, the files of sql/, contracts, summaries and the manifest are those of the single machine, and
so are the models' files: a model that one engine has made is read by the other.

The watch time model alone is fitted by the driver, as without Spark, from its table: 8 bytes a user and watched video
on the driver's disk.

The work folder has to be a folder that the driver and all workers see under the same path (one machine, or a shared
file system); raw files may be anywhere that Spark reads from.
"""

import warnings

# PySpark 4 speaks to pandas only in functions that are not used here.
warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
