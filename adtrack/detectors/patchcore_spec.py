"""The settings of PatchCore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

from ..config import LARGEST_VIEW
from ..errors import UserError
from ..settings import NUMBER, TEXT, WHOLE, WHOLE_OR_NONE, at_least, setting, whole, within
from .drift import DriftSpec

EUCLIDEAN, COSINE = "euclidean", "cosine"


def _odd(label: str, value: int) -> None:
    whole(label, value, 1, "3 is the usual size.", LARGEST_VIEW)
    if value % 2 == 0:
        raise UserError(f"{label} must be odd, but got {value}.", f"{value - 1} or {value + 1}, for example.")


def _whole_or_none(label: str, value: int | None) -> None:
    if value is not None:
        whole(label, value, 1, "None keeps all dimensions.")


def _distance(label: str, value: object) -> None:
    if value not in (EUCLIDEAN, COSINE):
        raise UserError(
            f"{label} must be {EUCLIDEAN} or {COSINE}, but got {value!r}.", f"{EUCLIDEAN} is the usual one."
        )


@dataclass(frozen=True)
class PatchCoreSpec(DriftSpec):
    """How a memory bank is built from patch features, and how it scores.

    By ``distance`` "cosine", patches are brought to length 1, in the bank as in the images that are scored, and the
    distance of two is 1 − cos of the angle between them, as in AnomalyDINO (Damm et al., *AnomalyDINO: Boosting
    Patch-based Few-shot Anomaly Detection with DINOv2*, WACV 2025, arXiv 2405.14529). That is half the square of their
    Euclidean distance, so the nearest patches and the farthest ones are found as exactly, by the same search. A patch
    of zeros is at 0 from another one and at ½ from all that have a direction.
    """

    search_order: ClassVar[tuple[str, ...]] = (
        *DriftSpec.search_order,
        *("score_top", "patch_size", "layers", "coreset_fraction"),
    )

    recipes: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {},
        {"distance": COSINE, "patch_size": 1, "score_top": 0.01},
        {"smooth": 1.0, "standardise": 1.0, "augment": 3, "score_top": 0.04},
    )

    patch_size: int = setting(
        3,
        WHOLE,
        "PatchCore: side of the neighbourhood that a patch is averaged over, odd.",
        _odd,
        tries=(1, 3, 5, 7),
        brief="p{}",
        option=True,
    )
    coreset_fraction: float = setting(
        0.1,
        NUMBER,
        "PatchCore: rows of the memory bank, as a share of the patches of the Train images as they are.",
        within(0, 1, "0.01 keeps 1 % of the patches.", low_included=False),
        tries=(0.01, 0.025, 0.05, 0.1),
        brief="{:g}",
        option=True,
    )
    reweight_neighbours: int = setting(
        9,
        WHOLE,
        "PatchCore: neighbours that re-weight an image's score (b in equation 7); 1 switches it off.",
        at_least(1, "1 switches the re-weighting off."),
        option=True,
    )
    projection: int | None = setting(
        128,
        WHOLE_OR_NONE,
        "PatchCore: dimensions of the random projection in which the coreset is chosen; none keeps all.",
        _whole_or_none,
    )
    _: KW_ONLY
    whiten: float = setting(
        0.0,
        NUMBER,
        "PatchCore: shrinkage of the covariance by which patches are whitened before they are compared; 0 whitens "
        "nothing.",
        within(0, 1, "0.1 is a usual shrinkage, 0 whitens nothing."),
        brief="white {:g}",
        option=True,
        later=True,
    )
    score_top: float = setting(
        0.0,
        NUMBER,
        "PatchCore: share of an image's patches, the farthest ones, whose mean distance is its score; 0 takes the "
        "farthest patch alone, re-weighted.",
        within(0, 1, "0.01 takes the mean of the farthest 1 %."),
        tries=(0.0, 0.01, 0.04),
        brief="top {:g}",
        option=True,
        later=True,
    )
    distance: str = setting(
        EUCLIDEAN,
        TEXT,
        "PatchCore: how patches are compared: euclidean, or cosine, which leaves their lengths out.",
        _distance,
        brief="{}",
        option=True,
        later=True,
    )
    stride: int = setting(
        1,
        WHOLE,
        "PatchCore: patches are taken at every so-many-th cell of the finest layer, along both axes.",
        at_least(1, "1 takes every cell.", LARGEST_VIEW),
        brief="stride {}",
        option=True,
        later=True,
    )
    method: str = "patchcore"

    def for_fewer(self, share: float) -> PatchCoreSpec:
        """The same number of rows: a larger fraction of fewer patches, at most all of them."""
        return replace(self, coreset_fraction=min(1.0, self.coreset_fraction / share))
