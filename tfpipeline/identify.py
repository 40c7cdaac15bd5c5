"""Whose face is it: enrolls people, and finds them again, in the integers of the GAP8.

    python -m tfpipeline.identify enroll --network=RUN --people=people.json \\
        --name=Ann --images=ann1.png,ann2.png
    python -m tfpipeline.identify match --network=RUN --people=people.json \\
        --images=door.png
    python -m tfpipeline.identify list --people=people.json
    python -m tfpipeline.identify remove --people=people.json --name=Ann

Pictures are squares around one face; docs/reidentification.md.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Annotated

import numpy as np
import numpy.typing as npt

from tfpipeline import entry, errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.identification import matching, network, people, pictures


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says after the verb."""

    network: Annotated[
        str | None,
        Flag("The folder of a run that was exported for gap8, or a program.npz."),
    ] = None
    people: Annotated[str, Flag("The file of those enrolled.")] = "people.json"
    name: Annotated[str | None, Flag("Who is enrolled or removed.")] = None
    images: Annotated[
        tuple[str, ...], Flag("PNG or JPEG files, each of one face.")
    ] = ()
    threshold: Annotated[
        int | None,
        Flag(
            "match: largest squared distance at which a face is somebody's; the "
            "network's own if not given.",
            low=0,
        ),
    ] = None
    format: Annotated[
        str, Flag("Of what match and list print.", choices=("text", "json"))
    ] = "text"


def enroll(command: Command) -> None:
    """Adds --name, or pictures of them, to --people."""
    name = _name(command)
    people.require_name(name)
    net = _network(command)
    person = people.Person(name, _descriptors(command, net))

    def edit(current: people.People | None) -> people.People:
        current = current or people.People(net.fingerprint, net.length)
        _require_same_network(command, current, net)
        return current.added(person)

    changed = people.change(command.people, edit)
    print(
        f"enrolled '{name}' with {len(person.descriptors)} picture(s); "
        f"{len(changed.persons)} known in {command.people}"
    )


def match(command: Command) -> None:
    """Says of each picture who it is."""
    net, known = _network(command), _known(command)
    _require_same_network(command, known, net)
    threshold = net.threshold if command.threshold is None else command.threshold
    if threshold is None:
        raise errors.UsageError(
            f"{command.network} has no threshold of its own: give --threshold=N"
        )
    if not known.persons:
        raise errors.UsageError(_EMPTY.format(command.people))
    matches = matching.match(_descriptors(command, net), known, threshold)
    if command.format == "json":
        rows = [
            {
                "image": image,
                "name": each.nearest if each.known else None,
                "nearest": each.nearest,
                "squared_distance": each.distance,
                "threshold": threshold,
            }
            for image, each in zip(command.images, matches, strict=True)
        ]
        print(json.dumps(rows, indent=2))
        return
    for image, each in zip(command.images, matches, strict=True):
        print(
            f"{image}: {_verdict(each)} (squared distance {each.distance:,}, "
            f"threshold {threshold:,})"
        )


def _verdict(found: matching.Match) -> str:
    return found.nearest if found.known else f"a stranger, nearest is {found.nearest}"


def list_people(command: Command) -> None:
    """Names those enrolled, with the number of their pictures."""
    known = _known(command)
    counts = {person.name: len(person.descriptors) for person in known.persons}
    if command.format == "json":
        print(json.dumps(counts, indent=2))
        return
    lines = [f"{name}: {count} picture(s)" for name, count in counts.items()]
    print("\n".join(lines or ["nobody"]))


def remove(command: Command) -> None:
    """Takes --name out of --people."""
    name = _name(command)
    _known(command)

    def edit(current: people.People | None) -> people.People:
        if current is None:
            raise errors.UsageError(_EMPTY.format(command.people))
        return current.removed(name)

    changed = people.change(command.people, edit)
    print(f"removed '{name}'; {len(changed.persons)} known in {command.people}")


_EMPTY = "nobody is enrolled in {}; enroll somebody first: identify enroll --name=NAME"


def _name(command: Command) -> str:
    if not command.name:
        raise errors.UsageError("say who: --name=NAME")
    return command.name


def _network(command: Command) -> network.Network:
    if not command.network:
        raise errors.UsageError("say which network: --network=RUN")
    return network.load(command.network)


def _known(command: Command) -> people.People:
    known = people.read(command.people)
    if known is None:
        raise errors.UsageError(_EMPTY.format(command.people))
    return known


def _descriptors(command: Command, net: network.Network) -> npt.NDArray[np.int16]:
    """Of all pictures, each of which is read before any is described."""
    if not command.images:
        raise errors.UsageError("say which pictures: --images=FILE,FILE")
    images = [pictures.read(path, net.side) for path in command.images]
    return net.describe(np.stack(images))


def _require_same_network(
    command: Command, known: people.People, net: network.Network
) -> None:
    if (known.network, known.length) != (net.fingerprint, net.length):
        raise errors.UsageError(
            f"{command.people} was made with another network than {command.network}: "
            "their descriptors cannot be compared; enroll everybody again in a new file"
        )


VERBS: dict[str, Callable[[Command], None]] = {
    "enroll": enroll,
    "match": match,
    "list": list_people,
    "remove": remove,
}

if __name__ == "__main__":
    entry.start(VERBS, "identify", Command())
