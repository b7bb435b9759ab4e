"""Holds model.onnx of a folder against predictions that are known: `python verify.py FOLDER` prints what it found as JSON."""

import json
import sys

import numpy
import onnx
import onnxruntime

folder = sys.argv[1]
onnx.checker.check_model(onnx.load(folder + "/model.onnx"), full_check=True)
session = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
missing = session.get_modelmeta().custom_metadata_map["recipe.missing_text"]
with open(folder + "/rows.json", encoding="utf-8") as file:
    rows = json.load(file)


def column(declared):
    values = rows["inputs"][declared.name]
    if declared.type == "tensor(string)":
        return numpy.array([missing if value is None else value for value in values], dtype=object)
    return numpy.array([numpy.nan if value is None else value for value in values], dtype=numpy.float64)


names = [declared.name for declared in session.get_outputs()]
given = {declared.name: column(declared) for declared in session.get_inputs()}
found = dict(zip(names, session.run(names, given)))
differs = {}
apart = 0.0
for name, wanted in rows["outputs"].items():
    for row, (ours, theirs) in enumerate(zip(wanted, found[name].tolist(), strict=True)):
        if isinstance(ours, str) and isinstance(theirs, float):
            # What JSON cannot say.
            same = float(ours) == theirs
        elif isinstance(theirs, str):
            same = theirs == (missing if ours is None else ours)
        elif ours is None or theirs != theirs:
            same = ours is None and theirs != theirs
        else:
            distance = abs(ours - theirs) / max(1.0, abs(ours))
            apart = max(apart, distance)
            same = distance <= rows["tolerance"]
        if not same and name not in differs:
            differs[name] = {"row": row + 1, "ours": ours, "theirs": str(theirs)}
print(json.dumps({"rows": rows["rows"], "apart": apart, "differs": differs, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}))
