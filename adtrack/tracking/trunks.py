"""Networks as models of their own, without a detector: logged, registered as ``adtrack-trunk-<class>``."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.models import Model
from mlflow.tracking.context.registry import resolve_tags

from adtrack.config import canonical, from_json
from adtrack.detectors.seal import seal
from adtrack.errors import UserError
from adtrack.features.weights import Trunk
from adtrack.naming import argument
from adtrack.reporting.templating import render
from adtrack.tracking.digests import manifest_tags
from adtrack.tracking.registry import CHAMPION, Pages, RegisteredVersion, add_version, registry_name
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_params
from adtrack.tracking.tags import HOLDS, NOTE, TRUNKS

FOLDER = "artifacts/trunk"
DESCRIPTION, TENSORS = "trunk.json", "trunk.safetensors"
_FORMAT = 1


def trunk_name(class_name: str) -> str:
    """The name of the registered model that holds a class's networks. UserError if the registry can't take it."""
    return registry_name(f"trunk-{class_name}")


def log_trunk(run: Run, trunk: Trunk, facts: Mapping[str, str]) -> str:
    """Log a network as a model of a run. ``facts`` say where it comes from. Returns the model's ``models:/…`` URI."""
    client = MlflowClient()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / FOLDER
        folder.mkdir(parents=True)
        named = {"network": trunk.network, "sha256": trunk.sha256, "origin": trunk.origin}
        named |= {"licence": trunk.licence} if trunk.licence else {}
        text = {"format": _FORMAT, "trunk": named, "facts": dict(facts)}
        (folder / DESCRIPTION).write_text(canonical(text), encoding="utf-8")
        trunk.save(folder / TENSORS)
        seal(folder)
        tags = resolve_tags({**manifest_tags(folder), HOLDS: TRUNKS})
        made = client.create_logged_model(run.experiment_id, "trunk", run.run_id, tags, run_params(run.run_id))
        model = Model(run_id=run.run_id, model_id=made.model_id, flavors={"adtrack_trunk": {"data": FOLDER}})
        model.save(str(Path(scratch) / "MLmodel"))
        client.log_model_artifacts(made.model_id, scratch)
    uri: str = client.finalize_logged_model(made.model_id, LoggedModelStatus.READY).model_uri
    client.set_logged_model_tags(made.model_id, {NOTE: _page(uri, trunk.network)})
    return uri


def read_trunk(folder: Path) -> Trunk:
    """The network in the folder ``FOLDER`` of a model. UserError: its files are damaged."""
    named = described(folder / DESCRIPTION)
    return Trunk.load(folder / TENSORS, named["network"], named["sha256"], named["origin"], named["licence"])


def described(file: Path) -> dict[str, str]:
    """What a model's description says of its network: ``network``, ``sha256``, ``origin`` and ``licence``, which may be
    ""; the descriptions of detectors say it alike. UserError: it cannot be read."""
    try:
        trunk = from_json(file.read_text(encoding="utf-8"))["trunk"]
        named = {name: trunk[name] for name in ("network", "sha256", "origin")} | {"licence": trunk.get("licence", "")}
        if not all(isinstance(word, str) for word in named.values()):
            raise ValueError("what it says of its network must be words")
        return named
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"a model must have a readable {file.name}, but {file.parent} has none ({error}).") from error


def register_trunk(class_name: str, uri: str, trunk: Trunk, origin: Mapping[str, str]) -> RegisteredVersion:
    """Make a logged network the newest version of ``adtrack-trunk-<class>``: the candidate, and champion if there is
    none yet. ``origin`` becomes the version's tags ``adtrack.…``."""
    name, model = trunk_name(class_name), MlflowClient().get_logged_model(uri.removeprefix("models:/"))
    pages = Pages(_page(f"models:/{name}@{CHAMPION}", trunk.network), lambda address: _page(address, trunk.network))
    return add_version(name, model, origin, TRUNKS, pages)


def _page(uri: str, network: str) -> str:
    """Markdown for the page of the network with this URI."""
    return render("trunk_card.md", address=argument(uri), network=network, quoted=json.dumps(uri, ensure_ascii=False))
