"""A process of a search over a database, with trainings that take no time.

python -m tests.search.database_worker URL FOLDER COUNT SECONDS
"""

import pathlib
import sys
import time

from tests.search import studies_test
from tfpipeline.configs.run import Run
from tfpipeline.search import studies, trials


def main(url: str, folder: str, count: str, seconds: str) -> None:
    """Takes trials until `count` of all processes have ended; prints a line a trial."""
    # Seconds that a test does not have.
    studies._HEARTBEAT, studies._GRACE = 1, 10

    def train(config, watch):
        print("training", flush=True)
        time.sleep(float(seconds))
        return studies_test._train(config, watch)

    trials.train = train
    root = pathlib.Path(folder)
    kept = studies.storage(root, url)
    space = studies_test._SPACE
    study = studies.opened(kept, "shared", space, "tpe", 0, higher=True)
    studies.require_same(study, {"space": "s"})
    search = studies.Search(
        *(study, kept, Run(), space, root, studies_test._Costs()),
        lambda line: print(line, flush=True),
    )
    studies.run(search, int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
