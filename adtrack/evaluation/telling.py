"""The few images of a scored set that tell most: they are pictured, and their maps give a model's colours."""

from adtrack.evaluation.evaluate import ScoredSet


def telling_images(scored: ScoredSet) -> list[tuple[str, int]]:
    """("<kind>-worst" | "-median" | "-best", index) of every defect type and of the good images.

    The worst is the one that the model gets most wrong: the good image of highest score, the defective one of lowest.
    """
    scores, images = scored.scores, scored.images
    chosen = []
    for kind in sorted(set(images.kinds)):
        members = [index for index, other in enumerate(images.kinds) if other == kind]
        sign = 1 if images.labels[members[0]] else -1
        ranked = sorted(members, key=lambda index: (sign * scores[index], index))
        for word, place in (("worst", 0), ("median", len(ranked) // 2), ("best", len(ranked) - 1)):
            chosen.append((f"{kind}-{word}", ranked[place]))
    return chosen
