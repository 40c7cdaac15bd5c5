"""Stored networks of the experiments are still as good as their records say."""

import math
import os
import pathlib

import pytest

from tests import experiments_table as table

_FILES = table.stored_files()


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize(
    "path", list(_FILES), ids=lambda path: str(path.relative_to(table.ROOT))
)
def test_a_stored_file_has_the_accuracy_of_its_record(path: pathlib.Path) -> None:
    row = _FILES[path]
    dataset = table.data_of(row).dataset
    configured = os.environ.get("TFPIPELINE_SHARED")
    shared = pathlib.Path(configured or table.ROOT.parents[1] / "shared") / "data"
    # The whole data sets, and the parts of others.
    folders = [shared / name for name in ("tfds", "tfds_subset")]
    data_dir = next((each for each in folders if (each / dataset).is_dir()), None)
    if data_dir is None:
        pytest.skip(f"no {dataset} in {shared} (set TFPIPELINE_SHARED)")
    found = table.checked(row, path, str(data_dir))
    record = {r.metric: r for r in table.studies() if r.record == row.record}
    # Of files that were not measured yet, `--check` of the table's command says it.
    assert found == record.get(table.CHECKED, found)
    # And that is what the whole test split gave, but for chance: four deviations.
    whole = float(record["test_accuracy"].value)
    deviation = math.sqrt(whole * (1 - whole) / table.CHECKED_EXAMPLES)
    assert abs(float(found.value) - whole) < 4 * deviation
