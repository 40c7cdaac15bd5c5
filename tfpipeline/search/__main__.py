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
    from tfpipeline.report_pages import page
    from tfpipeline.search import page as pages
    from tfpipeline.search import trials

    root = pathlib.Path(str(command.run.workdir))
    is_shared = command.storage is not None
    with contextlib.ExitStack() as held:
        if not is_shared:
            held.enter_context(run_lock.held(root))
        record = _begin(root, command, text, studies)
        costs = trials.Costs(command.run, space)
        higher = costs.is_better_higher
        kept = studies.storage(root, command.storage)
        study = studies.opened(
            kept,
            root.resolve().name,
            space,
            command.sampler,
            command.run.seed,
            pruner=command.pruner,
            higher=higher,
        )
        if is_shared:
            studies.require_same(study, record)
        elif left := studies.resume(study):
            print(f"resuming {left} of an earlier start", flush=True)
        search = studies.Search(
            *(study, kept, command.run, space, root, costs),
            lambda line: print(errors.one_line(line), flush=True),
        )
        studies.run(search, command.trials)
        found = studies.record(study, space)
        parts = pages.sections(found, space, higher=higher)
        html = page.render(f"Search: {command.run.network.model}", parts)
        contents = {_PAGE: html, _RESULTS: atomic_files.json_text(found)}
        named = {name: each.encode("utf-8") for name, each in contents.items()}
        marked_folder.write(root / _REPORT, named, _WRITER)
        print(pages.to_text(found, space), end="")
        print(f"written    {root / _REPORT / _PAGE}")


def _begin(
    root: pathlib.Path, command: Command, text: str, studies: Any
) -> dict[str, Any]:
    """Records what is searched, or checks that the folder is of the same search.

    Returns:
        The record.

    Raises:
        UsageError: it is of another one, or of none.
    """
    path = root / "search.json"
    record = {"flags": command.run.identity(), "space": text}
    if path.exists():
        if atomic_files.read_json(path) != record:
            raise errors.UsageError(
                f"{root} holds another search. Choose another --workdir, or give the "
                "same flags and space to resume"
            )
        return record
    if (root / studies.JOURNAL).exists():
        raise errors.UsageError(
            f"{root} holds a {studies.JOURNAL} and no search.json: choose another "
            "--workdir. Nothing was changed"
        )
    atomic_files.write_json(path, record)
    return record


if __name__ == "__main__":
    entry.start(main, "search", Command())
