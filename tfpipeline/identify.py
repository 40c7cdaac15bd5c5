"""Whose face is it: enrolls people, and finds them again, in the integers of the GAP8.

    python -m tfpipeline.identify enroll --network=RUN --people=people.json \\
        --name=Ann --images=ann1.png,ann2.png
    python -m tfpipeline.identify match --network=RUN --people=people.json \\
        --images=door.png
    python -m tfpipeline.identify list --people=people.json
    python -m tfpipeline.identify remove --people=people.json --name=Ann

Pictures are squares around one face; docs/reidentification.md.
"""

import json
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from absl import flags

from tfpipeline import entry, errors
from tfpipeline.identification import matching, network, people, pictures

_NETWORK = flags.DEFINE_string(
    "network", None, "The folder of a run that was exported for gap8, or a program.npz."
)
_PEOPLE = flags.DEFINE_string("people", "people.json", "The file of those enrolled.")
_NAME = flags.DEFINE_string("name", None, "Who is enrolled or removed.")
_IMAGES = flags.DEFINE_list("images", [], "PNG or JPEG files, each of one face.")
_THRESHOLD = flags.DEFINE_integer(
    "threshold",
    None,
    "match: largest squared distance at which a face is somebody's; the network's own "
    "if not given.",
    lower_bound=0,
)
_FORMAT = flags.DEFINE_string("format", "text", "match and list: text or json.")


def main(argv: Sequence[str]) -> None:
    """Does what the verb says."""
    if _FORMAT.value not in ("text", "json"):
        raise errors.UsageError(
            f"--format must be text or json; found '{_FORMAT.value}'"
        )
    for line in VERBS[argv[1]]():
        print(line)


def _enroll() -> list[str]:
    name = _name()
    people.require_name(name)
    found = _network()
    person = people.Person(name, _descriptors(found))

    def edit(current: people.People | None) -> people.People:
        current = current or people.People(found.fingerprint, found.length)
        _require_same_network(current, found)
        return current.added(person)

    changed = people.change(_PEOPLE.value, edit)
    return [
        f"enrolled '{name}' with {len(person.descriptors)} picture(s); "
        f"{len(changed.persons)} known in {_PEOPLE.value}"
    ]


def _match() -> list[str]:
    found, known = _network(), _known()
    _require_same_network(known, found)
    threshold = found.threshold if _THRESHOLD.value is None else _THRESHOLD.value
    if threshold is None:
        raise errors.UsageError(
            f"{_NETWORK.value} has no threshold of its own: give --threshold=N"
        )
    if not known.persons:
        raise errors.UsageError(_EMPTY.format(_PEOPLE.value))
    matches = matching.match(_descriptors(found), known, threshold)
    if _FORMAT.value == "json":
        rows = [
            {
                "image": image,
                "name": each.nearest if each.known else None,
                "nearest": each.nearest,
                "squared_distance": each.distance,
                "threshold": threshold,
            }
            for image, each in zip(_IMAGES.value, matches, strict=True)
        ]
        return [json.dumps(rows, indent=2)]
    return [
        f"{image}: {_verdict(each)} (squared distance {each.distance:,}, "
        f"threshold {threshold:,})"
        for image, each in zip(_IMAGES.value, matches, strict=True)
    ]


def _verdict(match: matching.Match) -> str:
    return match.nearest if match.known else f"a stranger, nearest is {match.nearest}"


def _list() -> list[str]:
    known = _known()
    counts = {person.name: len(person.descriptors) for person in known.persons}
    if _FORMAT.value == "json":
        return [json.dumps(counts, indent=2)]
    lines = [f"{name}: {count} picture(s)" for name, count in counts.items()]
    return lines or ["nobody"]


def _remove() -> list[str]:
    name = _name()
    _known()

    def edit(current: people.People | None) -> people.People:
        if current is None:
            raise errors.UsageError(_EMPTY.format(_PEOPLE.value))
        return current.removed(name)

    changed = people.change(_PEOPLE.value, edit)
    return [f"removed '{name}'; {len(changed.persons)} known in {_PEOPLE.value}"]


_EMPTY = "nobody is enrolled in {}; enroll somebody first: identify enroll --name=NAME"


def _name() -> str:
    name: str | None = _NAME.value
    if not name:
        raise errors.UsageError("say who: --name=NAME")
    return name


def _network() -> network.Network:
    if not _NETWORK.value:
        raise errors.UsageError("say which network: --network=RUN")
    return network.load(_NETWORK.value)


def _known() -> people.People:
    known = people.read(_PEOPLE.value)
    if known is None:
        raise errors.UsageError(_EMPTY.format(_PEOPLE.value))
    return known


def _descriptors(found: network.Network) -> npt.NDArray[np.int16]:
    """Of all pictures, each of which is read before any is described."""
    if not _IMAGES.value:
        raise errors.UsageError("say which pictures: --images=FILE,FILE")
    images = [pictures.read(path, found.side) for path in _IMAGES.value]
    return found.describe(np.stack(images))


def _require_same_network(known: people.People, found: network.Network) -> None:
    if (known.network, known.length) != (found.fingerprint, found.length):
        raise errors.UsageError(
            f"{_PEOPLE.value} was made with another network than {_NETWORK.value}: "
            "their descriptors cannot be compared; enroll everybody again in a new file"
        )


VERBS: dict[str, Callable[[], list[str]]] = {
    "enroll": _enroll,
    "match": _match,
    "list": _list,
    "remove": _remove,
}

if __name__ == "__main__":
    entry.run(main, "identify", verbs=tuple(VERBS))
