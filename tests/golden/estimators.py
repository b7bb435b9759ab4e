"""Computes estimators.json, the numbers that src/ml/estimators/golden_tests.rs compares with.

    pip install scikit-learn==1.9.1 numpy
    python tests/golden/estimators.py > tests/golden/estimators.json

Solvers are run to the end (tolerances far below their defaults), so that what is compared is the optimum.
"""

import json
import warnings

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from scipy.optimize import root
from scipy.special import expit, softmax
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import (
    ElasticNet, GammaRegressor, HuberRegressor, Lasso, LinearRegression, LogisticRegression, PoissonRegressor, QuantileRegressor, Ridge,
    RidgeClassifier, TweedieRegressor,
)
from sklearn.linear_model._huber import _huber_loss_and_gradient
from sklearn.model_selection import PredefinedSplit
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=FutureWarning)

random = np.random.default_rng(7)
n = 40
x = random.normal(size=(n, 4)) * [1.0, 2.0, 0.5, 3.0] + [0.0, 5.0, -1.0, 10.0]
x[:, 3] += 0.8 * x[:, 0]
x = x.round(3)
plane = x @ [1.5, -0.5, 2.0, 0.0] + 3.0
number = (plane + random.normal(size=n)).round(3)
two = (plane - np.median(plane) + 1.5 * random.normal(size=n) > 0).astype(int)
three = np.digitize(plane + 1.5 * random.normal(size=n), np.quantile(plane, [0.4, 0.7]))
weight = random.integers(1, 5, size=n) / 2.0
new = (random.normal(size=(6, 4)) * [1.0, 2.0, 0.5, 3.0] + [0.0, 5.0, -1.0, 10.0]).round(3)

# All levels of a one-hot encoding beside two numbers on very different scales: a singular design.
levels = np.eye(3)[np.arange(n) % 3]
hot = np.column_stack([levels, x[:, 0], 1000.0 * x[:, 1]]).round(3)
sets = {
    "plain": (x, new),
    "one_hot": (hot, hot[:6]),
    # More features than rows.
    "wide": (random.normal(size=(5, 8)).round(3), random.normal(size=(3, 8)).round(3)),
}
# Drawn last, so that the sets above stay as they are.
scale = np.exp(plane / 4.0)
claims = (random.poisson(0.7, size=n) * random.gamma(2.0, scale / 2.0)).round(3)
targets = {
    "number": number,
    "two": two,
    "three": three,
    "count": random.poisson(scale).astype(float),
    "amount": (random.gamma(2.0, scale) + 0.01).round(3),
    "claims": claims,
    "wild": (number + (random.random(n) < 0.2) * 50.0 * random.normal(size=n)).round(3),
}
sets["counts"] = (random.poisson(2.0, size=(n, 4)).astype(float), random.poisson(2.0, size=(6, 4)).astype(float))

cases = []


def case(name, using, parameters, model, target="number", data="plain", weighted=False):
    rows, unseen = sets[data]
    y = targets[target][: len(rows)]
    model.fit(rows, y, **({"sample_weight": weight[: len(rows)]} if weighted else {}))
    result = {"name": name, "using": using, "parameters": parameters, "target": target, "data": data, "weighted": weighted}
    if isinstance(model, (SVC, SVR)):
        pass
    elif hasattr(model, "coef_"):
        result["coefficients"] = np.atleast_2d(model.coef_).tolist()
        result["intercepts"] = np.atleast_1d(model.intercept_).tolist()
    if hasattr(model, "feature_importances_"):
        result["importances"] = model.feature_importances_.tolist()
    if target not in ("two", "three"):
        result["predictions"] = [model.predict(unseen).tolist()]
    elif isinstance(model, SVC):
        f = model.decision_function(unseen)
        result["predictions"] = ([expit(-2 * f).tolist(), expit(2 * f).tolist()] if f.ndim == 1 else softmax(f, axis=1).T.tolist())
    elif hasattr(model, "predict_proba"):
        result["predictions"] = model.predict_proba(unseen).T.tolist()
    cases.append(result)


def logistic(**parameters):
    return LogisticRegression(solver="newton-cholesky", tol=1e-13, max_iter=1000, **parameters)


def sparse(**parameters):
    return LogisticRegression(solver="saga", tol=1e-13, max_iter=2_000_000, random_state=0, **parameters)


class Polished:
    """A linear model of scikit-learn whose solver stops early, led on to where the gradient of its objective is zero."""

    def __init__(self, model):
        self.model = model

    def fit(self, x, y, sample_weight=None):
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        self.model.fit(x, y, sample_weight=sample_weight)
        self.coef_, self.intercept_ = [], []
        for t, coefficients, intercept in zip(self.signs(y), np.atleast_2d(self.model.coef_), np.atleast_1d(self.model.intercept_)):
            start = np.r_[coefficients, intercept, *([self.model.scale_] if isinstance(self.model, HuberRegressor) else [])]
            found = root(lambda at: self.gradient(at, x, t, w), start, tol=1e-15)
            assert np.abs(found.fun).max() < 1e-9 and np.abs(found.x - start).max() < 0.05 * np.abs(start).max(), (found, start)
            self.coef_.append(found.x[: x.shape[1]])
            self.intercept_.append(found.x[x.shape[1]])
        self.coef_, self.intercept_ = np.array(self.coef_), np.array(self.intercept_)

    def signs(self, y):
        if not isinstance(self.model, LinearSVC):
            return [y]
        classes = self.model.classes_
        return [np.where(y == k, 1.0, -1.0) for k in (classes[1:] if len(classes) == 2 else classes)]

    def gradient(self, at, x, t, w):
        if isinstance(self.model, HuberRegressor):
            return _huber_loss_and_gradient(at, x, t, self.model.epsilon, self.model.alpha, w)[1]
        # The intercept is not penalised.
        beta, f = at[:-1], x @ at[:-1] + at[-1]
        if isinstance(self.model, LinearSVC):
            slope = -2.0 * t * np.maximum(0.0, 1.0 - t * f)
        else:
            slope = 2.0 * np.sign(f - t) * np.maximum(0.0, np.abs(f - t) - self.model.epsilon)
        slope = self.model.C * w * slope
        return np.r_[beta + x.T @ slope, slope.sum()]

    def predict(self, x):
        return x @ self.coef_[0] + self.intercept_[0]


class Counting:
    """Naive Bayes with coefficients."""

    def __init__(self, model):
        self.model = model

    def fit(self, x, y, sample_weight=None):
        self.model.fit(x, y, sample_weight=sample_weight)
        shares = self.model.feature_log_prob_
        if isinstance(self.model, BernoulliNB):
            not_there = np.log(1 - np.exp(shares))
            self.coef_, self.intercept_ = shares - not_there, self.model.class_log_prior_ + not_there.sum(axis=1)
        else:
            self.coef_, self.intercept_ = shares, self.model.class_log_prior_
        self.predict_proba = self.model.predict_proba


def scatter(bits):
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % 2**64
    return bits ^ (bits >> 31)


def folds(classes, count, seed=1):
    """The folds of `stacking`: rows in the order of SplitMix64 draws, classes apart."""
    step, stream = 0x9E3779B97F4A7C15, 0x537461636B696E67
    state = scatter(seed ^ scatter((stream + step) % 2**64))
    order = sorted(range(len(classes)), key=lambda row: (classes[row], scatter(state ^ scatter(row * step % 2**64)) >> 11, row))
    fold = np.empty(len(classes), int)
    fold[order] = np.arange(len(classes)) % count
    return PredefinedSplit(fold)


for weighted in (False, True):
    also = " weighted" if weighted else ""
    case("linear" + also, "linear", {}, LinearRegression(), weighted=weighted)
    case("ridge" + also, "ridge", {"alpha": 2.5}, Ridge(alpha=2.5), weighted=weighted)
    case("lasso" + also, "lasso", {"alpha": 0.2}, Lasso(alpha=0.2, tol=1e-15, max_iter=10**6), weighted=weighted)
    case("elastic net" + also, "elastic_net", {"alpha": 0.1, "l1_ratio": 0.3}, ElasticNet(alpha=0.1, l1_ratio=0.3, tol=1e-15, max_iter=10**6), weighted=weighted)
    case("logistic" + also, "logistic", {"C": 0.7}, logistic(C=0.7), "two", weighted=weighted)
    case("multinomial" + also, "logistic", {"C": 0.7}, logistic(C=0.7), "three", weighted=weighted)
    case("tree" + also, "decision_tree", {"max_depth": 3, "min_samples_leaf": 3}, DecisionTreeRegressor(max_depth=3, min_samples_leaf=3, random_state=0), weighted=weighted)
    case("tree of three" + also, "decision_tree", {"max_depth": 3, "min_samples_leaf": 3}, DecisionTreeClassifier(max_depth=3, min_samples_leaf=3, random_state=0), "three", weighted=weighted)
    case("ridge classifier" + also, "ridge_classifier", {}, RidgeClassifier(), "two", weighted=weighted)
    case("ridge classifier of three" + also, "ridge_classifier", {"alpha": 3}, RidgeClassifier(alpha=3), "three", weighted=weighted)
    case("dummy mean" + also, "dummy", {}, DummyRegressor(), weighted=weighted)
    case("dummy prior" + also, "dummy", {}, DummyClassifier(), "three", weighted=weighted)
    exact = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}
    case("poisson" + also, "poisson", {"alpha": 0.2}, PoissonRegressor(alpha=0.2, **exact), "count", weighted=weighted)
    case("gamma" + also, "gamma", {"alpha": 0.3}, GammaRegressor(alpha=0.3, **exact), "amount", weighted=weighted)
    case("tweedie" + also, "tweedie", {"alpha": 0.1, "power": 1.6}, TweedieRegressor(alpha=0.1, power=1.6, link="log", **exact), "claims", weighted=weighted)
    case("huber" + also, "huber", {"alpha": 0.3}, Polished(HuberRegressor(alpha=0.3, max_iter=10**5, tol=1e-9)), "wild", weighted=weighted)
    case("median" + also, "quantile_regression", {}, QuantileRegressor(alpha=0), weighted=weighted)
    case("ninth decile with a penalty" + also, "quantile_regression", {"quantile": 0.9, "alpha": 0.1}, QuantileRegressor(quantile=0.9, alpha=0.1), "wild", weighted=weighted)
    svc = LinearSVC(C=0.4, dual=False, tol=1e-10, intercept_scaling=1000, max_iter=10**6)
    case("linear svm" + also, "linear_svm", {"C": 0.4}, Polished(svc), "two", weighted=weighted)
    case("linear svm of three" + also, "linear_svm", {"C": 0.4}, Polished(svc), "three", weighted=weighted)
    svr = LinearSVR(C=0.4, epsilon=0.5, loss="squared_epsilon_insensitive", dual=False, tol=1e-10, intercept_scaling=1000, max_iter=10**6)
    case("linear svm of a number" + also, "linear_svm", {"C": 0.4, "epsilon": 0.5}, Polished(svr), "wild", weighted=weighted)
    case("svm" + also, "svm", {"C": 2, "gamma": 0.2, "tol": 1e-12}, SVC(C=2, gamma=0.2, tol=1e-12), "two", weighted=weighted)
    case("svm of three" + also, "svm", {"C": 2, "gamma": 0.2, "tol": 1e-12}, SVC(C=2, gamma=0.2, tol=1e-12), "three", weighted=weighted)
    case("svm of a number" + also, "svm", {"C": 2, "gamma": 0.2, "epsilon": 0.3, "tol": 1e-12}, SVR(C=2, gamma=0.2, epsilon=0.3, tol=1e-12), weighted=weighted)
    case("multinomial naive bayes" + also, "multinomial_nb", {"alpha": 0.5}, Counting(MultinomialNB(alpha=0.5)), "three", "counts", weighted)
    case("complement naive bayes" + also, "complement_nb", {"alpha": 0.5}, Counting(ComplementNB(alpha=0.5)), "three", "counts", weighted)
    case("bernoulli naive bayes" + also, "bernoulli_nb", {"binarize": 1.5}, Counting(BernoulliNB(binarize=1.5)), "three", "counts", weighted)

case("linear without intercept", "linear", {"fit_intercept": False}, LinearRegression(fit_intercept=False))
case("linear on all levels", "linear", {}, LinearRegression(), data="one_hot")
case("linear on all levels without intercept", "linear", {"fit_intercept": False}, LinearRegression(fit_intercept=False), data="one_hot")
case("linear with more features than rows", "linear", {}, LinearRegression(), data="wide")
case("ridge with more features than rows", "ridge", {"alpha": 0.1}, Ridge(alpha=0.1), data="wide")
case("ridge without intercept", "ridge", {"alpha": 4, "fit_intercept": False}, Ridge(alpha=4, fit_intercept=False))
case("lasso on all levels", "lasso", {"alpha": 0.05}, Lasso(alpha=0.05, tol=1e-15, max_iter=10**6), data="one_hot")
case("logistic without penalty", "logistic", {"penalty": "none"}, logistic(C=np.inf), "two")
case("logistic without intercept", "logistic", {"fit_intercept": False}, logistic(fit_intercept=False), "two")
case("logistic l1", "logistic", {"penalty": "l1", "C": 0.3}, sparse(l1_ratio=1.0, C=0.3), "two")
case("logistic elastic net", "logistic", {"penalty": "elastic_net", "l1_ratio": 0.4, "C": 0.5}, sparse(l1_ratio=0.4, C=0.5), "three")
case("naive bayes", "naive_bayes", {}, GaussianNB(), "three")
case("knn", "knn", {"k": 4}, KNeighborsRegressor(4, algorithm="brute"))
case("knn by distance", "knn", {"k": 6, "weights": "distance"}, KNeighborsClassifier(6, weights="distance", algorithm="brute"), "three")
case("poisson without intercept or penalty", "poisson", {"alpha": 0, "fit_intercept": False}, PoissonRegressor(alpha=0, fit_intercept=False, **exact), "count")
case("gamma without intercept", "gamma", {"fit_intercept": False}, GammaRegressor(fit_intercept=False, **exact), "amount")
case("tweedie without intercept", "tweedie", {"fit_intercept": False}, TweedieRegressor(power=1.5, link="log", fit_intercept=False, **exact), "claims")
case("tenth without intercept", "quantile_regression", {"quantile": 0.1, "fit_intercept": False}, QuantileRegressor(quantile=0.1, alpha=0, fit_intercept=False))
case("svm by variance", "svm", {"tol": 1e-12}, SVC(tol=1e-12), "two")
case("complement naive bayes with norm", "complement_nb", {"norm": True}, Counting(ComplementNB(norm=True)), "two", "counts")
case("bernoulli naive bayes with equal shares", "bernoulli_nb", {"fit_prior": False}, Counting(BernoulliNB(fit_prior=False)), "two", "counts")
near = {"using": "knn", "estimator_params": {"k": 4}}
bayes = {"using": "naive_bayes"}
case(
    "voting",
    "voting",
    {"estimators": {"near": near, "line": {"using": "ridge", "estimator_params": {"alpha": 2.5}}}, "weights": {"line": 3}},
    VotingRegressor([("near", KNeighborsRegressor(4, algorithm="brute")), ("line", Ridge(alpha=2.5))], weights=[1, 3]),
)
case(
    "voting of three",
    "voting",
    {"estimators": {"bayes": bayes, "line": {"using": "logistic", "estimator_params": {"C": 0.7}}}},
    VotingClassifier([("bayes", GaussianNB()), ("line", logistic(C=0.7))], voting="soft"),
    "three",
)
case(
    "stacking",
    "stacking",
    {"estimators": {"line": {"using": "linear"}, "near": near}, "final_estimator": {"using": "ridge", "estimator_params": {"alpha": 0.5}}, "cv": 4, "passthrough": True},
    StackingRegressor([("line", LinearRegression()), ("near", KNeighborsRegressor(4, algorithm="brute"))], Ridge(alpha=0.5), cv=folds(np.zeros(n), 4), passthrough=True),
)
case(
    "stacking of two",
    "stacking",
    {"estimators": {"bayes": bayes, "near": near}, "final_estimator": {"using": "logistic", "estimator_params": {"C": 0.7}}},
    StackingClassifier([("bayes", GaussianNB()), ("near", KNeighborsClassifier(4, algorithm="brute"))], logistic(C=0.7), cv=folds(two, 5)),
    "two",
)
case(
    "stacking of three",
    "stacking",
    {"estimators": {"bayes": bayes, "near": near}, "final_estimator": {"using": "logistic", "estimator_params": {"C": 0.7}}, "cv": 3},
    StackingClassifier([("bayes", GaussianNB()), ("near", KNeighborsClassifier(4, algorithm="brute"))], logistic(C=0.7), cv=folds(three, 3)),
    "three",
)
case("dummy median", "dummy", {"strategy": "median"}, DummyRegressor(strategy="median"))
case("dummy most frequent", "dummy", {"strategy": "most_frequent"}, DummyClassifier(strategy="most_frequent"), "three")

data = {
    "sets": {name: {"rows": rows.T.tolist(), "unseen": unseen.T.tolist()} for name, (rows, unseen) in sets.items()},
    "targets": {name: values.tolist() for name, values in targets.items()},
    "weight": weight.tolist(),
    "cases": cases,
}
text = json.dumps(data)
print(text.replace('{"name"', '\n{"name"').replace('"cases"', '\n"cases"').replace('"targets"', '\n"targets"').replace('"weight"', '\n"weight"', 1))
