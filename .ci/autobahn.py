"""Runs the Autobahn cases against a host that echoes, and says of each group how it went.

    autobahn.py URL
"""

import asyncio
import sys
import time
from collections import Counter, defaultdict

from kosoku import FailureError, run_fuzzingclient

# Compression is not offered, so there is nothing to test: kosoku would call these unimplemented.
EXCLUDED = ["12.*", "13.*"]
# Not OK and still right: Autobahn has no verdict on these. Which, and why: server/CONFORMANCE.md.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
# Of this version, all but those. They take a quarter of a minute.
CASES = 301
SECONDS_MAX = 300


def accepted(result):
    """Whether a case went as it must."""
    verdicts = {result.behavior.value, result.behavior_close.value}
    if result.case_id in INFORMATIONAL:
        return verdicts <= {"OK", "INFORMATIONAL"}
    return verdicts == {"OK"}


async def run(url):
    """The results of all cases, passed or not."""
    selected = run_fuzzingclient(url, None, EXCLUDED, 1)
    try:
        return await asyncio.wait_for(selected, SECONDS_MAX)
    except FailureError as failure:
        return failure.results


def main():
    began = time.monotonic()
    results = asyncio.run(run(sys.argv[1]))
    groups = defaultdict(Counter)
    for result in results:
        group = result.case_id.split(".")[0]
        verdict = "OK" if accepted(result) else "NOT OK"
        if result.case_id in INFORMATIONAL and verdict == "OK":
            verdict = "informational"
        groups[group][verdict] += 1
    for group in sorted(groups, key=int):
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(groups[group].items()))
        print(f"{group}: {counts}")
    wrong = [result for result in results if not accepted(result)]
    for result in wrong:
        print(
            f"{result.case_id}: {result.behavior.value} / {result.behavior_close.value}: "
            f"{result.result} {result.result_close}",
        )
    print(f"{len(results)} cases, {len(wrong)} not OK, {time.monotonic() - began:.0f} s")
    sys.exit(bool(wrong) or len(results) != CASES)


main()
