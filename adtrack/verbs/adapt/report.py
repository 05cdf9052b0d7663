"""What adapt prints."""

from collections.abc import Callable

from adtrack.evaluation.adapting import covered
from adtrack.evaluation.alarms import expected_alarms
from adtrack.findings import counted, listed
from adtrack.naming import argument
from adtrack.verbs.adapt.verb import Adaptation

Say = Callable[[str], None]
FAR = 6.0  # units of a move
ENOUGH = 16  # fewer photos leave a threshold uncertain


def print_adaptation(report: Adaptation, say: Say) -> None:
    """A threshold that went with photos."""
    moved, version = report.moved, report.version
    medians = ", ".join(f"{median:.4g} ({name})" for name, median in moved.medians.items())
    say(f"Model {report.model}, {counted(moved.photos, 'photo')}:")
    say(f"  median score   {medians} → {moved.median:.4g}")
    say(f"  threshold      {moved.before:.4g} → {moved.after:.4g}")
    say(f"  alarms         {moved.alarms_before} → {moved.alarms_after} of these photos")
    say(covered(moved))
    say(f"As of Val's good images, {expected_alarms(moved.promised)}")
    if moved.distance > FAR:
        say(
            f"The median is {moved.distance:.0f} times as far from Val's as three quarters of Val's good scores are: "
            "look at heatmaps of good parts before you promote this version, since a model seldom outlives such drift."
        )
    if moved.photos < ENOUGH:
        say(f"{moved.photos} photos tell roughly where the threshold lies; {ENOUGH} or more tell better.")
    for words, paths in (("could not be scored", report.failed), ("there twice, and count once", report.repeated)):
        if paths:
            say(f"{counted(len(paths), 'photo')} {words}: {listed(paths)}")
    say(f"Run:   {report.page or f'{report.run_id}   (mlflow ui shows it)'}")
    also = " and champion" if version.champion else ""
    say(f"Registered as {version.name} version {version.version}: candidate{also}")
    say("")
    say("Next:")
    say(f"  adtrack score --model {argument(version.uri)} photos/ --out scored/")
    say(f"  adtrack promote --class {argument(version.name.removeprefix('adtrack-'))} --version {version.version}")
