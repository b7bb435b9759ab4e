"""Computes metrics.json, the numbers that src/ml/metric/golden_tests.rs compares with.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python tests/golden/metrics.py > tests/golden/metrics.json

Small random cases of every metric in METRICS: with and without row weights, with ties, with classes that
never occur, with perfect and with constant predictions. `null` is "not defined": scikit-learn gives NaN.
"""

import json
import math
import warnings

import numpy as np
from sklearn import metrics as m

warnings.simplefilter("ignore")
random = np.random.default_rng(11)


def weights(rows, style):
    """None, halves (ties at the middle of the weights), or any numbers."""
    return [None, random.integers(1, 6, rows) / 2.0, random.uniform(0.1, 3.0, rows).round(3)][style]


def regression(y, p, w):
    s = {"sample_weight": w}
    few = len(y) < 2
    return {
        "mean_absolute_error": m.mean_absolute_error(y, p, **s),
        "mean_squared_error": m.mean_squared_error(y, p, **s),
        "root_mean_squared_error": m.root_mean_squared_error(y, p, **s),
        "max_error": m.max_error(y, p),
        "mean_absolute_percentage_error": m.mean_absolute_percentage_error(y, p, **s),
        "median_absolute_error": m.median_absolute_error(y, p, **s),
        "r2_score": m.r2_score(y, p, **s),
        # r2_score is not defined for one row; its neighbour has no such rule, ours treats them alike.
        "explained_variance_score": math.nan if few else m.explained_variance_score(y, p, **s),
        # scikit-learn raises where a target or a prediction lies outside the distribution.
        "mean_poisson_deviance": m.mean_poisson_deviance(y, p, **s) if min(y) >= 0 and min(p) > 0 else math.nan,
        "mean_gamma_deviance": m.mean_gamma_deviance(y, p, **s) if min(y) > 0 and min(p) > 0 else math.nan,
    }


def shared(y, said, w):
    s = {"sample_weight": w}
    return {
        "accuracy_score": m.accuracy_score(y, said, **s),
        "balanced_accuracy_score": m.balanced_accuracy_score(y, said, **s),
        "matthews_corrcoef": m.matthews_corrcoef(y, said, **s),
    }


def binary(y, scores, w, positive):
    s = {"sample_weight": w}
    one = {"labels": [positive], "average": "macro", "zero_division": 0, **s}
    score = scores[positive]
    said = np.where(score >= 0.5, positive, 1 - positive)
    table = m.confusion_matrix(y, said, labels=[1 - positive, positive], **s)
    is_positive = y == positive
    return shared(y, said, w) | {
        "true_negatives": table[0, 0],
        "false_positives": table[0, 1],
        "false_negatives": table[1, 0],
        "true_positives": table[1, 1],
        "precision_score": m.precision_score(y, said, **one),
        "recall_score": m.recall_score(y, said, **one),
        "f1_score": m.f1_score(y, said, **one),
        "roc_auc": m.roc_auc_score(is_positive, score, **s),
        # Without a positive row scikit-learn gives 0; ours is not defined, as the area under the ROC curve.
        "average_precision_score": m.average_precision_score(is_positive, score, **s) if is_positive.any() else math.nan,
        "log_loss": m.log_loss(y, scores.T, labels=[0, 1], **s),
        "brier_score_loss": m.brier_score_loss(is_positive, score, pos_label=True, **s),
    }


def multiclass(y, scores, w):
    s = {"sample_weight": w}
    labels = list(range(len(scores)))
    said = scores.argmax(axis=0)
    by_rows = {"average": "weighted", "zero_division": 0, **s}
    return shared(y, said, w) | {
        "precision_score": m.precision_score(y, said, **by_rows),
        "recall_score": m.recall_score(y, said, **by_rows),
        "f1_score_macro": m.f1_score(y, said, average="macro", zero_division=0, **s),
        "f1_score_micro": m.f1_score(y, said, average="micro", **s),
        "f1_score_weighted": m.f1_score(y, said, **by_rows),
        "roc_auc": m.roc_auc_score(y, scores.T, multi_class="ovr", average="weighted", labels=labels, **s),
        "log_loss": m.log_loss(y, scores.T, labels=labels, **s),
        "brier_score_loss": m.brier_score_loss(y, scores.T, labels=labels, **s),
    }


def regression_cases():
    for number in range(50):
        rows = [1, 2, 3, 5, 8, 13, 21][number % 7]
        y = random.normal(3.0, 10.0 ** random.integers(-2, 4), rows).round(3)
        p = (y + random.normal(0.0, 0.5 * y.std() + 0.1, rows)).round(3)
        match number % 10:
            case 3:
                p = y.copy()
            case 4:
                p = np.full(rows, 2.5)
            case 5:
                # Halves, so that scikit-learn's own mean of a constant target is exact.
                y = np.full(rows, 2.5)
            case 6:
                y, p = np.full(rows, 2.5), np.full(rows, 2.5)
            case 7:
                y[0] = 0.0
            case 8:
                p = (y + 4.0).round(3)
        style = number // 7 % 3
        # Halves there as well, for the same reason.
        w = weights(rows, 1 if style == 2 and number % 10 in (5, 6) else style)
        yield {"y": y, "prediction": p, "weight": w, "expected": regression(y, p, w)}


def class_scores(y, classes, style):
    """classes x rows; in 1/64 where ties are wanted, so that rows sum to one exactly."""
    rows = len(y)
    truth = np.eye(classes)[y]
    match style:
        case 0:  # continuous
            raw = random.dirichlet(np.ones(classes), rows) + 0.6 * truth
            raw = (raw / raw.sum(axis=1, keepdims=True) * 4096).round()
            unit = 4096
        case 1:  # many ties
            raw = (random.dirichlet(np.ones(classes), rows) * 8).round()
            unit = 8
        case 2:  # perfect and sure: scores of 0 and 1
            return truth.T
        case 3:  # wrong and sure
            return np.roll(truth, 1, axis=1).T
        case 4:  # the same for every row
            raw = np.tile((random.dirichlet(np.ones(classes)) * 64).round(), (rows, 1))
            unit = 64
    raw[:, -1] = unit - raw[:, :-1].sum(axis=1)
    # Rounding may have left a last score below zero.
    low = raw[:, -1] < 0
    raw[low, 0] += raw[low, -1]
    raw[low, -1] = 0
    return raw.T / unit


def classification_cases():
    for number in range(100):
        classes = 2 if number < 50 else 3 + number % 3
        rows = [2, 5, 9, 16, 25][number % 5]
        absent = number % 7 in (2, 5)
        y = random.integers(0, classes - 1 if absent else classes, rows)
        if absent and number % 2:
            # The last class is there and the first is not.
            y = classes - 1 - y
        scores = class_scores(y, classes, [0, 1, 0, 2, 0, 1, 4, 0, 3, 1, 0][number % 11])
        w = weights(rows, number % 3)
        positive = number // 2 % 2 if classes == 2 else None
        expected = multiclass(y, scores, w) if positive is None else binary(y, scores, w, positive)
        yield {"y": y, "scores": scores, "positive": positive, "weight": w, "expected": expected}


def plain(value):
    """As JSON has it, NaN as null and whole numbers short."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list):
        return [plain(one) for one in value]
    if value is None or isinstance(value, int):
        return value
    value = float(value)
    if math.isnan(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


cases = [json.dumps(plain(case), separators=(",", ":"), allow_nan=False) for case in [*regression_cases(), *classification_cases()]]
print("[\n" + ",\n".join(cases) + "\n]")
