"""Faults by the thousand: kills, hostile disks, damaged files, random networks.

    python -m tests.campaign --seconds=3600 --seed=0 --output=build/campaign.json

Prints counts, writes them as JSON with every fault and what makes it happen again, and
ends with 1 if there was one. The same seed gives the same cases in the same order, as
many as the time takes.
"""

import argparse
import collections
import concurrent.futures
import json
import multiprocessing
import pathlib
import platform
import sys
import time

from tests.campaign import part

# Modules beside this one, which import TensorFlow, and their shares of the time.
PARTS = {
    "kills": 0.4,
    "damaged_files": 0.3,
    "random_networks": 0.15,
    "hostile_places": 0.15,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the campaign; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3600.0, help="for all of it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--output", default="build/campaign.json")
    asked = parser.parse_args(arguments)
    names = asked.parts.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: of {', '.join(PARTS)}")
    begin = time.monotonic()
    found = _run(names, asked.seconds, asked.seed, asked.jobs)
    report = {
        "seconds": round(time.monotonic() - begin, 1),
        "seed": asked.seed,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "parts": found,
    }
    path = pathlib.Path(asked.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines(report)) + f"\nwritten    {path}\n")
    return 1 if any(each["faults"] for each in found.values()) else 0


def lines(report: dict) -> list[str]:
    """The report as text: a line a count, and one a fault."""
    result = [f"campaign   {report['seconds']:,.0f} s, seed {report['seed']}"]
    for name, each in report["parts"].items():
        result.append(f"{name}, {each['seconds']:,.0f} s")
        result += [f"  {count:>9,} {what}" for what, count in each["counts"].items()]
        result += [f"  note: {note}" for note in each["notes"][:20]]
        kinds = collections.Counter(fault["what"] for fault in each["faults"])
        result += [f"  FAULT x{n}: {what}" for what, n in kinds.most_common(50)]
        result.append(f"  {len(each['faults'])} faults")
    return result


def _run(
    names: list[str], seconds: float, seed: int, jobs: int
) -> dict[str, dict[str, object]]:
    """What each part has found, in the order of the names."""
    whole = sum(PARTS[name] for name in names)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # Those that take longest begin first.
        waiting = {
            name: pool.submit(_one, name, seconds * jobs * share / whole, seed)
            for name, share in PARTS.items()
            if name in names
        }
        return {name: waiting[name].result() for name in names}


def _one(name: str, seconds: float, seed: int) -> dict[str, object]:
    """A part in a process of its own, which is new: nothing of TensorFlow has run."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=part.work, args=(theirs, name, seconds, seed))
    process.start()
    theirs.close()
    try:
        result = ours.recv()
    except EOFError:
        process.join()
        fault = {"what": f"the part ended with {process.exitcode}", "seed": seed}
        result = {"seconds": 0.0, "counts": {}, "notes": [], "faults": [fault]}
    process.join()
    return result


if __name__ == "__main__":
    raise SystemExit(main())
