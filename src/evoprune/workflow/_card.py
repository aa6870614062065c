"""The model card: one Markdown page that goes with an exported file."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._version import __version__
from evoprune.model import UNKNOWN, Deployable
from evoprune.objectives import OBJECTIVES
from evoprune.report import printable, reversed_remark
from evoprune.workflow._study import Study

_PACKAGES = ("numpy", "torch", "onnx", "onnxruntime", "safetensors", "pillow")

_COUNTED = {"active", "parameters", "flops"}
"""Objectives that are the same in every training, and stand in rows of their own."""

_LOADING = {
    "arrays": """\
```python
from evoprune.model import load_exported
model = load_exported({file})
for prediction in model.predict(["photo.jpg"]):
    print(prediction.label, prediction.probability)
```""",
    "head": """\
```python
from evoprune.model import load_exported
outputs = load_exported({file}).run(features)  # float32 {shape}
print(outputs.logits, outputs.unknown)
```""",
    "onnx": """\
```python
import json, onnxruntime
session = onnxruntime.InferenceSession({file})
facts = json.loads(session.get_modelmeta().custom_metadata_map["evoprune"])  # classes, preprocessing, threshold
logits, probabilities = session.run(["logits", "probabilities"], {{"{input}": batch}})  # float32 {shape}
```

`examples/predict_onnx.py` of evoprune does the rest with nothing but onnxruntime, numpy and Pillow.""",
    "torchscript": """\
```python
import json, torch
extra = {{"evoprune.json": ""}}
network = torch.jit.load({file}, _extra_files=extra)
facts = json.loads(extra["evoprune.json"])  # classes, preprocessing, threshold
logits, probabilities, *score = network(batch)  # float32 {shape}
```""",
}


_MADE_WITH = "## Made with\n\nevoprune "


def card_of(output: Path) -> Path:
    """Where the card of an exported file lies."""
    return output.with_name(f"{output.name}.md")


def is_card(path: Path) -> bool:
    """Whether a file is a model card that evoprune wrote."""
    try:
        return _MADE_WITH in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def model_card(said: Mapping[str, Any], summary: Mapping[str, Any], study: Study, ready: Deployable) -> str:
    """The card as Markdown text.

    Args:
        said: what `export` returns.
        summary: of the run, as `Result.summary` gives it.
        study: of the run.
        ready: the model as the file holds it.
    """
    title = f"# {_text(Path(said['file']).name)}: a classifier of {study.features.classes} classes"
    parts = [
        (title, _what(said, study, ready)),
        ("## Data", _data(study)),
        ("## Protocol and figures", _figures(said, summary, study)),
        ("## Size", _sizes(said)),
        ("## When it says `unknown`", _rejection(said, study)),
        ("## Limits", _limits(said, study)),
        ("## How to load it", _loading(said, ready)),
        ("## Made with", _versions()),
    ]
    return "\n\n".join(f"{heading}\n\n{body}" for heading, body in parts) + "\n"


def _what(said: Mapping[str, Any], study: Study, ready: Deployable) -> str:
    network = study.features.backbone
    whole = network is not None and not said["head_only"]
    source = "a feature file" if network is None else f"the backbone {_text(Path(network.name).name)}"
    takes = "an image" if whole else f"{ready.head.width} features of {source}"
    heads = "a head" if said["member"] is not None else f"{said['members']} heads that vote"
    lines = [
        f"Takes {takes}, gives a probability for each class. A frozen backbone, and {heads} of which evoprune "
        f"{__version__} evolved what is worth keeping."
        if whole
        else f"Takes {takes}, gives a probability for each class. It holds {heads} of which evoprune {__version__} "
        "evolved what is worth keeping, and no backbone.",
        f"Classes: {', '.join(map(_text, study.features.class_names))}.",
        f"Encoding `{study.config.encoding}`, recipe `{_text(study.config.recipe.name)}`, seed {study.config.seed}, "
        f"format {said['format']}, weights {_weights(said)}.",
    ]
    return "\n\n".join(lines)


def _weights(said: Mapping[str, Any]) -> str:
    head = "8-bit in the head" if said["quantize"] else ""
    half = "16-bit" if said["half"] else "32-bit"
    return f"{half}, {head}" if head else half


def _data(study: Study) -> str:
    features = study.features
    final, search = study.partition.report[0], study.partition.search
    counts = [np.bincount(features.y[rows], minlength=features.classes) for rows in (final.train, final.evaluate)]
    rows = [
        [_text(name), f"{train:,}", f"{test:,}"]
        for name, train, test in zip(features.class_names, *(c.tolist() for c in counts), strict=True)
    ]
    rows.append(["all", f"{len(final.train):,}", f"{len(final.evaluate):,}"])
    said = [
        f"{_text(features.name)}: {len(features.y):,} images in {features.classes} classes; "
        f"{_were(features.duplicates, 'test image')} also in the training part, "
        f"{_were(len(features.broken), 'unreadable image')} left out.",
        f"Of the images to train on, the search judged candidates by {len(search[0].evaluate):,}"
        + (f" in each of {len(search)} folds." if len(search) > 1 else "."),
        _table(["class", "trained on", "test"], rows),
    ]
    if features.ood:
        sets = [f"{_text(o.name)} ({len(o.search):,} for the search, {len(o.report):,} kept)" for o in features.ood]
        said.append(f"Images from outside: {', '.join(sets)}.")
    return "\n\n".join(said)


def _figures(said: Mapping[str, Any], summary: Mapping[str, Any], study: Study) -> str:
    protocol = study.config.protocol
    lines = [f"Protocol `{protocol}`: {study.partition.description}."]
    mark = ""
    if protocol == "paper":
        mark = " (paper)"
        lines.append("Figures marked `paper` were selected on these very test images, as published: optimistic.")
    own = [m for m in (summary["best"], *summary["front"]) if m["id"] == said["member"]]
    if own:
        member, dense = own[0], summary["dense"]
        names = [name for name in member["test"] if name in dense["test"] and name not in _COUNTED]
        rows = [
            [f"{part} {_name(name, summary)}{mark}", *_spreads(part, name, dense, member)]
            for name in names
            for part in (("test",) if mark else ("validation", "test"))
            if name in member[part]
        ]
        for label, key in {"active neurons": "active_neurons", "parameters of the head": "parameters"}.items():
            rows.append([label, f"{dense[key]:,}", f"{member[key]:,}"])
        seeds = member["seeds"]
        spread = f"mean ± standard deviation over {seeds} trainings" if seeds > 1 else "one training"
        lines += [
            f"Figures of the run: {spread}, with seeds that the search did not use.",
            _table(["", "not pruned", "this model"], rows),
        ]
    else:
        lines.append("Figures with spread, beside fair controls, stand in `ensemble.md` beside the ensemble.")
    agreed = said["agreement"]
    lines.append(
        f"This file, on the {agreed['images']:,} test {'rows' if said['head_only'] else 'images'}: accuracy "
        f"{100 * said['test_accuracy']:.2f} %{mark}; the run's own evaluation of the same training gives "
        f"{100 * said['study_test_accuracy']:.2f} %. Same class for {100 * agreed['same_class']:.2f} %, largest "
        f"difference of a logit {agreed['max_difference']:.1e}." + _cost_of_rounding(said)
    )
    return "\n\n".join(lines)


def _cost_of_rounding(said: Mapping[str, Any]) -> str:
    if not (said["half"] or said["quantize"]):
        return ""
    points = 100 * (said["test_accuracy"] - said["study_test_accuracy"])
    return f" Rounding the weights changed the test accuracy by {points:+.2f} points."


def _spreads(part: str, name: str, *members: Mapping[str, Any]) -> list[str]:
    shown = []
    for member in members:
        mean, spread = member[part].get(name), member[f"{part}_std"].get(name)
        several = f" ± {spread:.4f}" if spread is not None and member["seeds"] > 1 else ""
        shown.append("-" if mean is None else f"{mean:.4f}{several}")
    return shown


def _name(name: str, summary: Mapping[str, Any]) -> str:
    titles = {objective["name"]: objective["title"] for objective in summary["objectives"]}
    known = OBJECTIVES[name].title if name in OBJECTIVES else name
    return str(titles.get(name, known))


def _sizes(said: Mapping[str, Any]) -> str:
    before, after = said["before"], said["after"]
    counted = {"parameters": "parameters", "multiply-adds of an image": "multiply_adds", "bytes": "bytes"}
    rows = [[label, f"{before[key]:,}", f"{after[key]:,}"] for label, key in counted.items()]
    rows.append(["ms an image, one thread", f"{before['latency_ms']:.2f}", f"{after['latency_ms']:.2f}"])
    whole = "the head alone" if said["head_only"] else "dense head on the whole backbone"
    table = _table(["", whole, "this file"], rows)
    kept = [f"Of the bytes, {said['rejection_bytes']:,} serve the threshold."] if said["rejection_bytes"] else []
    return "\n\n".join([table, *([said["remark"]] if said["remark"] else []), *kept])


def _rejection(said: Mapping[str, Any], study: Study) -> str:
    found = said["rejection"]
    if found is None:
        return "Never: no threshold was set."
    measured = found["measured"]
    lines = [
        f"An image is `{UNKNOWN}` where its {found['score']} score (higher is more outlying) is over "
        f"{found['threshold']:.6g}. The threshold accepts {100 * found['tpr']:g} % of validation images, under a "
        "head that was not trained on them.",
        f"On the test images it accepts {100 * measured['test_tpr']:.1f} %.",
    ]
    if "ood_auroc" in measured:
        selected = " (paper: the search saw these images too)" if study.config.protocol == "paper" else ""
        lines.append(
            f"On {measured['ood_images']:.0f} images from outside kept for the report{selected}: AUROC "
            f"{measured['ood_auroc']:.4f}, false positive rate {measured['ood_fpr']:.4f} where {100 * found['tpr']:g} "
            f"% of the test images are accepted; at the threshold itself {100 * measured['ood_accepted']:.1f} % of "
            "them are accepted."
        )
        lines += reversed_remark([measured["ood_auroc"]])
    else:
        lines.append("How many images from outside it accepts is not known: the run had none.")
    return "\n\n".join(lines)


def _limits(said: Mapping[str, Any], study: Study) -> str:
    labels = study.features.y[study.partition.report[0].evaluate]
    smallest = int(np.bincount(labels, minlength=study.features.classes).min())
    lines = [
        "- It knows these classes alone, as they look in these images; nothing is known of other cameras and places.",
        f"- The class with the fewest test images has {smallest}, one image being {100 / max(1, smallest):.1f} points.",
        "- A probability is the head's own and was not calibrated.",
        "- What is `unknown` is told by a score and a threshold; images from outside that look like a class pass.",
    ]
    if study.features.duplicates:
        lines.append("- Test images that are also in the training part make the figures better than they are.")
    if study.features.backbone is not None:
        lines.append("- The backbone's own training data, its biases and its licence apply.")
    if said["half"] or said["quantize"]:
        lines.append("- Its weights are rounded: what that did to the test accuracy stands above.")
    return "\n".join(lines)


def _loading(said: Mapping[str, Any], ready: Deployable) -> str:
    kind = said["format"] if said["format"] in _LOADING else "head" if said["head_only"] else "arrays"
    return _LOADING[kind].format(
        # In code nothing is escaped but what ends a string.
        file=json.dumps(printable(Path(said["file"]).name), ensure_ascii=False),
        input="features" if said["head_only"] else "image",
        shape=f"[N, {', '.join(map(str, ready.input_shape()))}]",
    )


def _versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"evoprune {__version__}, Python {platform.python_version()}, {packages}."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _were(number: int, noun: str) -> str:
    return f"{number:,} {noun}{' is' if number == 1 else 's are'}"


def _text(text: str) -> str:
    """A name from elsewhere, of which nothing acts on a terminal or on Markdown."""
    shown = printable(text)
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|" else c for c in shown)
