"""Searches for a better network: trains candidates of a space within bounds.

    python -m tfpipeline.search --space=FILE.yaml --flagfile=FLAGS --workdir=DIR

What a candidate costs is known before it is trained; what does not fit its targets, or
breaks a constraint, is refused. The same command resumes. Needs Optuna: pip install
tfpipeline[search].
"""

import contextlib
import dataclasses
import pathlib
from typing import Annotated, Any

from tfpipeline import atomic_files, entry, errors, marked_folder, run_lock
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.configs.run import Run
from tfpipeline.search import space as spaces
from tfpipeline.untrusted import content

# Below the folder of the search, and of the marker there.
_REPORT, _PAGE, _RESULTS, _WRITER = "report", "search.html", "search.json", "search"
# What is searched, beside the trials.
_SEARCH = "search.json"


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says; all other flags are those of train."""

    space: Annotated[
        str | None, Flag("YAML file of flags, objectives and constraints.")
    ] = None
    trials: Annotated[int, Flag("Candidates to train, earlier starts' too.", low=1)] = (
        20
    )
    sampler: Annotated[str, Flag("Of Optuna.", choices=spaces.SAMPLERS)] = "tpe"
    pruner: Annotated[
        str,
        Flag(
            "Of Optuna: stops candidates that lag behind others, epoch by epoch. With "
            "`metric` as the only objective.",
            choices=spaces.PRUNERS,
        ),
    ] = spaces.NO_PRUNER
    storage: Annotated[
        str | None,
        Flag(
            "Database that several machines share, postgresql://... or mysql://...; "
            "each runs this command. Default: a journal in --workdir, of one process."
        ),
    ] = None
    run: Run = Run()  # noqa: RUF009 a frozen value


def main(command: Command) -> None:
    """Searches, prints the front and writes its page."""
    if command.space is None:
        raise errors.UsageError("say what is searched: --space=FILE.yaml")
    if not command.run.workdir:
        raise errors.UsageError("--workdir=DIR is missing: the folder of the search")
    text = content.read_text(command.space)
    space = spaces.parse(text, command.space)
    if command.pruner != spaces.NO_PRUNER and len(space.objectives) > 1:
        raise errors.UsageError(
            f"--pruner={command.pruner} compares candidates by one figure: leave "
            f"`metric` as the only objective of {command.space} and bound costs by "
            "`constraints`, or leave --pruner out"
        )
    try:
        from tfpipeline.search import studies
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise errors.UsageError(
            "a search needs Optuna: pip install optuna (the extra `search`)"
        ) from error
    _search(command, text, space, studies)


def _search(command: Command, text: str, space: spaces.Space, studies: Any) -> None:
    entry.log_to_terminal()
    from tfpipeline.search import trials

    root = pathlib.Path(str(command.run.workdir))
    record = {"flags": command.run.identity(), "space": text}
    with contextlib.ExitStack() as held:
        if command.storage is None:
            held.enter_context(run_lock.held(root))
        _require_same(root, record, studies)
        costs = trials.Costs(command.run, space)
        space, first = _layers(command, space, costs)
        # Only a search that can begin is recorded: a slip in its space is mended there.
        atomic_files.write_json(root / _SEARCH, record)
        kept = studies.storage(root, command.storage)
        study = studies.opened(
            kept,
            root.resolve().name,
            space,
            command.sampler,
            command.run.seed,
            pruner=command.pruner,
            higher=costs.is_better_higher,
        )
        if command.storage is not None:
            studies.require_same(study, record)
        elif left := studies.resume(study):
            print(f"resuming {left} of an earlier start", flush=True)
        search = studies.Search(
            *(study, kept, command.run, space, root, costs),
            lambda line: print(errors.one_line(line), flush=True),
        )
        studies.begin_with(search, first)
        studies.run(search, command.trials)
        _write(command, search, studies)


def _layers(
    command: Command, space: spaces.Space, costs: Any
) -> tuple[spaces.Space, list[dict[str, spaces.Value]]]:
    """The space with bits of every layer that is meant, and the first candidates."""
    from tfpipeline.search import layer_bits

    if not any(map(layer_bits.is_of_layer, space.flags)):
        return space, []
    names = costs.layers_with_weights(command.run)
    space = layer_bits.expanded(space, command.run, names)
    if space.sensitivity is None:
        return space, []
    table = content.read_text(space.sensitivity)
    return space, layer_bits.first_candidates(space, table, space.sensitivity)


def _write(command: Command, search: Any, studies: Any) -> None:
    """Writes and prints what was found."""
    from tfpipeline.report_pages import page
    from tfpipeline.search import page as pages

    space = search.space
    found = studies.record(search.study, space)
    parts = pages.sections(found, space, higher=search.costs.is_better_higher)
    html = page.render(f"Search: {command.run.network.model}", parts)
    contents = {_PAGE: html, _RESULTS: atomic_files.json_text(found)}
    named = {name: each.encode("utf-8") for name, each in contents.items()}
    marked_folder.write(search.root / _REPORT, named, _WRITER)
    print(pages.to_text(found, space), end="")
    print(f"written    {search.root / _REPORT / _PAGE}")


def _require_same(root: pathlib.Path, record: dict[str, Any], studies: Any) -> None:
    """Checks that the folder is of this search, or of none.

    Raises:
        UsageError: it is of another one, or of something else.
    """
    path = root / _SEARCH
    if path.exists():
        if atomic_files.read_json(path) != record:
            raise errors.UsageError(
                f"{root} holds another search. Choose another --workdir, or give the "
                "same flags and space to resume"
            )
    elif (root / studies.JOURNAL).exists():
        raise errors.UsageError(
            f"{root} holds a {studies.JOURNAL} and no {_SEARCH}: choose another "
            "--workdir. Nothing was changed"
        )


if __name__ == "__main__":
    entry.start(main, "search", Command())
