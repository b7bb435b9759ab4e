"""AutoML beside FLAML: what the peer does, in an environment of its own, and the data for both.

    python automl.py make DATA SEED FILE              a csv whose column `part` says training, validation or test
    python automl.py fit DATA FILE SECONDS SEED       FLAML on what is not test; prints {"loss": …, "seconds": …}
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from sklearn import datasets, metrics

CLASSES = {"breast_cancer", "hastie"}


def rows(name, seed):
    if name == "diabetes":
        x, y = datasets.load_diabetes(return_X_y=True)
    elif name == "breast_cancer":
        x, y = datasets.load_breast_cancer(return_X_y=True)
    elif name == "friedman":
        x, y = datasets.make_friedman1(5_000, n_features=15, noise=2.0, random_state=seed)
    else:
        x, y = datasets.make_hastie_10_2(5_000, random_state=seed)
        y = (y > 0).astype(int)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    frame["y"] = np.where(y > 0, "yes", "no") if name in CLASSES else y
    parts = ["training"] * 6 + ["validation"] * 2 + ["test"] * 2
    frame["part"] = np.random.default_rng(seed).permutation(np.resize(parts, len(frame)))
    return frame


def fit(name, path, seconds, seed):
    from flaml import AutoML

    frame = pd.read_csv(path)
    known, test = frame[frame.part != "test"].drop(columns="part"), frame[frame.part == "test"].drop(columns="part")
    is_classes = name in CLASSES
    begin = time.perf_counter()
    peer = AutoML()
    task, metric = ("classification", "log_loss") if is_classes else ("regression", "rmse")
    peer.fit(known.drop(columns="y"), known.y, task=task, metric=metric, time_budget=seconds, seed=seed, verbose=0)
    took = time.perf_counter() - begin
    x = test.drop(columns="y")
    loss = metrics.log_loss(test.y, peer.predict_proba(x), labels=["no", "yes"]) if is_classes else metrics.root_mean_squared_error(test.y, peer.predict(x))
    print(json.dumps({"loss": float(loss), "seconds": took}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", name, seed, path]:
            rows(name, int(seed)).to_csv(path, index=False)
        case ["fit", name, path, seconds, seed]:
            fit(name, path, float(seconds), int(seed))
        case _:
            sys.exit(__doc__)
