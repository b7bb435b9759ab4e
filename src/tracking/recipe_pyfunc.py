"""Loads a model that `recipe` registered, for MLflow: `mlflow.pyfunc.load_model(DIRECTORY)`.

Where the bundle holds model.onnx, onnxruntime computes the predictions. Otherwise the model has no form in ONNX, and the `recipe`
program does: it must be on PATH, or named by RECIPE_BIN.
"""

import json
import os
import shutil
import subprocess
import tempfile

import numpy
import pandas

ROWS_AT_ONCE = 10_000


def _load_pyfunc(path):
    if not os.path.isdir(path):
        path = os.path.dirname(path)
    return OnnxModel(path) if os.path.exists(os.path.join(path, "model.onnx")) else ProgramModel(path)


def _signature(path):
    with open(os.path.join(path, "MLmodel"), encoding="utf-8") as file:
        signature = json.load(file)["signature"]
    return [[column["name"] for column in json.loads(signature[side])] for side in ("inputs", "outputs")]


def _frame(data, inputs):
    """The rows as a frame with every column that the model reads; one that is not there is missing in all rows."""
    if isinstance(data, pandas.DataFrame):
        frame = data
    elif isinstance(data, dict):
        frame = pandas.DataFrame({name: values if numpy.ndim(values) else [values] for name, values in data.items()})
    elif isinstance(data, list) and all(isinstance(row, dict) for row in data):
        frame = pandas.DataFrame(data)
    else:
        frame = pandas.DataFrame(data, columns=inputs)
    return frame.reindex(columns=inputs)


class OnnxModel:
    def __init__(self, path):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(os.path.join(path, "model.onnx"), providers=["CPUExecutionProvider"])
        about = self.session.get_modelmeta().custom_metadata_map
        self.missing = about["recipe.missing_text"]
        self.inputs = json.loads(about["recipe.inputs"])
        self.outputs = json.loads(about["recipe.outputs"])
        self.order = [declared.name for declared in self.session.get_inputs()]
        self.names = [declared.name for declared in self.session.get_outputs()]

    def predict(self, data, params=None):
        frame = _frame(data, self.order)
        pieces = [self._piece(frame.iloc[start : start + ROWS_AT_ONCE]) for start in range(0, max(len(frame), 1), ROWS_AT_ONCE)]
        predicted = pandas.concat(pieces, ignore_index=True)
        predicted.index = frame.index
        return predicted

    def _piece(self, frame):
        given = {name: self._given(name, frame[name]) for name in self.order}
        found = dict(zip(self.names, self.session.run(self.names, given)))
        return pandas.DataFrame({name: self._made(name, found[name]) for name in self.names})

    def _given(self, name, column):
        kind = self.inputs[name]
        if kind == "text":
            is_missing = column.isna()
            texts = [self.missing if gone else str(value) for value, gone in zip(column, is_missing)]
            return numpy.array(texts, dtype=object)
        if kind in ("date", "datetime"):
            moments = pandas.to_datetime(column)
            if getattr(moments.dt, "tz", None) is not None:
                moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
            micros = moments.astype("datetime64[us]")
            seconds = micros.astype("int64").to_numpy(dtype=numpy.float64) / 1e6
            return numpy.where(micros.isna(), numpy.nan, seconds)
        if kind == "time":
            return pandas.to_timedelta(column.astype("string")).dt.total_seconds().to_numpy(dtype=numpy.float64, na_value=numpy.nan)
        if kind == "boolean":
            column = column.map({True: 1.0, False: 0.0, "true": 1.0, "false": 0.0, "True": 1.0, "False": 0.0}, na_action="ignore")
        return pandas.to_numeric(column).to_numpy(dtype=numpy.float64, na_value=numpy.nan)

    def _made(self, name, values):
        kind = self.outputs[name]
        if kind == "text":
            return pandas.Series([None if value == self.missing else value for value in values.tolist()], dtype=object)
        made = pandas.Series(values)
        if kind == "float":
            return made
        whole, missing = ("boolean", "boolean") if kind == "boolean" else ("int64", "Int64")
        if made.isna().any():
            return made.astype("Int64").astype(missing)
        return made.astype("int64").astype("bool" if kind == "boolean" else whole)


class ProgramModel:
    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.inputs, self.outputs = _signature(path)
        self.program = os.environ.get("RECIPE_BIN") or shutil.which("recipe")
        if not self.program:
            raise RuntimeError("this model has no form in ONNX, so its loader needs the `recipe` program: put it on PATH or name it by RECIPE_BIN")

    def predict(self, data, params=None):
        frame = _frame(data, self.inputs)
        with tempfile.TemporaryDirectory() as folder:
            rows, scored = os.path.join(folder, "rows.jsonl"), os.path.join(folder, "scored.jsonl")
            with open(rows, "w", encoding="utf-8") as file:
                for values in frame.itertuples(index=False, name=None):
                    row = {name: self._plain(value) for name, value in zip(self.inputs, values)}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
            command = [self.program, "predict", self.path, rows, "-o", scored]
            for name in self.outputs:
                command += ["--columns", name]
            ran = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if ran.returncode:
                raise RuntimeError(f"`recipe predict` failed with exit code {ran.returncode}: {ran.stderr.strip()}")
            with open(scored, encoding="utf-8") as file:
                predicted = pandas.DataFrame([json.loads(line) for line in file], columns=self.outputs)
        predicted.index = frame.index
        return predicted

    @staticmethod
    def _plain(value):
        if value is None or value is pandas.NaT or value is pandas.NA or value != value:
            return None
        if isinstance(value, pandas.Timestamp):
            return value.isoformat(sep=" ")
        return value.item() if isinstance(value, numpy.generic) else value if isinstance(value, (bool, int, float)) else str(value)
