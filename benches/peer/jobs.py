"""What the peers do, and the data for all: one job a process, so that each has its own memory and a fresh start.

    python jobs.py JOB ARGUMENT ...

A job prints one JSON object with `seconds`, measured inside: without the interpreter's start and the imports.
"""

import importlib.util
import json
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

HERE = Path(__file__).resolve().parent
FEATURES = ["trip_distance", "minutes", "passenger_count", "tolls", "tip", "speed", "temperature"]
SLICE = 500_000


def timed(work, *arguments):
    begin = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - begin, result


# ---------------------------------------------------------------- data


def make_taxi(rows, path):
    """The example's own trips (data/make.py), as many as wanted."""
    spec = importlib.util.spec_from_file_location("make", HERE.parent.parent / "data" / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    chance = make.Chance(1)
    trips = sorted((make.taxi_trip(chance, datetime(2016, 1, 1), 60) for _ in range(int(rows))), key=lambda row: row["pickup_datetime"])
    for trip in trips:
        make.spoil_taxi(trip, chance)
    Path(path).write_text(make.as_csv(trips))


def trips(random, rows):
    """Rows of 12 columns: a moment, three texts, a count with gaps, and numbers."""
    miles = random.lognormal(0.6, 0.8, rows)
    minutes = miles * random.lognormal(1.4, 0.3, rows) + 1
    tolls = np.where(random.random(rows) < 0.05, 5.54, 0.0)
    zones = np.array([f"zone {i:02}" for i in range(30)])
    return pl.DataFrame({
        "pickup_datetime": pl.Series(1_451_606_400 + random.integers(0, 60 * 86_400, rows)).cast(pl.Datetime("ms")).dt.timestamp("ms") * 1000,
        "trip_distance": miles.round(2),
        "minutes": minutes.round(2),
        "passenger_count": pl.Series(random.integers(1, 7, rows)),
        "payment_type": pl.Series(np.array(["card", "cash", "voucher", "no_charge"])[random.choice(4, rows, p=[0.66, 0.31, 0.02, 0.01])]),
        "pickup_zone": pl.Series(zones[random.integers(0, 30, rows)]),
        "dropoff_zone": pl.Series(zones[random.integers(0, 30, rows)]),
        "tolls": tolls,
        "tip": (miles * random.random(rows)).round(2),
        "speed": (60 * miles / minutes).round(3),
        "temperature": random.normal(2.0, 6.0, rows).round(1),
        "fare_amount": (2.5 + 2 * miles + 0.4 * minutes + tolls + random.normal(0, 1, rows)).round(2),
    }).with_columns(
        pl.from_epoch(pl.col("pickup_datetime") // 1000, "s"),
        pl.when(pl.Series(random.random(rows) < 0.99)).then("passenger_count"),
    )


def make_trips(rows, path):
    """A csv of so many rows, written slice by slice; and beside it the first 200,000 in head.csv."""
    random = np.random.default_rng(5)
    with open(path, "wb") as file:
        for start in range(0, int(rows), SLICE):
            frame = trips(random, min(SLICE, int(rows) - start))
            frame.write_csv(file, include_header=start == 0, datetime_format="%Y-%m-%d %H:%M:%S")
            if start == 0:
                frame.head(200_000).write_csv(Path(path).with_name("head.csv"), datetime_format="%Y-%m-%d %H:%M:%S")


def make_numbers(rows, width, path):
    """Normal features, a number `y` and a class `z` that a plane decides, both with noise."""
    random = np.random.default_rng(6)
    x = random.normal(size=(int(rows), int(width)))
    plane = x @ random.normal(size=int(width)) / np.sqrt(int(width))
    frame = pl.DataFrame(x, schema=[f"x{j}" for j in range(int(width))])
    noise = random.normal(size=int(rows))
    frame.with_columns(y=plane + noise, z=pl.Series(np.where(plane + noise > 0, "yes", "no"))).write_parquet(path)


def make_wide(rows, levels, path):
    """A csv of a town out of so many, five normal features, a number `y` that each town moves, and a class `z`."""
    random = np.random.default_rng(8)
    town = random.integers(0, int(levels), int(rows))
    x = random.normal(size=(int(rows), 5))
    plane = random.normal(size=int(levels))[town] + x @ [1.0, -0.5, 0.2, 0.0, 0.0]
    frame = pl.DataFrame(x.round(4), schema=[f"x{j}" for j in range(5)])
    classes = np.where(random.random(int(rows)) < 1 / (1 + np.exp(-plane)), "yes", "no")
    names = pl.Series([f"town {i:05}" for i in town])
    frame.with_columns(town=names, y=(plane + random.normal(0, 0.5, int(rows))).round(4), z=pl.Series(classes)).write_csv(path)


def make_trees(rows, width, path):
    """Friedman's first function, as a number `y` and as a class `z`, both with noise; most features say nothing."""
    random = np.random.default_rng(7)
    x = random.random((int(rows), int(width)))
    signal = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    noise = random.normal(size=int(rows))
    frame = pl.DataFrame(x, schema=[f"x{j}" for j in range(int(width))])
    frame.with_columns(y=signal + noise, z=pl.Series(np.where(signal + 2 * noise > 14.4, "yes", "no"))).write_parquet(path)


# ---------------------------------------------------------------- peers


def sink(source, out):
    """polars' own streaming csv to parquet."""
    seconds, _ = timed(lambda: pl.scan_csv(source, try_parse_dates=True).sink_parquet(out))
    return {"seconds": seconds}


def head(source, rows, out):
    pl.scan_parquet(source).head(int(rows)).sink_parquet(out)


def predict(training, source, out):
    """scikit-learn's pipeline: predict alone, on a matrix that is there; and the whole job from file to file."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = pl.read_csv(training)
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LinearRegression())
    model.fit(known.select(pl.col(FEATURES).cast(pl.Float64)).to_numpy(), known["fare_amount"].to_numpy())
    begin = time.perf_counter()
    frame = pl.read_parquet(source)
    x = frame.select(pl.col(FEATURES).cast(pl.Float64).fill_null(np.nan)).to_numpy()
    alone, prediction = timed(model.predict, x)
    frame.with_columns(prediction=pl.Series(prediction)).write_parquet(out)
    return {"seconds": time.perf_counter() - begin, "alone": alone, "rows": frame.height}


def fit(kind, training, test):
    """scikit-learn's fits on the rows that recipe trained on; the matrix is in memory, in the order each likes best."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.metrics import log_loss, root_mean_squared_error

    seconds, frame = timed(pl.read_parquet, training)
    columns = [name for name in frame.columns if name.startswith("x")]
    held = pl.read_parquet(test)
    x, unseen = frame.select(columns).to_numpy(), held.select(columns).to_numpy()
    if kind == "ridge":
        y, truth = frame["y"].to_numpy(), held["y"].to_numpy()
        models = {"cholesky": Ridge(solver="cholesky")}
        score = lambda model: root_mean_squared_error(truth, model.predict(unseen))
    else:
        y, truth = frame["z"].to_numpy(), held["z"].to_numpy()
        # The default, and the one that is made for many rows and few columns.
        models = {"lbfgs": LogisticRegression(), "newton-cholesky": LogisticRegression(solver="newton-cholesky")}
        score = lambda model: log_loss(truth, model.predict_proba(unseen), labels=model.classes_)
    result = {"read": seconds, "rows": frame.height, "solvers": {}}
    for name, model in models.items():
        seconds, model = timed(model.fit, x, y)
        result["solvers"][name] = {"seconds": seconds, "score": float(score(model))}
    return result


def wide(kind, training, test):
    """scikit-learn's fit on a sparse matrix of one-hot columns, the encoding included."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.metrics import log_loss, root_mean_squared_error
    from sklearn.preprocessing import OneHotEncoder

    frame, held = pl.read_parquet(training), pl.read_parquet(test)
    columns = [name for name in frame.columns if name.startswith("x")]
    encoder = OneHotEncoder(handle_unknown="ignore").fit(frame.select("town").to_numpy())
    matrix = lambda frame: hstack([csr_matrix(frame.select(columns).to_numpy()), encoder.transform(frame.select("town").to_numpy())], format="csr")
    target = "y" if kind == "ridge" else "z"
    model = Ridge(solver="sparse_cg", tol=1e-10) if kind == "ridge" else LogisticRegression(max_iter=1000)
    seconds, model = timed(lambda: model.fit(matrix(frame), frame[target].to_numpy()))
    truth = held[target].to_numpy()
    score = root_mean_squared_error(truth, model.predict(matrix(held))) if kind == "ridge" else log_loss(truth, model.predict_proba(matrix(held)))
    return {"seconds": seconds, "score": float(score)}


def trees(name, target, training, test, scoring):
    """A peer's trees: fit on a matrix in memory; predict from file to file, as recipe does."""
    from sklearn.metrics import log_loss, root_mean_squared_error

    held, frame = pl.read_parquet(test), pl.read_parquet(training)
    columns = [column for column in frame.columns if column.startswith("x")]
    number = target == "y"
    goal = lambda frame: frame[target].to_numpy() if number else (frame[target] == "yes").to_numpy().astype(int)
    if name == "lightgbm":
        import lightgbm

        kind = lightgbm.LGBMRegressor if number else lightgbm.LGBMClassifier
        model = kind(n_estimators=100, learning_rate=0.1, num_leaves=31, verbose=-1)
    elif name == "xgboost":
        import xgboost

        kind = xgboost.XGBRegressor if number else xgboost.XGBClassifier
        model = kind(n_estimators=100, learning_rate=0.1, max_leaves=31, max_depth=0, grow_policy="lossguide", tree_method="hist")
    elif name == "hist_gradient_boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
        model = kind(max_iter=100, learning_rate=0.1, max_leaf_nodes=31, early_stopping=False)
    else:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestRegressor if number else RandomForestClassifier
        model = kind(n_estimators=20, max_depth=10, n_jobs=-1, random_state=1)
    x, y = frame.select(columns).to_numpy(), goal(frame)
    of = model.predict if number else (lambda x: model.predict_proba(x)[:, 1])
    before = time.process_time()
    took, model = timed(model.fit, x, y)
    cpu = time.process_time() - before
    score = (root_mean_squared_error if number else log_loss)(goal(held), of(held.select(columns).to_numpy()))
    begin, before = time.perf_counter(), time.process_time()
    rows = pl.read_parquet(scoring)
    rows.with_columns(prediction=pl.Series(of(rows.select(columns).to_numpy()))).write_parquet(Path(scoring).with_name("peer.parquet"))
    predict = {"predict_seconds": time.perf_counter() - begin, "predict_cpu": time.process_time() - before}
    return {"seconds": took, "cpu": cpu, "score": float(score), **predict}


def hydra(place):
    """Composes the same files with Hydra, the second time without what imports cost."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(version_base=None, config_dir=place):
        run = lambda: OmegaConf.to_container(compose("hydra"), resolve=True)
        run()
        took, _ = timed(run)
    return {"seconds": took}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:]) or {}))
