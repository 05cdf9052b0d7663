"""Files that are there twice: in Train and in Test, as good and as defective, or many times in Train."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from ..findings import counted, listed
from .classes import ImageRecord


def repeated(parts: Mapping[str, Sequence[ImageRecord]], contents: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences on files that are byte for byte the same.

    One is on images that are both good and defective, one on the first of the ``parts`` of a class if it is mostly
    repetition, and one on the images that two parts share. ``contents`` maps the path of each image to the SHA-256 of
    its file.
    """
    records = [record for part in parts.values() for record in part]
    known: dict[str, set[int]] = {}
    for record in records:
        known.setdefault(contents[record.path], set()).add(record.label)
    torn = {content for content, labels in known.items() if len(labels) > 1}
    good, bad = ([record for record in records if record.label == label] for label in (0, 1))
    remarks = []
    if both := _pairs(good, bad, torn, contents):
        remarks.append(
            f"{counted(len(both), 'defect image is', 'defect images are')} byte for byte also a good one "
            f"({listed(both)}): one of the two is wrong, and with it every number."
        )
    name, learned = next(iter(parts.items()))
    different = len({contents[record.path] for record in learned})
    if different < len(learned) / 2:  # a few images that are there twice do no harm
        pictures = counted(different, "picture", "different pictures")
        remarks.append(
            f"{name}'s {len(learned)} images are {pictures}, byte for byte: it shows less of the parts than their "
            "number says. Did the camera stand still?"
        )
    for (first, ones), (second, others) in combinations(parts.items(), 2):
        shared = {contents[record.path] for record in ones} & {contents[record.path] for record in others}
        if both := _pairs(ones, others, shared - torn, contents):
            count = counted(len(both), f"image of {second} is", f"images of {second} are")
            remarks.append(
                f"{count} byte for byte also in {first} ({listed(both)}): what is measured on "
                f"{'it' if len(both) == 1 else 'them'} says nothing about new parts."
            )
    return tuple(remarks)


def _pairs(
    ones: Sequence[ImageRecord], others: Sequence[ImageRecord], shared: set[str], contents: Mapping[str, str]
) -> list[str]:
    """``b.png = a.png`` for each of the ``others`` whose content is ``shared`` with an image of ``ones``."""
    first = {contents[record.path]: record.path for record in reversed(ones)}
    return [f"{record.path} = {first[contents[record.path]]}" for record in others if contents[record.path] in shared]
