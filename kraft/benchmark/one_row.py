"""The least that Spark can be asked for, to count one row: `python -m kraft.benchmark.one_row MASTER`.

The last line of stdout is a JSON object: seconds until there was a session, and until the row was counted.
"""

import json
import sys
import time

from kraft.spark.session import spark_session


def main() -> None:
    started = time.monotonic()
    session = spark_session(sys.argv[1])
    opened = time.monotonic()
    session.range(1).count()
    counted = time.monotonic()
    print(json.dumps({"session_seconds": round(opened - started, 3), "row_seconds": round(counted - opened, 3)}))


if __name__ == "__main__":
    main()
