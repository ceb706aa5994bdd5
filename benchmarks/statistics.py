"""What every test and interval of the reports does over simulated studies: the table behind the word "95 %".

    python -m benchmarks.statistics [--runs 2000] [--only WORD]

Each row is one test or interval in one kind of study: how often the test sees what is not there (at most 7 % is
accepted, 5 % is nominal), how often the interval holds the truth (at least 93 %, 95 % is nominal), how often the test
finds what the power formula promises (74 to 86 %, 80 % is nominal). A rate outside is looked at over four times as
many studies. The seeds are fixed.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks import simulated_models, simulated_pairs
from benchmarks.simulation import Rate, Scenario, settled

SCENARIOS: tuple[Scenario, ...] = (*simulated_pairs.SCENARIOS, *simulated_models.SCENARIOS)
"""Every kind of study that is simulated."""


def main() -> int:
    """Prints a line per check; 1 where a rate is not accepted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description="type-I errors and coverages")
    parser.add_argument("--runs", type=int, default=2000, help="simulated studies of each kind (default: 2000)")
    parser.add_argument("--only", default="", help="only the scenarios with this word in their names")
    asked = parser.parse_args()
    began, found = time.perf_counter(), list[Rate]()
    print(f"{'simulated study':<42} {'test or interval':<36} {'what':<12} {'rate':>6}   noise of it     accepted")
    for scenario in SCENARIOS:
        if asked.only in scenario.name:
            here = settled(scenario, runs=asked.runs)
            found += here
            for one in here:
                print(line(one))
            sys.stdout.flush()
    wrong = [one for one in found if not one.kept]
    print(f"{len(found)} rates over {asked.runs} studies or more in {time.perf_counter() - began:.0f} s; "
          f"{len(wrong)} outside what is accepted")  # fmt: skip
    return 1 if wrong else 0


def line(one: Rate) -> str:
    """One rate in one line of the table."""
    lo, hi = one.check.limits
    wanted = f"{lo:.0%} to {hi:.0%}" if lo and hi < 1 else f"at least {lo:.0%}" if lo else f"at most {hi:.0%}"
    noise = f"[{one.noise.lo:.1%}, {one.noise.hi:.1%}]"
    name = f"{one.scenario:<42} {one.check.what:<36} {one.check.kind:<12}"
    return f"{name} {one.share:>6.1%}  {noise:>15}  {wanted}{'' if one.kept else '   OUTSIDE'}"


if __name__ == "__main__":
    raise SystemExit(main())
