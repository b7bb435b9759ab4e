"""The numbers that the unit tests of src/ml/transformers hold, computed by scikit-learn.

Run with scikit-learn 1.9 and pandas 2 or newer: python tests/golden/transforms.py
It prints one line a case; the tests hold these lines with a tolerance of 1e-9.
"""

import warnings

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

warnings.simplefilter("ignore")
NAN = float("nan")
X = np.array([[1.0], [2.5], [NAN], [-4.0], [10.0]])
COUNT = np.array([[3.0], [1.0], [4.0], [1.0], [5.0]])
BINS = np.array([[-2.0], [-1.0], [0.5], [0.5], [0.5], [3.0], [4.0], [9.0]])
HOLES = np.array([[1.0], [NAN], [4.0], [NAN], [10.0], [2.5]])
COUNT_HOLES = np.array([[3.0], [10.0], [10.0], [NAN], [3.0], [7.0]])


def show(name, transform, data):
    print(name, transform.fit_transform(data).ravel().tolist())


show("standard_scale x", StandardScaler(), X)
show("standard_scale count", StandardScaler(), COUNT)
show("standard_scale constant", StandardScaler(), np.full((4, 1), 0.1 + 0.2))
show("standard_scale large offset", StandardScaler(), np.array([[1e9 + 1], [1e9 + 2], [1e9 + 4]]))
show("min_max_scale x [-1, 1]", MinMaxScaler(feature_range=(-1, 1)), X)
show("min_max_scale constant [-1, 1]", MinMaxScaler(feature_range=(-1, 1)), np.full((5, 1), 7.0))
show("robust_scale x", RobustScaler(), X)
show("robust_scale x [10, 90], not centered", RobustScaler(quantile_range=(10, 90), with_centering=False), X)
show("max_abs_scale x", MaxAbsScaler(), X)
show("bin uniform 4", KBinsDiscretizer(4, encode="ordinal", strategy="uniform"), BINS)
show("bin quantile 4", KBinsDiscretizer(4, encode="ordinal", strategy="quantile", quantile_method="linear"), BINS)
show("impute median x", SimpleImputer(strategy="median"), HOLES)
show("impute mean x", SimpleImputer(strategy="mean"), HOLES)
show("impute median count", SimpleImputer(strategy="median"), COUNT_HOLES)
show("impute most_frequent count", SimpleImputer(strategy="most_frequent"), COUNT_HOLES)
print("log1p", np.log1p([0.0, 7.0, 63.0]).tolist())
