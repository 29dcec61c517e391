"""The stages of the pipeline, one file each: typed arguments in, a computation, a typed result out.

A stage runs in its own process (`kraft.engine.process.worker`). The job's process names stages and reads what they
return, and never computes: so a stage's module imports at its top what its signature needs, and its function imports
the computation. That keeps DuckDB, Polars and LightGBM out of the job's process (a second, and 200 MiB), and out of
each stage that has no use for them.
"""
