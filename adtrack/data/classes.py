"""The images of one class of a data set, as every layout of files on disk gives them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import UserError

GOOD = "good"  # the kind of images without a defect


@dataclass(frozen=True)
class ImageRecord:
    """One image: ``path`` and ``mask`` are posix paths relative to the data root, ``label`` is 1 if anomalous.

    ``kind`` is ``GOOD`` or the type of the defect. ``mask`` is a file or, as in MVTec LOCO, a folder of files whose
    union is the mask.
    """

    path: str
    label: int
    kind: str
    mask: str | None = None

    def __post_init__(self) -> None:
        for path in filter(None, (self.path, self.mask)):
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise UserError(f"an image's path must stay below the data root, but got {path!r}.")
            try:
                path.encode()
            except UnicodeEncodeError:
                raise UserError(f"an image's path must be text that UTF-8 can write, but got {path!r}.") from None


@dataclass(frozen=True)
class Places:
    """Where a user puts images of a class so that they count, in the words of messages.

    ``train`` takes good images to learn from, ``good`` those for Test, ``defects`` anomalous images, and ``masks``
    their masks, if the layout has a place for them.
    """

    train: str
    good: str
    defects: str
    masks: str = ""


@dataclass(frozen=True)
class ImageClass:
    """The images of one product. ``train`` holds normal images only; all tuples are sorted by path.

    ``val`` None: the protocol draws Val from ``train`` and from the anomalous images of ``test``. Else the data set
    itself says which images are Train, Val and Test, and they are taken so. ``remarks`` are sentences on files that
    count, or do not, although a reader of the numbers might think otherwise.
    """

    name: str
    root: Path
    train: tuple[ImageRecord, ...]
    test: tuple[ImageRecord, ...]
    places: Places
    val: tuple[ImageRecord, ...] | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        repeated = [path for path, count in Counter(record.path for record in self.records).items() if count > 1]
        if repeated:
            raise UserError(f"an image must be listed once, but class {self.name} lists {repeated[0]} again.")
        anomalous = [record for record in self.train if record.label]
        if anomalous:
            raise UserError(f"images to learn from must be good, but {anomalous[0].path} is labelled anomalous.")
        missing = [record for record in self.records if record.label and record.mask is None]
        if missing and self.has_masks:
            raise UserError(
                f"every anomalous image must have a mask if any has one, but {missing[0].path} has none.",
                "give it one, or take all masks away: then there are no pixel metrics.",
            )

    @property
    def records(self) -> tuple[ImageRecord, ...]:
        """All images."""
        return (*self.train, *(self.val or ()), *self.test)

    @property
    def has_anomalies(self) -> bool:
        """Whether any image is labelled anomalous; else only good ones are known."""
        return any(record.label for record in self.records)

    @property
    def has_masks(self) -> bool:
        """Whether the anomalous images have masks: all of them do, or none."""
        return any(record.mask for record in self.records)
