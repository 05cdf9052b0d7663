"""What a model called each image, and whether it was right: what it got most wrong comes first."""

from dataclasses import dataclass

from adtrack.evaluation.evaluate import Evaluation

WORDS = {(1, True): "found", (1, False): "missed", (0, True): "false alarm", (0, False): "passed"}


@dataclass(frozen=True)
class Verdict:
    """An image's score beside the truth: ``label`` 1 = anomalous."""

    path: str
    kind: str
    label: int
    score: float
    threshold: float

    @property
    def word(self) -> str:
        """One of found, missed, false alarm and passed; an alarm is a score that reaches the threshold."""
        return WORDS[self.label, self.score >= self.threshold]

    @property
    def wrong(self) -> bool:
        """Whether the model called the image wrongly."""
        return self.word in ("missed", "false alarm")


def verdicts(evaluation: Evaluation) -> list[Verdict]:
    """The wrong verdicts first, the farthest from the threshold on top; then the right ones, the closest on top."""
    found = [
        Verdict(record.path, record.kind, int(record.label), float(score), float(evaluation.threshold))
        for record, score in zip(evaluation.scored.images.records, evaluation.scored.scores, strict=True)
    ]

    def key(verdict: Verdict) -> tuple[bool, float, str]:
        distance = abs(verdict.score - verdict.threshold)
        return not verdict.wrong, -distance if verdict.wrong else distance, verdict.path

    return sorted(found, key=key)
