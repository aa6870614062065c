"""The baseline: what a competent user of PyTorch would write for the `paper` recipe.

    python benchmarks/plain_loop.py F.npz [--epochs 600] [--active 0.5]

Features are computed already, the mask is multiplied into the weights, `torch.optim.SGD`
makes the steps, one candidate is trained after another, on all cores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class MaskedHead(nn.Module):
    """D -> 512 -> C with a mask on the inputs."""

    def __init__(self, width: int, classes: int, mask: Tensor, units: int = 512) -> None:
        super().__init__()
        self.first = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, units)))
        self.output = nn.Linear(units, classes)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("mask", mask.float().unsqueeze(1).expand(width, units).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        return self.output(functional.relu(x @ (self.first * self.mask)))


def train(X: Tensor, y: Tensor, classes: int, mask: Tensor, epochs: int, seed: int = 0) -> MaskedHead:
    """One candidate by the published recipe, early stopping on the training loss included."""
    torch.manual_seed(seed)
    head = MaskedHead(X.shape[1], classes, mask)
    optimizer = torch.optim.SGD(head.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + 1e-6 * step))
    best, since, kept = float("inf"), 0, None
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X)).split(32):
            loss = functional.cross_entropy(head(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        if total / len(X) < best - 1e-5:
            best, since = total / len(X), 0
            kept = {name: value.clone() for name, value in head.state_dict().items()}
        else:
            since += 1
            if since >= 10:
                break
    if kept is not None:
        head.load_state_dict(kept)
    return head


def load(path: Path) -> tuple[Tensor, Tensor, int]:
    """Training features `[N, D]`, labels `[N]` and the number of classes of a feature file."""
    with np.load(path, allow_pickle=False) as arrays:
        X = torch.from_numpy(arrays["X_train"].astype(np.float32))
        y = torch.from_numpy(arrays["y_train"].astype(np.int64))
    return X, y, int(y.max()) + 1


def main() -> None:
    """Time one candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--active", type=float, default=0.5)
    args = parser.parse_args()
    X, y, classes = load(args.features)
    mask = torch.zeros(X.shape[1], dtype=torch.bool)
    order = torch.randperm(X.shape[1], generator=torch.Generator().manual_seed(0))
    mask[order[: round(args.active * X.shape[1])]] = True
    started = time.perf_counter()
    train(X, y, classes, mask, args.epochs)
    seconds = time.perf_counter() - started
    each = 1000 * seconds / args.epochs
    print(f"{args.epochs} epochs in {seconds:.2f} s, {each:.1f} ms an epoch, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
