"""The smallest complete run: draws data, trains, quantizes, exports, verifies.

    python -m tfpipeline.demo --workdir=runs/demo

Takes a minute and needs nothing. Other flags are those of train, and go before its own.
"""

import pathlib
import sys

from tfpipeline import entry, train

FLAGFILE = pathlib.Path(__file__).with_name("demo.flags")
_WORKDIR = "runs/demo"

if __name__ == "__main__":
    arguments = [f"--flagfile={FLAGFILE}", f"--workdir={_WORKDIR}", *sys.argv[1:]]
    entry.start(train.main, "demo", train.Command(), [sys.argv[0], *arguments])
