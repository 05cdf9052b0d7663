"""How much faster is the exact search than faiss, with the same neighbours?

MemoryBank.nearest against faiss IndexFlatL2 (as many threads; pip install faiss-cpu) and torch.cdist, float32 patches:
784 queries, the patches of one image, in banks of 1 %, 10 % and 25 % of 240 images; of ResNet-18's layer2+layer3 or of
the layers of another network that are asked for.

\b
Command:  python -m experiments.benchmarks.search --data DIR [--class NAME] [--weights FILE]
          [--backbone squeezenet1_1 --layers features.7+features.12]
Cost:     about a minute on 2 CPU cores once the features are cached.
Result:   experiments/results/benchmarks.csv
"""

import click
import torch

from adtrack.detectors.bank import MemoryBank
from adtrack.detectors.coreset import greedy_order
from adtrack.settings import parse_layers
from experiments.benchmarks.common import data_options, in_turns, merged, open_bench, report


@click.command(help=__doc__)
@click.option("--backbone", default="resnet18", show_default=True)
@click.option("--layers", default="layer2+layer3", show_default=True)
@data_options
def main(data: str, class_name: str, weights: str, backbone: str, layers: str) -> None:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    used = parse_layers(layers)
    bench = open_bench(data, class_name, weights, layers=used, backbone=backbone)
    patches = merged(bench.features("train_clean"), 240, used)
    order = greedy_order(patches, round(0.25 * len(patches)), seed=42)
    for name in ("val_clean", "val_shift"):
        queries = merged(bench.features(name), 1, used)
        for share in (0.01, 0.1, 0.25):
            rows = patches[order[: round(share * len(patches))]].contiguous()
            bank, index = MemoryBank(rows), faiss.IndexFlatL2(rows.shape[1])
            index.add(rows.numpy())
            found, theirs = bank.nearest(queries), index.search(queries.numpy(), 1)
            same = float((found[1].numpy() == theirs[1]).mean())
            works = {
                "adtrack": lambda bank=bank, queries=queries: bank.nearest(queries),
                "faiss IndexFlatL2": lambda index=index, queries=queries: index.search(queries.numpy(), 1),
                "torch.cdist and min": lambda rows=rows, queries=queries: torch.cdist(queries, rows).min(dim=1),
            }
            network = "" if backbone == "resnet18" else f" of {backbone}"
            work = f"{len(queries)} of {name} × {len(rows)} × {rows.shape[1]}{network}, same neighbour {same:.2%}"
            report("nearest neighbour", work, in_turns(works, 9), "adtrack")


if __name__ == "__main__":
    main()
