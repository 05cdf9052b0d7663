"""The names of all tags by which adtrack finds and describes runs, models and versions; runs carry them for ever."""

from dataclasses import dataclass

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

_OURS = "adtrack."

# Every run: what it is about, what part it plays, who works on it.
CLASS, METHOD, STUDY, DIGEST = "adtrack.class", "adtrack.method", "adtrack.study", "adtrack.split_digest"
# The part: bank, evaluation, adaptation, export, benchmark, fine-tuning, study, studies, trial, experiment, cell,
# pointer.
ROLE = "adtrack.role"
WORKER = "adtrack.worker"
NO_STUDY = "none"  # the value of STUDY on a run of no study

# What a run was made with.
VERSION, DEVICE = "adtrack.version", "adtrack.device"
LICENCE = "weights_licence"  # a parameter's name; and, after ``named``, the tag of a version
WEIGHTS_FELL_BACK = "adtrack.weights_fell_back"
# Only if the user named the weights by an address in the store: that address, and the one without alias that it meant.
WEIGHTS_ASKED, WEIGHTS_MEANT = "adtrack.weights_asked", "adtrack.weights_meant"

# Runs with a model.
MODEL = "adtrack.model"  # its URI
REGISTERED = "adtrack.registered"  # adtrack-zipper/3, once it is a version

# A run of fine-tune.
TRUNK = "adtrack.trunk"  # the URI of its network

# A run of export-model.
EXPORTED_FROM = "adtrack.exported_from"  # the address without alias of the model that it exports

# A trial, and the run of a study.
TRIAL = "adtrack.trial"  # its number
FEASIBLE = "adtrack.feasible"
PRUNED = "adtrack.pruned"  # the value that it was on its way to when it was given up, of its method's ladder
SEARCHED = "adtrack.searched"  # the parameters that the study varies, joined by commas
STUDY_KEY = "adtrack.study_key"  # tells a study from one of the same name in another Optuna storage
STORAGE = "adtrack.storage"  # where Optuna keeps the trials, without a password
BEST_RUN, BEST_TRIAL = "adtrack.best_run", "adtrack.best_trial"
WRITTEN_UP = "adtrack.written_up"  # by which worker, and after which trials
CONTINUED_IN = "adtrack.continued_in"  # the run that holds the study now

# An experiment and its cells.
EXPERIMENT, CELL, CELLS = "adtrack.experiment", "adtrack.cell", "adtrack.cells"

# The run that ``mlflow run`` has made elsewhere: where things are logged instead.
LOGGED_IN = "adtrack.logged_in"

# A logged model and the versions that are made of it.
MANIFEST = "adtrack.manifest"  # SHA-256 of the manifest of the model's files
HOLDS = "adtrack.holds"  # of logged and registered models that are no detectors: TRUNKS, EXPORTS
DETECTORS, TRUNKS, EXPORTS = "detectors", "networks", "exports"
CHAMPION_MOVE = "adtrack.champion."  # and the move's number: of the version that became champion

NOTE = MLFLOW_RUN_NOTE  # MLflow's own: the description that its pages show, Markdown


def named(name: str) -> str:
    """The tag for something that has a name already: a parameter, or a package's version."""
    return f"{_OURS}{name}"


def package_version(package: str) -> str:
    """The tag for the version of a package."""
    return f"{VERSION}.{package}"


def export_in(format_name: str) -> str:
    """The tag of a version that names its latest export in a format."""
    return f"{_OURS}export.{format_name}"


def is_ours(tag: str) -> bool:
    """Whether adtrack has set this tag."""
    return tag.startswith(_OURS)


@dataclass(frozen=True)
class RunTags:
    """What every run is found by, parent or child."""

    class_name: str
    method: str
    study: str
    split_digest: str

    def texts(self) -> dict[str, str]:
        """The same as MLflow tags."""
        return {CLASS: self.class_name, METHOD: self.method, STUDY: self.study, DIGEST: self.split_digest}
