"""The numbers that the unit tests of `one_hot`, `ordinal_encode` and levels hold, computed by scikit-learn.

Run with scikit-learn 1.9 and pandas 2 or newer: python tests/golden/encoders.py
It prints one line a case: parameters, names of the outputs, one row (or code) for each value of PROBE.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

warnings.simplefilter("ignore")


def column(*values):
    return pd.DataFrame({"c": list(values)}, dtype=object)


def train(missing):
    return column("b", "a", "c", "a", "b", "a", "d", missing, "c", "a")


def probe(missing):
    return column("a", "b", "c", "d", missing, "zz")


def one_hot(**parameters):
    encoder = OneHotEncoder(sparse_output=False, **parameters).fit(train(None))
    rows = encoder.transform(probe(None)).astype(int).tolist()
    print("one_hot", parameters, list(encoder.get_feature_names_out()), rows)


def ordinal(categories="auto", **parameters):
    # As NaN a missing value stays missing; as None it would be a category.
    data = train(np.nan)
    encoder = OrdinalEncoder(categories=categories, handle_unknown="use_encoded_value", unknown_value=-1, **parameters)
    print("ordinal", categories, parameters, encoder.fit(data).transform(probe(np.nan)).ravel().tolist())


one_hot(handle_unknown="ignore")
one_hot(handle_unknown="ignore", drop="first")
one_hot(handle_unknown="ignore", min_frequency=2)
for rarity in ({"min_frequency": 2}, {"min_frequency": 0.3}, {"max_categories": 3}, {"max_categories": 5}, {"max_categories": 1}):
    one_hot(handle_unknown="infrequent_if_exist", **rarity)
one_hot(handle_unknown="infrequent_if_exist", min_frequency=3, drop="first")
one_hot(handle_unknown="infrequent_if_exist", min_frequency=4, drop="if_binary")
one_hot(handle_unknown="infrequent_if_exist", min_frequency=100, drop="first")
for rarity in ({}, {"min_frequency": 2}, {"min_frequency": 0.3}, {"max_categories": 3}, {"max_categories": 4}):
    ordinal(**rarity)
ordinal(categories=[["d", "c", "b", "a", np.nan]])
