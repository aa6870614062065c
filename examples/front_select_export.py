"""A run on images with three objectives, a member of its front chosen by conditions, one ONNX file to deploy.

    python examples/front_select_export.py [EVALUATIONS] [FOLDER]

Without a folder of images (one sub-folder a class) it takes the bundled digits. The run folder is `runs/example`: the
command line can go on with it (`evoprune show runs/example`), and calling this again continues it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich import print as show

from evoprune.model import Options
from evoprune.report import front_table
from evoprune.training import get_recipe
from evoprune.workflow import Choice, ExportRequest, RunFolder, choose, execute, export, make_config, make_study

RUN = Path("runs/example")


def main(evaluations: int = 200, data: str = "digits") -> None:
    """Search, choose, export; print the front and what the file holds."""
    config = make_config(
        data=data if data == "digits" else str(Path(data).resolve()),
        backbone="tiny",
        head=(128,),
        recipe=get_recipe("fast"),
        objectives=("accuracy", "active", "calibration"),
        algorithm="nsga2",
        evaluations=evaluations,
        report_seeds=3,
    )
    summary = execute(config, RunFolder(RUN)).summary()
    show(front_table(summary))

    # Compared by validation figures; test figures are for the reader only.
    number, words = choose(summary, Choice(best="accuracy", where="active<=50%"))
    chosen = make_study(RunFolder(RUN)).select(number, words).best
    print(f"evaluation {number}, {words}: {chosen.active_neurons} features, test {chosen.scores.test_accuracy:.3f}")

    said = export(RUN, ExportRequest(Options("onnx"), output=RUN / "model.onnx"))
    before, after = said["before"], said["after"]
    print(f"{said['file']}: {before['bytes']:,} -> {after['bytes']:,} bytes, {said['removed_filters']} filters removed")
    print(f"test accuracy of the file itself: {said['test_accuracy']:.3f}")


if __name__ == "__main__":
    main(*(int(word) if word.isdigit() else word for word in sys.argv[1:]))
