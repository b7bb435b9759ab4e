"""Computes the scores that src/ml/estimators/peer_tests.rs compares with.

    pip install lightgbm==4.6.0 scikit-learn==1.9.1 numpy
    python tests/golden/trees.py

The data is the test's own: the same SplitMix64, the same formulas. Prints for each case the mean of the peer's scores
over ten sets and its standard error.
"""

import warnings

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import log_loss
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

warnings.simplefilter("ignore")
MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15
TRAINING, TEST, WIDTH = 250, 250, 8


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def draws(seed, stream):
    state = mix(seed ^ mix((stream + STEP) & MASK))
    while True:
        state = (state + STEP) & MASK
        yield (mix(state) >> 11) / (1 << 53)


def make(seed, kind):
    """Friedman's first function with noise; classes are where it lies, and one row in twenty has another."""
    draw = draws(seed, 0)
    x, y = [], []
    for _ in range(TRAINING + TEST):
        row = [next(draw) for _ in range(WIDTH)]
        value = 10 * np.sin(np.pi * row[0] * row[1]) + 20 * (row[2] - 0.5) ** 2 + 10 * row[3] + 5 * row[4]
        noise = sum(next(draw) for _ in range(12)) - 6
        lot = next(draw)
        x.append(row)
        if kind == "number":
            y.append(value + noise)
        else:
            thresholds = [14.5] if kind == "two" else [11.5, 17.0]
            y.append(int(3 * len(thresholds) * next(draw)) % (len(thresholds) + 1) if lot < 0.05 else sum(value > t for t in thresholds))
    return np.array(x), np.array(y)


def score(model, kind, seed):
    x, y = make(seed, kind)
    model.fit(x[:TRAINING], y[:TRAINING])
    if kind == "number":
        return np.sqrt(np.mean((model.predict(x[TRAINING:]) - y[TRAINING:]) ** 2))
    shares = model.predict_proba(x[TRAINING:]).clip(0.005, 1)
    return log_loss(y[TRAINING:], shares / shares.sum(axis=1, keepdims=True), labels=model.classes_)


BOOST = dict(n_estimators=30, num_leaves=15, max_bin=63, n_jobs=1, verbose=-1)
FOREST = dict(n_estimators=10, min_samples_leaf=3, random_state=0)
CASES = [
    ("gradient_boosting", "number", lambda: LGBMRegressor(**BOOST)),
    ("gradient_boosting absolute", "number", lambda: LGBMRegressor(objective="l1", **BOOST)),
    ("gradient_boosting sampled", "number", lambda: LGBMRegressor(subsample=0.6, subsample_freq=1, colsample_bytree=0.6, reg_lambda=5.0, **BOOST)),
    ("gradient_boosting", "two", lambda: LGBMClassifier(**BOOST)),
    ("gradient_boosting", "three", lambda: LGBMClassifier(**BOOST)),
    ("random_forest", "number", lambda: RandomForestRegressor(**FOREST)),
    ("random_forest", "two", lambda: RandomForestClassifier(**FOREST)),
    ("random_forest", "three", lambda: RandomForestClassifier(**FOREST)),
    ("extra_trees", "number", lambda: ExtraTreesRegressor(**FOREST)),
    ("extra_trees", "two", lambda: ExtraTreesClassifier(**FOREST)),
    ("decision_tree", "number", lambda: DecisionTreeRegressor(max_depth=6, min_samples_leaf=5, random_state=0)),
    ("decision_tree", "three", lambda: DecisionTreeClassifier(max_depth=4, min_samples_leaf=5, random_state=0)),
]
for name, kind, model in CASES:
    scores = [score(model(), kind, seed) for seed in range(10)]
    print(f'("{name}", "{kind}", {np.mean(scores):.5f}, {np.std(scores, ddof=1) / np.sqrt(10):.5f}),')
