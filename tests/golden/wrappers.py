"""Computes the numbers that the tests of src/ml/calibration.rs, src/ml/target.rs and src/ml/estimators/stacking.rs compare with.

    pip install scikit-learn==1.9.1 numpy
    python tests/golden/wrappers.py
"""

import numpy as np
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.preprocessing import PowerTransformer

score = np.array([0.03, 0.11, 0.11, 0.2, 0.27, 0.35, 0.35, 0.44, 0.52, 0.6, 0.71, 0.71, 0.83, 0.9, 0.97])
y = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1])
w = np.array([1, 2, 1, 0.5, 1, 1, 3, 1, 1, 2, 1, 1, 0, 1, 1.5])
new = np.array([0.0, 0.05, 0.11, 0.3, 0.4, 0.55, 0.75, 0.88, 1.0])


def odds(p):
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return np.log(p / (1 - p))


for weight in (None, w):
    weighted = "weighted" if weight is not None else "plain"
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(score, y, sample_weight=weight)
    print(weighted, "isotonic", isotonic.predict(new).tolist())
    sigmoid = _SigmoidCalibration().fit(odds(score), y, sample_weight=weight)
    print(weighted, "sigmoid of log-odds", sigmoid.predict(odds(new)).tolist())
    sigmoid = _SigmoidCalibration().fit(np.append(score, 1.0), np.append(y, 1), sample_weight=None if weight is None else np.append(weight, 1.0))
    print(weighted, "sigmoid of scores", sigmoid.predict(new).tolist())

# Several classes, one against the rest, divided by their sum.
raw = np.column_stack([score, (1 - score) * 0.7, (1 - score) * 0.3])
labels = np.array([1, 2, 0, 1, 1, 0, 1, 2, 0, 0, 2, 0, 0, 1, 0])
shares = np.column_stack([IsotonicRegression(out_of_bounds="clip").fit(raw[:, k], labels == k).predict(raw[:, k]) for k in range(3)])
total = shares.sum(axis=1, keepdims=True)
print("three classes", np.divide(shares, total, out=np.full_like(shares, 1 / 3), where=total != 0)[:4].tolist())

target = np.array([0.5, 1.25, 3.0, 0.75, 12.0, 2.0, 40.0, 1.0])
for method in ("box-cox", "yeo-johnson"):
    transformer = PowerTransformer(method=method).fit(target.reshape(-1, 1))
    z = transformer.transform(target.reshape(-1, 1)).ravel()
    back = transformer.inverse_transform(np.array([[-1.5], [0.0], [0.7], [1.5]])).ravel()
    print(method, transformer.lambdas_.tolist(), z.tolist(), "back of -1.5, 0, 0.7, 1.5:", back.tolist())
