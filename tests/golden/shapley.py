"""Computes the Shapley values that src/ml/trees/shapley.rs compares with.

    pip install shap==0.51.0
    python tests/golden/shapley.py
"""

import numpy as np
import shap

tree = {
    "children_left": np.array([1, 3, 5, -1, -1, 7, -1, -1, -1]),
    "children_right": np.array([2, 4, 6, -1, -1, 8, -1, -1, -1]),
    "children_default": np.array([1, 3, 5, -1, -1, 7, -1, -1, -1]),
    "features": np.array([0, 1, 2, -2, -2, 0, -2, -2, -2]),
    "thresholds": np.array([1.5, 0.5, 2.5, -2, -2, 3.5, -2, -2, -2]),
    "values": np.array([[0.0], [0], [0], [1], [-2], [0], [8], [3], [5.5]]),
    "node_sample_weight": np.array([100.0, 30, 70, 10, 20, 65, 5, 40, 25]),
}
rows = np.array([[1.0, 0, 2], [3, 1, 2], [4, 0, 3]])
explainer = shap.TreeExplainer({"trees": [tree]}, feature_perturbation="tree_path_dependent")
print("base", np.ravel(explainer.expected_value).tolist())
for values in np.squeeze(explainer.shap_values(rows)):
    print([float(f"{value:.9f}") for value in values])
