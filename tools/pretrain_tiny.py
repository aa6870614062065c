"""Train the bundled backbone `tiny` on CIFAR-10 and write its weights.

    python tools/pretrain_tiny.py cifar10.zip [--epochs 30] [--output FOLDER]

The archive holds `train/CLASS/*.jpg` and `test/CLASS/*.jpg`. The test part is
read once, after the last epoch. Writes `tiny.safetensors` (float16) and
`tiny.json` (preprocessing, recipe, measured accuracy).
"""

from __future__ import annotations

import argparse
import io
import json
import math
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from evoprune.backbones._tiny_network import INPUT_SIZE, WIDTH, TinyNetwork

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


def read_part(archive: zipfile.ZipFile, part: str) -> tuple[Tensor, Tensor, list[str]]:
    """All images of one part as uint8 `[N, 3, 32, 32]`, labels `[N]`, class names."""
    names = sorted(n for n in archive.namelist() if n.startswith(f"{part}/") and n.endswith(".jpg"))
    classes = sorted({n.split("/")[1] for n in names})
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in names])
    labels = torch.tensor([classes.index(n.split("/")[1]) for n in names])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels, classes


def normalise(pixels: Tensor) -> Tensor:
    """uint8 images to normalised float32, channels last in memory."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((pixels.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def whitening_filters(images: Tensor, filters: int) -> Tensor:
    """Eigenvectors of the covariance of 2 x 2 patches, scaled to unit variance, with both signs."""
    patches = functional.unfold(images[:5000], 2).transpose(1, 2).reshape(-1, 12)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    scaled = (vectors / torch.sqrt(values + 5e-4)).T.reshape(-1, 3, 2, 2)
    return torch.cat([scaled, -scaled])[:filters]


def augment(pixels: Tensor, generator: torch.Generator, flip: Tensor, shift: int, hole: int) -> Tensor:
    """Mirror the chosen images, move each by up to `shift` pixels, cut out a square of `hole` pixels."""
    n, size = len(pixels), INPUT_SIZE
    images = torch.where(flip.view(-1, 1, 1, 1), pixels.flip(3), pixels)
    padded = functional.pad(images.float(), (shift,) * 4, mode="reflect").to(torch.uint8)
    dy, dx = torch.randint(0, 2 * shift + 1, (2, n), generator=generator)
    rows = dy.view(-1, 1) + torch.arange(size)
    cols = dx.view(-1, 1) + torch.arange(size)
    index = torch.arange(n)
    moved = padded[index.view(-1, 1, 1), :, rows.unsqueeze(2), cols.unsqueeze(1)].permute(0, 3, 1, 2)
    batch = normalise(moved)
    if hole:
        cy, cx = torch.randint(0, size, (2, n), generator=generator)
        inside_y = (torch.arange(size) - cy.view(-1, 1)).abs() < hole // 2
        inside_x = (torch.arange(size) - cx.view(-1, 1)).abs() < hole // 2
        batch = batch.masked_fill((inside_y.unsqueeze(2) & inside_x.unsqueeze(1)).unsqueeze(1), 0.0)
    return batch.contiguous(memory_format=torch.channels_last)


def main() -> None:
    """Train, measure once on the test part, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--peak-lr", type=float, default=0.25)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--shift", type=int, default=4)
    parser.add_argument("--hole", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("src/evoprune/backbones/weights"))
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    with zipfile.ZipFile(args.archive) as archive:
        train, labels, classes = read_part(archive, "train")
        test, test_labels, _ = read_part(archive, "test")

    network = TinyNetwork().to(memory_format=torch.channels_last)
    head = nn.Linear(WIDTH, len(classes))
    first = network.whiten[0]
    assert isinstance(first, nn.Conv2d) and first.bias is not None
    first.weight.data.copy_(whitening_filters(normalise(train[:5000]), first.out_channels))
    first.bias.data.zero_()
    model = nn.Sequential(network, head)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": args.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=args.peak_lr,
        momentum=0.9,
        nesterov=True,
    )
    steps = len(train) // args.batch
    total, warmup = steps * args.epochs, steps * args.epochs // 5
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: (
            max(s / warmup, 0.05) if s < warmup else 0.5 * (1 + math.cos(math.pi * (s - warmup) / (total - warmup)))
        ),
    )
    mirrored = torch.rand(len(train), generator=generator) < 0.5
    started = time.time()
    for epoch in range(args.epochs):
        model.train()
        # Mirroring alternates: each image is seen once in both forms within two epochs.
        flip = mirrored ^ bool(epoch % 2)
        losses = []
        for batch in torch.randperm(len(train), generator=generator)[: steps * args.batch].split(args.batch):
            images = augment(train[batch], generator, flip[batch], args.shift, args.hole)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(images)
            loss = functional.cross_entropy(logits.float(), labels[batch], label_smoothing=args.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            losses.append(loss.item())
        print(
            f"epoch {epoch + 1:3d}/{args.epochs}  loss {np.mean(losses):.4f}  {time.time() - started:6.0f} s",
            flush=True,
        )

    trained = average.module
    trained.eval()
    state = {
        name: tensor.half().contiguous()
        for name, tensor in trained[0].state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    # Measured with the weights as they are stored, in float32, without test-time augmentation.
    trained[0].load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    with torch.no_grad():
        predicted = torch.cat([trained(normalise(part)).argmax(1) for part in test.split(500)])
    accuracy = (predicted == test_labels).float().mean().item()
    print(f"CIFAR-10 test accuracy {accuracy:.4f}")

    args.output.mkdir(parents=True, exist_ok=True)
    save_file(state, args.output / "tiny.safetensors")
    record = {
        "architecture": "evoprune.backbones._tiny_network.TinyNetwork",
        "width": WIDTH,
        "input_size": [INPUT_SIZE, INPUT_SIZE],
        "resize": "bilinear",
        "color": "RGB",
        "mean": [round(255 * v, 4) for v in MEAN],
        "std": [round(255 * v, 4) for v in STD],
        "trained_on": "CIFAR-10, train part (50,000 images)",
        "parameters": sum(p.numel() for p in network.parameters()),
        "cifar10_test_accuracy": round(accuracy, 4),
        "recipe": {key: value for key, value in vars(args).items() if key not in ("archive", "output")},
        "optimizer": "SGD, Nesterov momentum 0.9, linear warm-up over 1/5, then cosine; exponential average 0.998",
        "torch": torch.__version__,
    }
    (args.output / "tiny.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
