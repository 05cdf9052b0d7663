"""Of which images ``--pictures`` asks for heatmaps and for a place on the page."""

from dataclasses import dataclass

from adtrack.errors import UserError

ALL, ANOMALOUS, NONE = "all", "anomalous", "none"


@dataclass(frozen=True)
class AskedPictures:
    """``all``, ``anomalous`` or ``none``; with a ``highest``, those of as many images with the highest scores."""

    which: str = ALL
    highest: int = 0

    @classmethod
    def parse(cls, text: str) -> "AskedPictures":
        """One of the three words, or a whole number of at least 1."""
        if text in (ALL, ANOMALOUS, NONE):
            return cls(text)
        if not (text.isdecimal() and text.isascii()) or int(text) < 1:
            raise UserError(
                f"pictures must be {ALL}, {ANOMALOUS}, {NONE} or a whole number of at least 1, but got {text!r}.",
                "100 draws the heatmaps of the 100 images with the highest scores.",
            )
        return cls(NONE, int(text))

    def at_once(self, anomalous: bool) -> bool:
        """Whether an image gets its picture as soon as it is judged. The highest scores are known at the end only."""
        return self.which == ALL or (self.which == ANOMALOUS and anomalous)

    @property
    def only(self) -> str:
        """Words for the images that have pictures; "" if all have."""
        if self.highest:
            return f"the {self.highest:,} with the highest scores"
        return {ALL: "", ANOMALOUS: "the anomalous ones", NONE: "none"}[self.which]
