"""Computes sparse.json, the numbers that src/ml/estimators/sparse_tests.rs compares with: scikit-learn on a sparse matrix.

    pip install scikit-learn==1.9.1 scipy
    python tests/golden/sparse.py > tests/golden/sparse.json

Columns: x, and a one-hot encoding of seven towns, all in a CSR matrix. Solvers are run to the end.
"""

import json
import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, PoissonRegressor, Ridge
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB

warnings.filterwarnings("ignore")
i = np.arange(60)
town = (i * i + i // 3) % 7
x = (i * 37 % 11) / 4.0
y = np.round(x + town * town / 5.0 + (i * 13 % 5) / 3.0, 6)
two = (y > np.median(y)).astype(int)
three = np.digitize(y, [3.0, 7.0])
matrix = sp.csr_matrix(np.column_stack([x, np.eye(7)[town]]))


cases = []


def case(using, target, parameters, *arrays):
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    cases.append({"using": using, "target": target, "parameters": parameters, "numbers": [float(number) for number in numbers]})


ridge = Ridge(alpha=0.5, solver="sparse_cg", tol=1e-15, max_iter=100_000).fit(matrix, y)
case("ridge", "y", {"alpha": 0.5}, ridge.coef_, ridge.intercept_)
lasso = Lasso(alpha=0.05, tol=1e-15, max_iter=1_000_000).fit(matrix, y)
case("lasso", "y", {"alpha": 0.05}, lasso.coef_, lasso.intercept_)
net = ElasticNet(alpha=0.05, l1_ratio=0.3, fit_intercept=False, tol=1e-15, max_iter=1_000_000).fit(matrix, y)
case("elastic_net", "y", {"alpha": 0.05, "l1_ratio": 0.3, "fit_intercept": False}, net.coef_)
logistic = LogisticRegression(C=2.0, solver="newton-cg", tol=1e-13, max_iter=10_000).fit(matrix, two)
case("logistic", "two", {"C": 2}, logistic.coef_, logistic.intercept_)
multinomial = LogisticRegression(C=2.0, solver="newton-cg", tol=1e-13, max_iter=10_000).fit(matrix, three)
case("logistic", "three", {"C": 2}, np.column_stack([multinomial.coef_, multinomial.intercept_]))
poisson = PoissonRegressor(alpha=0.01, solver="lbfgs", tol=1e-12, max_iter=100_000).fit(matrix, y)
case("poisson", "y", {"alpha": 0.01}, poisson.coef_, poisson.intercept_)
case("complement_nb", "three", {"alpha": 0.7}, ComplementNB(alpha=0.7).fit(matrix, three).feature_log_prob_)
# Of these the scores of four rows, class by class.
case("multinomial_nb", "three", {"alpha": 0.7}, MultinomialNB(alpha=0.7).fit(matrix, three).predict_proba(matrix[:4]).T)
case("bernoulli_nb", "three", {"alpha": 0.7}, BernoulliNB(alpha=0.7).fit(matrix, three).predict_proba(matrix[:4]).T)
print("[\n" + ",\n".join("  " + json.dumps(case) for case in cases) + "\n]")
