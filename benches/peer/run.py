"""The benchmarks: prints tables of our figures beside the peers' (see run.sh, which starts this)."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import serve
from measure import cpu_seconds, measure

ROOT = Path(__file__).resolve().parent.parent.parent
JOBS = Path(__file__).with_name("jobs.py")

TRIPS = """recipe: regression/v1
name: trips
target_col: fare_amount
steps:
  ingest: {location: rows.csv}
  split: {split_ratios: [0.75, 0.125, 0.125]}
  transform:
    - date_parts: {columns: [pickup_datetime], parts: [hour, day_of_week]}
    - impute: {columns: [passenger_count], strategy: median}
    - one_hot: {columns: [payment_type]}
    - ordinal_encode: {columns: [pickup_zone, dropoff_zone]}
    - standard_scale: {columns: [trip_distance, minutes, tolls, tip, speed, temperature]}
"""

SCORING = """recipe: regression/v1
name: scoring
target_col: fare_amount
steps:
  ingest: {location: head.csv}
  transform:
    - select: {columns: [trip_distance, minutes, passenger_count, tolls, tip, speed, temperature]}
    - impute: {columns: [passenger_count], strategy: median}
    - standard_scale: {columns: numeric()}
  train: {using: linear}
  ingest_scoring: {location: rows.parquet}
  predict: {output: {location: scored.parquet}}
"""

FIT = """recipe: TEMPLATE
name: NAME
target_col: TARGET
ROLES
steps:
  ingest: {location: numbers.parquet}
  split: {split_ratios: [0.8, 0.1, 0.1]}
  transform: []
  train: {using: USING}
"""


SCORED = """  ingest_scoring: {location: numbers.parquet}
  predict: {output: {location: scored.parquet}}
"""

WIDE = """recipe: TEMPLATE
target_col: TARGET
roles: {OTHER: ignore}
POSITIVEsteps:
  ingest: {location: wide.csv}
  ingest_scoring: {location: wide.csv}
  split: {split_ratios: [0.8, 0.1, 0.1]}
  transform: [{one_hot: {columns: town}}]
  train: {using: NAME}
  predict: {output: {location: scored.parquet}}
"""

# What jobs.py gives the peers, too.
BOOSTED = "{n_estimators: 100, learning_rate: 0.1, num_leaves: 31}"
FOREST = "{n_estimators: 20, max_depth: 10}"


class Bench:
    def __init__(self, options, temp):
        self.options, self.temp = options, Path(temp)

    def recipe(self, project, *arguments, accept=(0, 10)):
        return measure([self.options.program, "-C", str(project), "run", "--json", *arguments], accept)

    def job(self, *arguments):
        measured = measure([sys.executable, str(JOBS), *map(str, arguments)])
        return measured, measured.events[-1]

    def project(self, name, recipe):
        place = self.temp / name
        place.mkdir(exist_ok=True)
        (place / "recipe.yaml").write_text(recipe)
        return place


def median(runs, of):
    return statistics.median(of(run) for run in runs)


def table(title, head, rows):
    rows = [head, *([str(cell) for cell in row] for row in rows)]
    print(f"\n### {title}\n")
    for i, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if i == 0:
            print("|" + "---|" * len(head))
    sys.stdout.flush()


def seconds(value):
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def megabytes(value):
    return f"{value:.0f} MB"


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}×"


def taxi(bench):
    """A whole training run on the example with 10,000 trips, and the same again with nothing changed, beside MLflow Recipes."""
    place = bench.temp / "taxi"
    shutil.copytree(ROOT / "recipes", place / "recipes")
    shutil.copytree(ROOT / "profiles", place / "profiles")
    (place / "data").mkdir()
    bench.job("make_taxi", bench.options.taxi_rows, place / "data" / "taxi.csv")
    peer = MlflowRecipes.found(bench, place / "data" / "taxi.csv")
    whole, again, theirs, theirs_again = [], [], [], []
    # By turns, so that other work on the machine meets both.
    for turn in range(max(5, bench.options.repeat)):
        shutil.rmtree(place / ".recipe", ignore_errors=True)
        whole.append(bench.recipe(place, "-r", "taxi_fare", "-p", "local"))
        again += [bench.recipe(place, "-r", "taxi_fare", "-p", "local") for _ in range(3)]
        if peer and turn < bench.options.repeat:
            peer.forget()
            theirs.append(peer.run())
            theirs_again.append(peer.run())
    rows = []
    for what, runs, others in [("whole training run", whole, theirs), ("nothing changed", again, theirs_again)]:
        wall, cpu, rss = (lambda m: m.wall), (lambda m: m.cpu), (lambda m: m.rss)
        rows.append((what, seconds(median(runs, wall)), seconds(median(runs, cpu)), megabytes(median(runs, rss)), len(runs), ""))
        if others:
            times = f"{median(others, wall) / median(runs, wall):.0f} and {median(others, cpu) / median(runs, cpu):.0f}"
            rows.append(("— MLflow Recipes", seconds(median(others, wall)), seconds(median(others, cpu)), megabytes(median(others, rss)), len(others), times))
    head = ["work", "wall", "CPU", "largest RSS", "runs", "times ours, wall and CPU"]
    table(f"taxi, {bench.options.taxi_rows:,} rows, cards written", head, rows)
    steps = [e["step"] for e in whole[0].events if e.get("event") == "step_done"]
    table("of that, each step", ["step", "wall"], [(step, seconds(median(whole, lambda m: m.step(step)["seconds"]))) for step in steps])


class MlflowRecipes:
    """The taxi example as an MLflow Recipes project (mlflow_recipes/), in an environment of its own."""

    @classmethod
    def found(cls, bench, data):
        python = Path(f"{sys.prefix}-mlflow") / "bin" / "python"
        if python.exists():
            return cls(bench.temp / "mlflow_recipes", python, data)
        print("\nMLflow Recipes is left out: `sh benches/peer/setup.sh mlflow` installs it.")
        return None

    def __init__(self, place, python, data):
        shutil.copytree(JOBS.with_name("mlflow_recipes"), place)
        (place / "data").mkdir()
        shutil.copy(data, place / "data" / "taxi.csv")
        (place / "metadata").mkdir()
        self.place, self.outputs = place, place / "outputs"
        # It calls `make`, which calls the `python` of the path.
        self.set = {"MLFLOW_RECIPES_EXECUTION_DIRECTORY": str(self.outputs), "PATH": f"{python.parent}:{os.environ['PATH']}"}

    def forget(self):
        shutil.rmtree(self.outputs, ignore_errors=True)

    def run(self):
        code = f"import os; os.chdir({str(self.place)!r}); from mlflow.recipes import Recipe; Recipe(profile='local').run()"
        return measure(["env", *(f"{name}={value}" for name, value in self.set.items()), "python", "-c", code])


def trips(bench):
    """The file that `stream` and `predict` share."""
    place = bench.temp / "trips"
    if not place.exists():
        place.mkdir()
        bench.job("make_trips", bench.options.rows, place / "rows.csv")
    return place


def sunk(bench, place, runs):
    """polars' figures; its parquet file is what `predict` scores."""
    measured = []
    for _ in range(runs):
        # What was written before should not be written out while this is timed.
        os.sync()
        measured.append(bench.job("sink", place / "rows.csv", place / "rows.parquet"))
    return measured


def stream(bench):
    """ingest, split and transform of a csv with 12 columns, each beside polars' streaming csv to parquet sink."""
    place = trips(bench)
    (place / "recipe.yaml").write_text(TRIPS)
    peers = sunk(bench, place, bench.options.repeat)
    theirs = statistics.median(result["seconds"] for _, result in peers)
    runs = []
    for _ in range(bench.options.repeat):
        shutil.rmtree(place / ".recipe", ignore_errors=True)
        os.sync()
        runs.append(bench.recipe(place, "transform"))
    size = (place / "rows.csv").stat().st_size / 1e6
    rows = [("polars csv → parquet", seconds(theirs), seconds(median(peers, lambda m: m[0].cpu)), megabytes(median(peers, lambda m: m[0].anonymous)), "1")]
    for step in ("ingest", "split", "transform"):
        done = [run.step(step) for run in runs]
        wall = median(done, lambda e: e["seconds"])
        rows.append((step, seconds(wall), seconds(median(done, lambda e: e["cpu"])), megabytes(median(done, lambda e: e["anonymous"])), ratio(wall, theirs)))
    wall = median(runs, lambda m: m.wall)
    rows.append(("all three", seconds(wall), seconds(median(runs, lambda m: m.cpu)), megabytes(median(runs, lambda m: m.anonymous)), ratio(wall, theirs)))
    table(
        f"{bench.options.rows:,} rows × 12 columns of csv ({size:,.0f} MB), {len(runs)} runs",
        ["work", "wall", "CPU", "peak anonymous memory", "wall, of polars'"],
        rows,
    )
    shutil.rmtree(place / ".recipe", ignore_errors=True)


def predict(bench):
    """The scoring chain with a linear model, beside scikit-learn's predict; and with a tenth of the rows, for memory."""
    place = trips(bench)
    if not (place / "rows.parquet").exists():
        sunk(bench, place, 1)
    tenth = max(1, bench.options.rows // 10)
    bench.job("head", place / "rows.parquet", tenth, place / "tenth.parquet")
    (place / "recipe.yaml").write_text(SCORING)
    shutil.rmtree(place / ".recipe", ignore_errors=True)
    bench.recipe(place, accept=(0,))
    peers, ours, small = [], [], []
    for _ in range(bench.options.repeat):
        os.sync()
        peers.append(bench.job("predict", place / "head.csv", place / "rows.parquet", place / "peer.parquet"))
        (place / "peer.parquet").unlink()
        for runs, name in [(small, "tenth.parquet"), (ours, "rows.parquet")]:
            (place / "scored.parquet").unlink(missing_ok=True)
            os.sync()
            runs.append(bench.recipe(place, "predict", "--force", f"steps.ingest_scoring.location={name}"))
    rows = bench.options.rows
    whole = statistics.median(result["seconds"] for _, result in peers)
    alone = statistics.median(result["alone"] for _, result in peers)

    def line(what, wall, anonymous=""):
        return what, seconds(wall), f"{rows / wall / 1e6:.1f} M", ratio(wall, whole), ratio(wall, alone), anonymous

    def step(name):
        done = [run.step(name) for run in ours]
        return line(f"recipe, {name}", median(done, lambda e: e["seconds"]), megabytes(median(done, lambda e: e["anonymous"])))

    table(
        f"predict {rows:,} rows, linear, {len(ours)} runs",
        ["work", "wall", "rows/s", "of the peer's job", "of the peer's predict", "peak anonymous memory"],
        [
            line("scikit-learn, predict alone (matrix in memory)", alone),
            line("scikit-learn, parquet → predict → parquet", whole, megabytes(median(peers, lambda m: m[0].anonymous))),
            step("ingest_scoring"),
            step("predict"),
            line("recipe, whole program", median(ours, lambda m: m.wall), megabytes(median(ours, lambda m: m.anonymous))),
        ],
    )
    print(f"\nPeak anonymous memory of recipe with {tenth:,} rows: {megabytes(median(small, lambda m: m.anonymous))}.")
    shutil.rmtree(place / ".recipe", ignore_errors=True)


def fitted_after(bench, place):
    """Wall and CPU seconds from the start of `train` until the model's file is there; other things follow in that step."""
    tmp = place / ".recipe" / "v1" / "tmp"
    process = subprocess.Popen([bench.options.program, "-C", str(place), "run", "train", "--json", "--force=train"], stdout=subprocess.PIPE, text=True)
    for event in process.stdout:
        if '"step_started"' in event and '"train"' in event:
            break
    begin, before = time.perf_counter(), cpu_seconds(process.pid)
    while process.poll() is None and not any("model" in path.name for path in tmp.rglob("*")):
        time.sleep(0.002)
    took = time.perf_counter() - begin, cpu_seconds(process.pid) - before
    process.communicate()
    return took


def fit(bench):
    """ridge and logistic regression, beside scikit-learn's fit on the same training rows."""
    width, rows = bench.options.width, []
    numbers = bench.temp / "numbers.parquet"
    bench.job("make_numbers", int(bench.options.fit_rows * 1.25), width, numbers)
    for kind, template, target, other, metric in [
        ("ridge", "regression/v1", "y", "z", "root_mean_squared_error"),
        ("logistic", "classification/v1", "z", "y", "log_loss"),
    ]:
        roles = f"roles: {{{other}: ignore}}" + ("\npositive_class: 'yes'" if kind == "logistic" else "")
        recipe = FIT.replace("TEMPLATE", template).replace("NAME", kind).replace("TARGET", target).replace("ROLES", roles).replace("USING", kind)
        place = bench.project(kind, recipe)
        os.link(numbers, place / "numbers.parquet")
        bench.recipe(place, "train")
        trained = [bench.recipe(place, "train", "--force=train") for _ in range(bench.options.repeat)]
        scored = bench.recipe(place, "evaluate").step("evaluate")["metrics"][f"test_{metric}"]
        alone = statistics.median(fitted_after(bench, place)[0] for _ in range(bench.options.repeat))
        path = {
            name: subprocess.run([bench.options.program, "-C", str(place), "artifact", name], capture_output=True, text=True, check=True).stdout.strip()
            for name in ("training_data", "test_data")
        }
        peers = [bench.job("fit", kind, path["training_data"], path["test_data"]) for _ in range(bench.options.repeat)]
        solvers = {
            name: (statistics.median(result["solvers"][name]["seconds"] for _, result in peers), solver["score"])
            for name, solver in peers[0][1]["solvers"].items()
        }
        best = min(wall for wall, _ in solvers.values())
        for name, (wall, score) in solvers.items():
            rows.append((f"scikit-learn {kind}, {name}, fit alone", seconds(wall), ratio(wall, best), f"{score:.6f}", megabytes(median(peers, lambda m: m[0].anonymous))))
        whole, memory = (median([run.step("train") for run in trained], lambda e: e[key]) for key in ("seconds", "anonymous"))
        rows.append((f"recipe {kind}, reading and fit", seconds(alone), ratio(alone, best), f"{scored:.6f}", ""))
        rows.append((f"recipe {kind}, whole train step", seconds(whole), ratio(whole, best), "", megabytes(memory)))
    table(
        f"fit {bench.options.fit_rows:,} rows × {width} features, {bench.options.repeat} runs",
        ["work", "wall", "of the best peer", "test RMSE or log loss", "peak anonymous memory"],
        rows,
    )


def wide(bench):
    """ridge and logistic regression on a column of 10,000 levels, every step's memory, beside scikit-learn on a sparse matrix."""
    rows, lines = 200_000, []
    data = bench.temp / "wide.csv"
    bench.job("make_wide", rows, 10_000, data)
    for kind, template, target, other, metric in [
        ("ridge", "regression/v1", "y", "z", "root_mean_squared_error"),
        ("logistic", "classification/v1", "z", "y", "log_loss"),
    ]:
        positive = "positive_class: 'yes'\n" if kind == "logistic" else ""
        recipe = WIDE.replace("TEMPLATE", template).replace("TARGET", target).replace("OTHER", other).replace("POSITIVE", positive).replace("NAME", kind)
        place = bench.project(f"wide_{kind}", recipe)
        os.link(data, place / "wide.csv")
        runs = [bench.recipe(place), bench.recipe(place, "predict")]
        for event in (event for run in runs for event in run.events if event.get("event") == "step_done"):
            score = f"{event['metrics'][f'test_{metric}']:.6f}" if event["step"] == "evaluate" else ""
            lines.append((f"recipe, {kind}, {event['step']}", seconds(event["seconds"]), megabytes(event["anonymous"]), score))
        path = {
            name: subprocess.run([bench.options.program, "-C", str(place), "artifact", name], capture_output=True, text=True, check=True).stdout.strip()
            for name in ("training_data", "test_data")
        }
        theirs, result = bench.job("wide", kind, path["training_data"], path["test_data"])
        lines.append((f"scikit-learn, {kind}, encoding and fit", seconds(result["seconds"]), megabytes(theirs.anonymous), f"{result['score']:.6f}"))
    table(f"{rows:,} rows × (5 numbers and 10,000 levels)", ["work", "wall", "peak anonymous memory", "score on test rows"], lines)


def boosting(bench):
    """Boosted trees, fit and predict, beside LightGBM, XGBoost and scikit-learn on the same rows."""
    trees(bench, "gradient_boosting", BOOSTED, ("lightgbm", "xgboost", "hist_gradient_boosting"))


def forest(bench):
    """A forest, fit and predict, beside scikit-learn on the same rows."""
    trees(bench, "random_forest", FOREST, ("random_forest",))


def trees(bench, using, parameters, peers):
    numbers = bench.temp / "trees.parquet"
    bench.job("make_trees", int(bench.options.fit_rows * 1.25), bench.options.width, numbers)
    for template, target, other, metric in [("regression/v1", "y", "z", "root_mean_squared_error"), ("classification/v1", "z", "y", "log_loss")]:
        roles = f"roles: {{{other}: ignore}}" + ("\npositive_class: 'yes'" if target == "z" else "")
        recipe = FIT.replace("TEMPLATE", template).replace("NAME", using).replace("TARGET", target).replace("ROLES", roles)
        recipe = recipe.replace("{using: USING}", f"{{using: {using}, estimator_params: {parameters}}}") + SCORED
        place = bench.project(f"{using}_{target}", recipe)
        os.link(numbers, place / "numbers.parquet")
        bench.recipe(place)
        scored = bench.recipe(place, "evaluate").step("evaluate")["metrics"][f"test_{metric}"]
        fits = [fitted_after(bench, place) for _ in range(bench.options.repeat)]
        predicts = [bench.recipe(place, "predict", "--force").step("predict") for _ in range(bench.options.repeat)]
        predict = [median(predicts, lambda e: e[key]) for key in ("seconds", "cpu")]
        rows = [(f"recipe {using}", *(seconds(median(fits, lambda fit: fit[i])) for i in (0, 1)), f"{scored:.5f}", *map(seconds, predict))]
        paths = {}
        for name in ("training_data", "test_data"):
            found = subprocess.run([bench.options.program, "-C", str(place), "artifact", name], capture_output=True, text=True, check=True)
            paths[name] = found.stdout.strip()
        for name in peers:
            runs = [bench.job("trees", name, target, paths["training_data"], paths["test_data"], numbers) for _ in range(bench.options.repeat)]
            of = lambda key: seconds(statistics.median(result[key] for _, result in runs))
            score = f"{runs[0][1]['score']:.5f}"
            rows.append((name, of("seconds"), of("cpu"), score, of("predict_seconds"), of("predict_cpu")))
        table(
            f"trees of {bench.options.fit_rows:,} rows × {bench.options.width} features, target {target}; predict {int(bench.options.fit_rows * 1.25):,} rows",
            ["work", "fit, wall", "fit, CPU", metric, "predict with files, wall", "CPU"],
            rows,
        )


def served(bench):
    """A row of 20 features and 100 trees over HTTP, beside `mlflow models serve` on the same bundle."""
    if not shutil.which("wrk"):
        print("\nThe server is left out: `wrk` makes the load (Debian: `apt-get install wrk`).")
        return
    numbers = bench.temp / "served.parquet"
    bench.job("make_trees", 50_000, 20, numbers)
    recipe = FIT.replace("TEMPLATE", "regression/v1").replace("NAME", "served").replace("TARGET", "y").replace("ROLES", "roles: {z: ignore}")
    place = bench.project("served", recipe.replace("{using: USING}", f"{{using: gradient_boosting, estimator_params: {BOOSTED}}}"))
    os.link(numbers, place / "numbers.parquet")
    bench.recipe(place)
    row = {f"x{i}": i / 20 - 0.5 for i in range(20)}
    mlflow = Path(f"{sys.prefix}-interop") / "bin" / "mlflow"
    if not mlflow.exists():
        print("\nMLflow's server is left out: `sh benches/peer/setup.sh interop` installs it.")
    rows = serve.measure(
        bench.options.program, mlflow, place / ".recipe/models/served/1", row, place, bench.options.serve_seconds, bench.options.serve_requests
    )
    table("one row × 20 features, 100 trees, over HTTP", ["server", "requests a second", "median", "99th percentile", "resident"], rows)


def configuration(bench):
    """Composing 5,000 keys from 200 group files, beside Hydra."""
    place, files, keys = bench.temp / "configuration", 200, 25
    for i in range(files):
        group = place / f"part{i}"
        group.mkdir(parents=True)
        lines = [f"  key{j}: {{name: 'n${{env}}', value: {i * keys + j}}}" for j in range(keys // 2)]
        (group / "one.yaml").write_text("inner:\n" + "\n".join(lines) + "\n")
    choices = "".join(f"  - part{i}: one\n" for i in range(files))
    base = "target_col: y\nsteps: {ingest: {location: a.csv}}\n"
    (place / "recipe.yaml").write_text(f"recipe: regression/v1\n{base}defaults:\n{choices}vars: {{env: dev}}\n")
    (place / "hydra.yaml").write_text(f"defaults:\n{choices}  - _self_\nenv: dev\n")
    ours = [measure([bench.options.program, "-C", str(place), "config", "vars.part199.inner.key3.value"]) for _ in range(10)]
    empty = [measure([bench.options.program, "--version"]) for _ in range(10)]
    theirs, result = bench.job("hydra", place)
    rows = [
        ("the whole program", seconds(median(ours, lambda m: m.wall)), seconds(median(ours, lambda m: m.cpu))),
        ("of that, starting it (`--version`)", seconds(median(empty, lambda m: m.wall)), seconds(median(empty, lambda m: m.cpu))),
        ("Hydra, composing and resolving in a warm process", seconds(result["seconds"]), ""),
        ("Hydra, the whole process", seconds(theirs.wall), seconds(theirs.cpu)),
    ]
    table(f"configuration, {files} files, {files * keys:,} keys", ["work", "wall", "CPU"], rows)


AUTOML = """recipe: TEMPLATE
target_col: y
METRIC
steps:
  ingest: {location: DATA}
  split: {using: column, columns: [part]}
  transform: [{drop: {columns: [part]}}, auto]
  train: {using: automl, automl: {time_budget_secs: SECONDS}}
"""


def automl(bench):
    """AutoML within --automl-seconds on two regressions and two classifications, beside FLAML."""
    python = Path(f"{sys.prefix}-flaml") / "bin" / "python"
    if not python.exists():
        print("\nAutoML is left out: `sh benches/peer/setup.sh flaml` installs FLAML.")
        return
    script, limit = JOBS.with_name("automl.py"), bench.options.automl_seconds
    place, rows, ranks = bench.project("automl", ""), [], []
    known = {"diabetes": "regression", "friedman": "regression", "breast_cancer": "classification", "hastie": "classification"}
    files = dict(entry.rsplit(":", 1) for entry in bench.options.automl_data)
    for name, kind in (files or known).items():
        is_regression = kind == "regression"
        metric = "root_mean_squared_error" if is_regression else "log_loss"
        for seed in range(bench.options.automl_first, bench.options.automl_first + bench.options.automl_seeds):
            data = place / f"{Path(name).name.replace(':', '-')}-{seed}.csv"
            subprocess.run([python, script, "make", name, str(seed), data], check=True)
            positive = "" if is_regression else f"\npositive_class: {bench.options.automl_positive}"
            recipe = AUTOML.replace("TEMPLATE", f"{kind}/v1").replace("METRIC", f"primary_metric: {metric}{positive}")
            (place / "recipe.yaml").write_text(recipe.replace("DATA", data.name).replace("SECONDS", str(limit)))
            ours = bench.recipe(place, "evaluate")
            peer = measure([str(python), str(script), "fit", kind, str(data), str(limit), str(seed)])
            loss, theirs = ours.step("evaluate")["metrics"][f"test_{metric}"], peer.events[-1]
            ranks.append(1.0 if loss < theirs["loss"] else 2.0 if loss > theirs["loss"] else 1.5)
            train = ours.step("train")
            rows.append((Path(name).name, seed, f"{loss:.4f}", f"{theirs['loss']:.4f}", train["line"], seconds(train["seconds"]), seconds(theirs["seconds"])))
    table(f"AutoML, {limit:g} s each, loss on test rows", ["data", "seed", "ours", "FLAML", "our winner", "our train step", "FLAML's fit"], rows)
    print(f"\nmean rank of two: ours {statistics.mean(ranks):.2f}, FLAML {3 - statistics.mean(ranks):.2f}")


PARTS = {part.__name__: part for part in (taxi, stream, predict, fit, wide, boosting, forest, served, configuration, automl)}


def main():
    parts = "\n".join(f"  {name:14} {part.__doc__}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(description=f"Our figures beside the peers'.\n\nparts:\n{parts}", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the `recipe` to measure (run.sh sets it)")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of `stream` and `predict` (default 10 million)")
    parser.add_argument("--fit-rows", type=int, default=1_000_000, help="training rows of `fit`, `boosting` and `forest` (default 1 million)")
    parser.add_argument("--width", type=int, default=20, help="features of `fit`, `boosting` and `forest` (default 20)")
    parser.add_argument("--taxi-rows", type=int, default=10_000)
    parser.add_argument("--automl-seconds", type=float, default=30, help="the budget of each fit of `automl` (default 30)")
    parser.add_argument("--automl-seeds", type=int, default=3, help="how often `automl` splits each data set anew (default 3)")
    parser.add_argument("--automl-first", type=int, default=0, help="the first seed of `automl`, to go on where an earlier run ended (default 0)")
    parser.add_argument("--automl-data", nargs="*", default=[], metavar="FILE:TARGET:KIND", help="files for `automl` in place of its own sets")
    parser.add_argument("--automl-positive", default='"yes"', help="the positive class of those that are classifications")
    parser.add_argument("--serve-seconds", type=int, default=10, help="how long `served` loads each server (default 10)")
    parser.add_argument("--serve-requests", type=int, default=1_000_000, help="requests after which `served` looks at the memory again (default 1 million)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median is shown (default 3)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas (default: all)")
    parser.add_argument("--temp", help="where the data is made (default: the system's place)")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := sorted(set(wanted) - set(PARTS)):
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if not os.access(options.program, os.X_OK):
        parser.error(f"no program at {options.program}: `cargo build --release` makes it")
    options.program = os.path.abspath(options.program)
    for name in ("RECIPE_PROFILE", "RECIPE_CACHE_DIR"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(dir=options.temp) as temp:
        os.environ["BENCH_TEMP"] = temp
        bench = Bench(options, temp)
        version = subprocess.run([options.program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        print(f"{version}, {os.cpu_count()} cores")
        for name, part in PARTS.items():
            if name in wanted:
                part(bench)


if __name__ == "__main__":
    main()
