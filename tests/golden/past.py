"""The numbers that the unit tests of `lag` and `rolling` hold, computed by pandas.

Run with pandas 2 or newer: python tests/golden/past.py
It prints one line a case. The rows of `sales` are in a fixed order that is not the order of time; no shop has two rows of one
day, so that `shift` and `closed="left"` are defined as the transforms are.
"""

import pandas as pd

DAYS = [3, 1, 8, 2, 1, 9, 5, 4, 11, 7, 6, 2]
SHOPS = list("aababbabaabb")
SALES = [4.0, 1.5, 8.25, None, 7.0, 2.0, 5.5, 3.25, 11.0, None, 6.5, 2.25]
frame = pd.DataFrame({"day": pd.to_datetime("2024-01-01") + pd.to_timedelta(DAYS, unit="D"), "shop": SHOPS, "sales": SALES})
frame = frame.sort_values(["shop", "day"])
assert not frame.duplicated(["shop", "day"]).any()


def show(name, values):
    print(name, [None if pd.isna(value) else value for value in values.sort_index()])


groups = frame.groupby("shop")["sales"]
for periods in [1, 3]:
    show(f"lag {periods}", groups.shift(periods))

for window, min_periods in [(3, 1), (4, 3)]:
    for aggregate in ["mean", "sum", "min", "max", "std", "count"]:
        rolling = groups.rolling(window, min_periods=0 if aggregate == "count" else min_periods, closed="left")
        show(f"{window} rows, {min_periods}: {aggregate}", getattr(rolling, aggregate)().droplevel(0))

for window, min_periods in [("3D", 1), ("100h", 2)]:
    for aggregate in ["mean", "sum", "min", "max", "std", "count"]:
        rolling = frame.set_index("day").groupby("shop")["sales"].rolling(window, min_periods=0 if aggregate == "count" else min_periods, closed="left")
        values = pd.Series(getattr(rolling, aggregate)().to_numpy(), index=frame.index)
        show(f"{window}, {min_periods}: {aggregate}", values)
