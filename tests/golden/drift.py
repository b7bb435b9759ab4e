"""Figures of drift for src/ml/drift/tests.rs: python tests/golden/drift.py"""

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, wasserstein_distance

before = np.repeat([0.0, 1.0, 2.0, 5.0], [400, 300, 200, 100])
after = np.repeat([0.0, 1.0, 2.0, 5.0], [100, 300, 300, 300])
print("wasserstein of values", wasserstein_distance(before, after) / before.std(ddof=1))
beyond = after.copy()
beyond[-50:] = 9.5
print("wasserstein beyond the range", wasserstein_distance(before, beyond) / before.std(ddof=1))
p, q = np.array([400, 300, 200, 100]) / 1000, np.array([100, 300, 300, 300]) / 1000
print("jensenshannon", jensenshannon(p, q, base=2))
smooth = lambda counts: (np.array(counts) + 0.5) / (sum(counts) + 0.5 * len(counts))
p, q = smooth([400, 300, 200, 100]), smooth([100, 300, 300, 300])
print("psi", np.sum((q - p) * np.log(q / p)))
# A smooth column: the exponential quantiles of 2,000 rows, and the same shifted and stretched.
x = -np.log(1 - (np.arange(2000) + 0.5) / 2000)
print("wasserstein, smooth", wasserstein_distance(x, 1.2 * x + 0.1) / x.std(ddof=1))
print("jensenshannon by tenths", end=" ")
edges = np.quantile(x, np.linspace(0, 1, 11))
inner = lambda v: np.bincount(np.searchsorted(edges[1:-1], v, side="right") + 1, minlength=12)
now = 1.2 * x + 0.1
a, b = inner(x), inner(now)
b[11], b[10] = np.sum(now > edges[-1]), b[10] - np.sum(now > edges[-1])
print(jensenshannon(a, b, base=2), np.sum((smooth(b[1:]) - smooth(a[1:])) * np.log(smooth(b[1:]) / smooth(a[1:]))))
print("chi2 beyond 3.7 standard errors", [chi2.ppf(0.99989220026, k) for k in (1, 3, 10, 20)])
