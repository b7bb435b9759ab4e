"""The numbers that the unit tests of `target_encode` hold, computed by scikit-learn.

Run with scikit-learn 1.9 and pandas 2 or newer: python tests/golden/target_encode.py
It prints one line a case: the training rows with row i in fold i % 3, then what a, b, c, d, missing and a new value become.
"""

import numpy as np
import pandas as pd
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import TargetEncoder

C = pd.DataFrame({"c": ["a", "b", "a", "c", None, "b", "a", "c", "b", "a", "d", None]}, dtype=object)
LATER = pd.DataFrame({"c": ["a", "b", "c", "d", None, "zz"]}, dtype=object)
Y = np.array([1.5, 2.0, 3.5, 10.0, 4.0, 2.5, 1.0, 12.0, 2.0, 0.5, 7.0, 5.0])
TWO = np.array(list("npnppnnppnpn"))
THREE = np.array(list("uvuwwvuwuvwu"))

for name, target in [("y", Y), ("two", TWO), ("three", THREE)]:
    for smooth in ["auto", 2.5, 0.0]:
        encoder = TargetEncoder(smooth=smooth, cv=PredefinedSplit(np.arange(12) % 3))
        training = encoder.fit_transform(C, target)
        for column, (train, later) in enumerate(zip(training.T, encoder.transform(LATER).T)):
            print(name, smooth, column, train.tolist(), later.tolist())
