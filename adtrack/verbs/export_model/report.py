"""What export-model prints."""

from collections.abc import Callable

from adtrack.evaluation.alarms import set_name
from adtrack.findings import counted, listed
from adtrack.naming import argument
from adtrack.reporting.tables import plain_table
from adtrack.verbs.export_model.folder import FAILED_SCORES
from adtrack.verbs.export_model.table import table_of, tolerated
from adtrack.verbs.export_model.verb import Export

Say = Callable[[str], None]


def print_export(made: Export, say: Say) -> None:
    """Print how the export agrees with its model and, if it does, what is where and what to do with it."""
    agreement = made.agreement
    fitted = f"What was fitted anew to {made.model}'s images" if made.saving else f"Model {made.model} with torch"
    say(f"{fitted}, and its export with {agreement.engine}:")
    for line in plain_table(table_of(agreement)).splitlines():
        say(line)
    say(tolerated(agreement))
    if agreement.changed:
        names = [f"{image.path} of {set_name(image.set_name)}" for image in agreement.changed]
        where = "" if agreement.troubles else " within that distance of the threshold"
        say(f"{counted(len(names), 'label')} changed{where}: {listed(names)}")
    if made.lacking:
        say(f"{counted(made.lacking, 'image')} of Val could not be scored again: their files have changed or gone.")
    if made.uri is None:
        for trouble in agreement.troubles:
            say(f"FAIL  {trouble}")
        say(f"Not exported: no model was kept. {made.out / FAILED_SCORES} holds the scores of every image.")
        return
    for words in made.saving.sentences if made.saving else ():
        say(words)
    say(f"Exported: {made.out / made.file} ({made.megabytes:.1f} MB), with a README.md that says how it is used.")
    say(f"Kept in MLflow: {made.uri}")
    say(f"Run:   {made.page or f'{made.run_id}   (mlflow ui shows it)'}")
    say("")
    say("Next:")
    say(f"  python {argument(str(made.out / 'camera.py'))} photos/")
