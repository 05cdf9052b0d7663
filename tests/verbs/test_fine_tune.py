"""fine-tune: a run with curves, a registered network that detectors use, refusals, and going on after a kill."""

import os
import signal
from collections.abc import Callable

import pytest
from mlflow import MlflowClient

from adtrack.data.imageset import ImageSet
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import has_file, metric_curve
from adtrack.tracking.run_health import look_at_tags
from adtrack.tracking.store import search_runs

CHAMPION = "models:/adtrack-trunk-part@champion"
TASK = ("--layers", "layer1", "--epochs", "2", "--batch", "4", "--lr", "0.001")


def tuned(adtrack, part: tuple[str, ...], *more: str):
    return adtrack("fine-tune", *part, *TASK, *more)


def newest():
    return search_runs("tags.`adtrack.role` = 'fine-tuning'")[-1]


def test_a_network_is_trained_registered_and_used(workplace, adtrack, part, monkeypatch) -> None:
    decoded: set[str] = set()
    seen = ImageSet.seen
    monkeypatch.setattr(ImageSet, "seen", lambda images, *rest: decoded.add(images.name) or seen(images, *rest))
    done = tuned(adtrack, part, "--task", "cutmix", "--register", "always")
    assert done.code == 0, done.err
    assert decoded == {"train_clean"}  # neither Val nor Test is looked at
    run = newest()
    assert run.info.status == "FINISHED"
    for name in ("train/loss", "train/accuracy", "held_out/loss", "held_out/accuracy", "held_out/told_apart"):
        assert sorted(metric_curve(run.info.run_id, name)) == [1, 2]
    best = run.data.metrics["best/epoch"]
    assert run.data.metrics["best/loss"] == metric_curve(run.info.run_id, "held_out/loss")[best]
    assert run.data.params["task"] == "cutmix" and run.data.params["temperature"] == "0.2"
    assert all(has_file(run.info.run_id, f"curves/{name}") for name in ("loss.png", "shares.html"))
    assert run.data.tags["adtrack.registered"] == "adtrack-trunk-part/1" and CHAMPION in done.out
    version = MlflowClient().get_model_version_by_alias("adtrack-trunk-part", "champion")
    assert version.tags["adtrack.task"] == "cutmix" and version.run_id == run.info.run_id
    options = [CHAMPION if text == "random" else text for text in part]
    built = adtrack("build-bank", *options, "--layers", "layer1", "--coreset-fraction", "0.1")
    assert built.code == 0, built.err
    (bank,) = search_runs("tags.`adtrack.role` = 'bank'")
    assert bank.data.params["weights"] == "models:/adtrack-trunk-part/1" and bank.data.tags["adtrack.weights_asked"]
    assert bank.data.params["weights_sha256"] != run.data.params["weights_sha256"]
    assert not look_at_tags().findings
    assert adtrack("export", "--class", "part", "--out", workplace / "out").code == 2  # there is no study


def test_what_has_taught_nothing_is_not_registered_unless_asked(workplace, adtrack, part) -> None:
    done = tuned(adtrack, part, "--task", "rotation")
    assert done.code == 0, done.err  # two held-out images prove nothing
    assert "Warning" in done.err and "too few to tell" in done.err and "It is not registered" in done.out
    assert newest().info.status == "FINISHED" and not MlflowClient().search_registered_models()
    uri = newest().data.tags["adtrack.trunk"]
    options = [uri if text == "random" else text for text in part]
    assert adtrack("build-bank", *options, "--layers", "layer1", "--coreset-fraction", "0.1").code == 0


def test_a_killed_run_goes_on_to_the_same_network(
    workplace, adtrack, part, in_a_process: Callable[[Callable[[], None]], int], monkeypatch
) -> None:
    log = Run.log_metrics

    def die(run: Run, metrics: dict, model_id: str | None = None, step: int = 0) -> None:
        log(run, metrics, model_id, step)
        if step == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def killed() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "log_metrics", die)
            tuned(adtrack, part, "--task", "rotation")

    def digest(said: str) -> str:
        return said.partition("SHA-256 ")[2].split()[0]

    assert os.WIFSIGNALED(os.waitpid(in_a_process(killed), 0)[1])
    resumed = tuned(adtrack, part, "--task", "rotation")
    assert resumed.code == 0, resumed.err
    assert sorted(metric_curve(newest().info.run_id, "held_out/loss")) == [1, 2]
    fresh = tuned(adtrack, part, "--task", "rotation")  # the checkpoint of the finished one has gone
    assert digest(resumed.out) == digest(fresh.out) != ""
    assert [run.info.status for run in search_runs("tags.`adtrack.role` = 'fine-tuning'")][1:] == ["FINISHED"] * 2


def test_ctrl_c_ends_the_run_and_the_same_command_goes_on(workplace, adtrack, part, monkeypatch) -> None:
    log = Run.log_metrics

    def stop(run: Run, metrics: dict, model_id: str | None = None, step: int = 0) -> None:
        log(run, metrics, model_id, step)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "log_metrics", stop)
        assert tuned(adtrack, part, "--task", "cutmix").code == 130
    assert newest().info.status == "KILLED"
    assert tuned(adtrack, part, "--task", "cutmix").code == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--task", "cutmix", "--free", "layer4"), "free must name layers with weights up to layer1"),
        (("--task", "cutmix", "--layers", "layer9"), "layer must be one of"),
        (("--task", "cutmix", "--lr", "0"), "lr must be in (0, 1]"),
        (("--task", "cutmix", "--batch", "1"), "batch must be a whole number of at least 2"),
        (("--task", "cutmix", "--epochs", "many"), "epochs must be a whole number"),
        (("--task", "colours"), "'colours' is not one of"),
    ],
)
def test_mistakes_get_a_sentence(workplace, adtrack, part, given, said) -> None:
    done = adtrack("fine-tune", *part, "--layers", "layer1", *given)
    assert done.code == 2 and said in done.err, done.err
