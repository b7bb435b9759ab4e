"""Trains a project with recipe and again with scikit-learn, and compares what was learned and what it scores.

    ~/.cache/recipe/peer/bin/python benches/peer/parity.py target/release/recipe PROJECT [KEY=VALUE ...]

The rows of each split are recipe's own (`recipe artifact training_data`); everything after is scikit-learn's: the
transforms that the recipe names are fitted anew on the training rows, then Ridge or LogisticRegression, solved to the
end. Compared are the names of the features, every coefficient, and RMSE or log loss of the test rows, to 1e-6 of the
larger of the number and one. What is not known here (another transform, another estimator, row or class weights) is refused.

Exit code: 0 the same, 1 a difference, 2 it could not be compared.
"""

import json
import subprocess
import sys

import numpy as np
import polars as pl
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TOLERANCE = 1e-6


class Unknown(Exception):
    """Something that this script does not do in scikit-learn."""


def recipe(program, project, *arguments):
    """Standard output of the program. A rejected model (10) has been trained and scored as well."""
    ran = subprocess.run([program, "-C", project, *arguments], capture_output=True, text=True)
    if ran.returncode not in (0, 10):
        raise Unknown(f"recipe {' '.join(arguments)} gave exit code {ran.returncode}\n{ran.stderr}")
    return ran.stdout.strip()


def numbers(frame, columns):
    """rows x columns of floats, missing values as NaN."""
    return frame.select(pl.col(columns).cast(pl.Float64).fill_null(np.nan)).to_numpy()


def replaced(frames, columns, arrays):
    return [frame.with_columns(pl.Series(name, array[:, j]) for j, name in enumerate(columns)) for frame, array in zip(frames, arrays)]


def need(config, **only):
    """Refuses options that have another value than the ones that are done here."""
    for name, values in only.items():
        if config.get(name) not in values:
            raise Unknown(f"option {name}: {config[name]}")


def columns_of(config):
    columns = config["columns"]
    columns = [columns] if isinstance(columns, str) else columns
    if any("(" in name or name == "*" for name in columns):
        raise Unknown(f"selector {columns}: name the columns")
    return columns


# Each takes its configuration and [training, test] frames and gives them back, fitted on training.


def select(config, frames, kept):
    columns = [*columns_of(config), *kept]
    return [frame.select(name for name in frame.columns if name in columns) for frame in frames]


def drop(config, frames, kept):
    return [frame.drop(columns_of(config)) for frame in frames]


def clip(config, frames, kept):
    need(config, quantiles=[None])
    return [frame.with_columns(pl.col(columns_of(config)).cast(pl.Float64).clip(config["lower"], config["upper"])) for frame in frames]


def derive(config, frames, kept):
    return [frame.with_columns(pl.sql_expr(text).alias(name) for name, text in config.items()) for frame in frames]


def date_parts(config, frames, kept):
    need(config, tz=[None])
    part = {"hour": lambda c: c.dt.hour(), "day_of_week": lambda c: c.dt.weekday(), "month": lambda c: c.dt.month(), "year": lambda c: c.dt.year()}
    for name in columns_of(config):
        if missing := [p for p in config["parts"] if p not in part]:
            raise Unknown(f"date_parts: {missing}")
        frames = [frame.with_columns(part[p](pl.col(name)).alias(f"{name}_{p}") for p in config["parts"]) for frame in frames]
        if config.get("drop_original", True):
            frames = [frame.drop(name) for frame in frames]
    return frames


def impute(config, frames, kept):
    need(config, add_indicator=[False], by=[[]], strategy=["median", "mean"])
    columns = columns_of(config)
    imputer = SimpleImputer(strategy=config["strategy"]).fit(numbers(frames[0], columns))
    return replaced(frames, columns, [imputer.transform(numbers(frame, columns)) for frame in frames])


def one_hot(config, frames, kept):
    need(config, min_frequency=[None], max_categories=[None], unseen=["zeros"], missing=["level"], drop=["none", "first"])
    for name in columns_of(config):
        objects = [np.array(frame[name].to_list(), dtype=object).reshape(-1, 1) for frame in frames]
        encoder = OneHotEncoder(drop="first" if config["drop"] == "first" else None, handle_unknown="ignore", sparse_output=False)
        encoder.fit(objects[0])
        levels = encoder.categories_[0][1 if config["drop"] == "first" else 0 :]
        names = [f"{name}_{'missing' if level is None else level}" for level in levels]
        frames = replaced([frame.drop(name) for frame in frames], names, [encoder.transform(some) for some in objects])
    return frames


def standard_scale(config, frames, kept):
    need(config, with_mean=[True], with_std=[True], ddof=[0])
    columns = columns_of(config)
    scaler = StandardScaler().fit(numbers(frames[0], columns))
    return replaced(frames, columns, [scaler.transform(numbers(frame, columns)) for frame in frames])


TRANSFORMS = {f.__name__: f for f in (select, drop, clip, derive, date_parts, impute, one_hot, standard_scale)}


def ridge(parameters, x, y, test, truth):
    """Coefficients as outputs x (features, intercept), and the test metric."""
    need(parameters, fit_intercept=[True])
    model = Ridge(alpha=parameters["alpha"], solver="svd").fit(x, y)
    return np.append(model.coef_, model.intercept_).reshape(1, -1), "root_mean_squared_error", root_mean_squared_error(truth, model.predict(test))


def logistic(parameters, x, y, test, truth):
    need(parameters, fit_intercept=[True], penalty=["l2"])
    model = LogisticRegression(C=parameters["C"], solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    return np.column_stack([model.coef_, model.intercept_]), "log_loss", log_loss(truth, model.predict_proba(test), labels=model.classes_)


ESTIMATORS = {"ridge": ridge, "logistic": logistic}


def compare(program, project, overrides):
    """Prints a line for each comparison; the number of differences."""
    recipe(program, project, "run", "evaluate", "--quiet", *overrides)
    path = {name: recipe(program, project, "artifact", name) for name in ("training_data", "test_data", "model", "evaluation", "best_parameters")}
    model, evaluation, parameters = (json.load(open(path[name])) for name in ("model", "evaluation", "best_parameters"))
    if model["estimator"] not in ESTIMATORS:
        raise Unknown(f"estimator {model['estimator']}")

    frames = [pl.read_parquet(path["training_data"]), pl.read_parquet(path["test_data"])]
    target, rows = model["target"], [frame.height for frame in frames]
    for step in model["chain"]["steps"]:
        if step["name"] not in TRANSFORMS:
            raise Unknown(f"transform {step['name']}")
        kept = [target, *(name for name in frames[0].columns if name not in {c["name"] for c in model["chain"]["inputs"]})]
        frames = TRANSFORMS[step["name"]](step["config"], frames, kept)

    # What is no feature of recipe's (the target, an id, a role) is none here; everything else must be.
    features = model["features"]
    absent = sorted(set(features) - set(frames[0].columns))
    if absent:
        print(f"DIFFERENT features: scikit-learn has no {absent}; it has {frames[0].columns}")
        return 1
    is_regression = model["estimator"] == "ridge"
    labels = pl.Float64 if is_regression else pl.String
    y, truth = (frame[target].cast(labels).to_numpy() for frame in frames)
    x, test = (numbers(frame, features) for frame in frames)
    theirs, metric, their_metric = ESTIMATORS[model["estimator"]](parameters, x, y, test, truth)

    outputs = model["fitted"]["outputs"]
    ours = np.array([[*output["coefficients"], output["intercept"]] for output in outputs])
    differences = 0

    def line(what, a, b):
        nonlocal differences
        distance = float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1.0)))
        same = distance <= TOLERANCE
        differences += not same
        print(f"{'same' if same else 'DIFFERENT'}  {what}: {distance:.1e} apart", end="" if np.ndim(b) else f" (recipe {a:.9g}, scikit-learn {b:.9g})")
        print()

    print(f"{model['estimator']} on {rows[0]} rows, {len(features)} features; {rows[1]} test rows")
    if ours.shape != theirs.shape:
        print(f"DIFFERENT shapes of coefficients: recipe {ours.shape}, scikit-learn {theirs.shape}")
        return 1
    for j, name in enumerate([*features, "intercept"]):
        # All features in one line where all is well; a line each where not.
        if np.max(np.abs(ours[:, j] - theirs[:, j]) / np.maximum(np.abs(theirs[:, j]), 1.0)) > TOLERANCE:
            print(f"  {name}: recipe {ours[:, j]}, scikit-learn {theirs[:, j]}")
    line(f"{ours.size} coefficients", ours, theirs)
    line(f"test {metric}", evaluation["metrics"][f"test_{metric}"], their_metric)
    return differences


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        sys.exit(1 if compare(sys.argv[1], sys.argv[2], sys.argv[3:]) else 0)
    except Unknown as unknown:
        print(f"cannot be compared: {unknown}", file=sys.stderr)
        sys.exit(2)
