"""The numbers that the unit tests of `power`, `quantile`, `polynomial`, `pca`, `hash`, `spline` and `impute_knn` hold, computed by scikit-learn.

Run with scikit-learn 1.9 and scipy: python tests/golden/numeric_transforms.py
It prints one line a case. scikit-learn finds a power's exponent to about 1e-8 only, so the sharp exponents are the roots of the
likelihood's derivative, by scipy, and the values are scipy's at those exponents, scaled as by StandardScaler.
"""

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from sklearn.decomposition import PCA
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import KNNImputer
from sklearn.preprocessing import PolynomialFeatures, PowerTransformer, QuantileTransformer, SplineTransformer

NAN = float("nan")
X = np.array([0.5, 1.25, 3.0, 0.75, 12.0, 2.0, 40.0, 1.0])
SIGNED = np.array([-3.0, 0.0, 0.5, 2.0, -0.25, 7.5, 1.0, 30.0])


def sharp(x, method):
    """The root of the likelihood's derivative: central differences of T in 1e-6 steps are not sharp enough, so by formula."""

    def parts(lam):
        u = np.log(x) if method == "box-cox" else np.log1p(np.abs(x))
        low = (x < 0) & (method != "box-cox")
        l = np.where(low, 2 - lam, lam)
        sign = np.where(low, -1.0, 1.0)
        t = sign * np.expm1(l * u) / l
        d = (l * u * np.exp(l * u) - np.expm1(l * u)) / l**2
        return t, d, (sign * u).sum()

    def slope(lam):
        t, d, j = parts(lam)
        return j - len(x) * np.mean((t - t.mean()) * (d - d.mean())) / t.var()

    return brentq(slope, -1.9, 1.9, xtol=1e-15, rtol=1e-15)


for method, x, at in [("yeo-johnson", X, stats.yeojohnson), ("yeo-johnson", SIGNED, stats.yeojohnson), ("box-cox", X, stats.boxcox)]:
    lam = sharp(x, method)
    t = at(x, lam)
    print("power", method, repr(PowerTransformer(method=method).fit(x[:, None]).lambdas_[0]), lam, ((t - t.mean()) / t.std()).tolist(), t.tolist())

HOLES = np.array([[3.0], [1.0], [NAN], [3.0], [8.0], [2.0], [3.0], [10.0]])
LATER = np.array([[0.0], [1.0], [1.5], [3.0], [4.0], [9.5], [10.0], [11.0], [NAN]])
for output in ["uniform", "normal"]:
    for count in [3, 8]:
        fitted = QuantileTransformer(n_quantiles=count, output_distribution=output).fit(HOLES)
        print("quantile", output, count, fitted.transform(LATER).ravel().tolist())
print("normal quantile", [float(stats.norm.ppf(p)) for p in [1e-300, 1e-12, 0.001, 0.07, 0.3, 0.5, 0.925, 0.999999]])

XY = np.array([[2.0, -1.0, 0.5], [3.0, 4.0, 1.5]])
for parameters in [{"degree": 2}, {"degree": 3, "interaction_only": True}, {"degree": 3}]:
    poly = PolynomialFeatures(include_bias=False, **parameters).fit(XY)
    print("polynomial", parameters, poly.get_feature_names_out(["a", "b", "c"]).tolist(), poly.transform(XY).tolist())

A = np.array([[2.0, 1.0, -3.0], [4.0, 0.5, 1.0], [0.5, 2.0, 7.0], [1.0, -4.0, 2.5], [3.0, 3.0, 0.0]])
pca = PCA(n_components=2, svd_solver="full").fit(A)
print("pca", pca.transform(A).T.tolist(), pca.explained_variance_ratio_.tolist(), PCA(0.9).fit(A).n_components_)

hasher = FeatureHasher(n_features=8, input_type="dict")
rows = [{"c": "a", "d": "x"}, {"c": "bb", "d": "é"}, {"c": "a long level with blanks"}, {"d": "x"}]
print("hash", hasher.transform(rows).toarray().astype(int).tolist())
print("hash unsigned", FeatureHasher(8, input_type="dict", alternate_sign=False).transform(rows).toarray().astype(int).tolist())

KNOTTED = np.array([[0.0], [1.0], [1.5], [2.0], [4.0], [7.0], [9.0], [10.0]])
BEYOND = np.array([[-1.0], [0.0], [1.2], [4.5], [9.9], [10.0], [12.5]])
for parameters in [
    {"degree": 3, "n_knots": 4, "knots": "uniform", "extrapolation": "constant"},
    {"degree": 2, "n_knots": 3, "knots": "quantile", "extrapolation": "linear"},
    {"degree": 1, "n_knots": 3, "knots": "quantile", "extrapolation": "linear"},
]:
    spline = SplineTransformer(include_bias=False, **parameters).fit(KNOTTED)
    print("spline", parameters, spline.transform(BEYOND).T.tolist())

DONORS = np.array([[1.0, 2.0, NAN], [3.0, 4.0, 3.0], [NAN, 6.0, 5.0], [8.0, 8.0, 7.0], [2.5, NAN, 1.0], [2.5, 5.0, 2.0]])
GAPS = np.array([[NAN, 5.0, 2.5], [4.0, NAN, NAN], [NAN, NAN, NAN], [2.5, NAN, 1.0], [1.0, 2.0, 3.0]])
for weights in ["uniform", "distance"]:
    print("impute_knn", weights, KNNImputer(n_neighbors=2, weights=weights).fit(DONORS).transform(GAPS).T.tolist())
