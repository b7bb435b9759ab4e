"""AutoML beside FLAML: what the peer does, in an environment of its own, and the data for both.

    python automl.py make DATA SEED FILE              a csv whose column `part` says training, validation or test
    python automl.py fit KIND FILE SECONDS SEED       FLAML on what is not test; prints {"loss": …, "seconds": …}

DATA is one of the sets below, or FILE:TARGET for a csv or parquet file; KIND is `regression` or `classification`.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from sklearn import datasets, metrics



def rows(name, seed):
    if name == "diabetes":
        x, y = datasets.load_diabetes(return_X_y=True)
    elif name == "breast_cancer":
        x, y = datasets.load_breast_cancer(return_X_y=True)
    elif name == "friedman":
        x, y = datasets.make_friedman1(5_000, n_features=15, noise=2.0, random_state=seed)
    elif name == "hastie":
        x, y = datasets.make_hastie_10_2(5_000, random_state=seed)
    else:
        file, _, target = name.rpartition(":")
        frame = pd.read_parquet(file) if file.endswith(".parquet") else pd.read_csv(file)
        x, y = frame.drop(columns=target), frame[target]
    if isinstance(x, np.ndarray):
        x = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    is_classes = name in ("breast_cancer", "hastie")
    frame = x.assign(y=np.where(y > 0, "yes", "no") if is_classes else y)
    frame = frame[frame.y.notna()]
    parts = ["training"] * 6 + ["validation"] * 2 + ["test"] * 2
    frame["part"] = np.random.default_rng(seed).permutation(np.resize(parts, len(frame)))
    return frame


def with_times(frame):
    """Texts that are points in time as such, so that the peer takes them apart as we do."""
    for name in frame.select_dtypes("object"):
        try:
            frame[name] = pd.to_datetime(frame[name], format="%Y-%m-%d %H:%M:%S")
        except ValueError:
            pass
    return frame


def fit(kind, path, seconds, seed):
    from flaml import AutoML

    frame = with_times(pd.read_csv(path))
    known, test = frame[frame.part != "test"].drop(columns="part"), frame[frame.part == "test"].drop(columns="part")
    is_classes = kind == "classification"
    begin = time.perf_counter()
    peer = AutoML()
    metric = "log_loss" if is_classes else "rmse"
    peer.fit(known.drop(columns="y"), known.y, task=kind, metric=metric, time_budget=seconds, seed=seed, verbose=0)
    took = time.perf_counter() - begin
    x = test.drop(columns="y")
    loss = metrics.log_loss(test.y, peer.predict_proba(x), labels=sorted(known.y.unique())) if is_classes else metrics.root_mean_squared_error(test.y, peer.predict(x))
    print(json.dumps({"loss": float(loss), "seconds": took}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", name, seed, path]:
            rows(name, int(seed)).to_csv(path, index=False)
        case ["fit", kind, path, seconds, seed]:
            fit(kind, path, float(seconds), int(seed))
        case _:
            sys.exit(__doc__)
