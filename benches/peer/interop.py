"""Exported models in the programs that they are for: onnxruntime, DuckDB, PostgreSQL, Spark's SQL as Sail runs it.

    ~/.cache/recipe/peer-interop/bin/python benches/peer/interop.py FOLDER

Each folder in FOLDER holds rows.json (inputs, the predictions that are wanted) beside model.onnx, duckdb.sql, postgres.sql, spark.sql, as far as
there are any. Prints as JSON what ran and what differs. PostgreSQL is started on a socket in a temporary folder where it is installed, Sail on a
free port of this machine.
"""

import datetime
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

import duckdb
import numpy
import onnx
import onnxruntime

TYPES = {"number": "DOUBLE PRECISION", "boolean": "BOOLEAN", "text": "VARCHAR", "date": "DATE", "datetime": "TIMESTAMP", "time": "TIME"}


def for_database(kind, value):
    if value is None:
        return None
    if kind == "boolean":
        return bool(value)
    if kind in ("date", "datetime", "time"):
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=round(value * 1e6))
        return moment.date() if kind == "date" else moment if kind == "datetime" else moment.time()
    return value


def rows_of(case):
    kinds = case["kinds"]
    columns = [[for_database(kinds[name], value) for value in values] for name, values in case["inputs"].items()]
    return list(zip(*columns)) if columns else [() for _ in range(case["rows"])]


def by_onnx(folder, case):
    onnx.checker.check_model(onnx.load(folder / "model.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    missing = session.get_modelmeta().custom_metadata_map["recipe.missing_text"]
    given = {}
    for declared in session.get_inputs():
        values = case["inputs"][declared.name]
        if declared.type == "tensor(string)":
            given[declared.name] = numpy.array([missing if value is None else value for value in values], dtype=object)
        else:
            given[declared.name] = numpy.array([numpy.nan if value is None else value for value in values], dtype=numpy.float64)
    names = [declared.name for declared in session.get_outputs()]
    found = dict(zip(names, session.run(names, given)))
    return {name: [None if value == missing else value for value in values.tolist()] for name, values in found.items()}


def by_database(run, script, case, mark):
    names = ['"' + name.replace('"', '""') + '"' for name in case["inputs"]]
    columns = ["at_row INTEGER"] + [f"{name} {TYPES[kind]}" for name, kind in zip(names, case["kinds"].values())]
    run("DROP TABLE IF EXISTS input", None)
    run(f"CREATE TABLE input ({', '.join(columns)})", None)
    marks = ", ".join([mark] * len(columns))
    for place, row in enumerate(rows_of(case)):
        run(f"INSERT INTO input VALUES ({marks})", [place, *row])
    names = ["at_row", *case["order"]]
    found = run(f"SELECT * FROM ({script}) AS scored ORDER BY at_row", None)
    return {name: [row[i] for row in found] for i, name in enumerate(names)}


def by_spark(session, script, case):
    from pyspark.sql import types

    kinds = {"number": types.DoubleType, "boolean": types.BooleanType, "text": types.StringType, "date": types.DateType, "datetime": types.TimestampType}
    fields = [types.StructField("at_row", types.IntegerType())]
    fields += [types.StructField(name, kinds[kind]()) for name, kind in case["kinds"].items()]
    rows = [(place, *row) for place, row in enumerate(rows_of(case))]
    session.createDataFrame(rows, types.StructType(fields)).createOrReplaceTempView("input")
    found = sorted(session.sql(script).collect(), key=lambda row: row[0])
    return {name: [row[i + 1] for row in found] for i, name in enumerate(case["order"])}


def differs(case, found):
    for name, wanted in case["outputs"].items():
        if len(wanted) != len(found[name]):
            return f"{name}: {len(found[name])} rows in place of {len(wanted)}"
        for row, (ours, theirs) in enumerate(zip(wanted, found[name])):
            if isinstance(ours, str) and isinstance(theirs, float):
                # What JSON cannot say.
                same = float(ours) == theirs
            elif isinstance(ours, str) or isinstance(theirs, str):
                same = ours == theirs
            elif theirs is None or theirs != theirs or ours is None:
                same = ours is None and (theirs is None or theirs != theirs)
            else:
                same = abs(ours - float(theirs)) <= case["tolerance"] * max(1.0, abs(ours))
            if not same:
                return f"{name} in row {row + 1}: {theirs!r} in place of {ours!r}"
    return None


class Postgres:
    """A server of its own, on a socket in a temporary folder; it does not run as root, so there it is another user's."""

    def __init__(self):
        import psycopg2

        self.folder = tempfile.mkdtemp(prefix="recipe-postgres-")
        self.user = {"user": "postgres"} if os.geteuid() == 0 else {}
        if self.user:
            os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.folder, **self.user}
        data = self.folder + "/data"
        subprocess.run(["initdb", "--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C", "-U", "peer", "-D", data], **quiet)
        subprocess.run(["pg_ctl", "-w", "-D", data, "-o", f"-k {self.folder} -c listen_addresses='' -c fsync=off", "-l", self.folder + "/log", "start"], **quiet)
        self.quiet = quiet
        self.connection = psycopg2.connect(host=self.folder, user="peer", dbname="postgres")
        self.connection.autocommit = True

    def run(self, text, values):
        with self.connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else None

    def stop(self):
        self.connection.close()
        subprocess.run(["pg_ctl", "-D", self.folder + "/data", "-m", "immediate", "stop"], **self.quiet)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    ran, differ = {}, {}
    postgres, without = None, None
    if shutil.which("initdb") and shutil.which("pg_ctl"):
        try:
            postgres = Postgres()
        except (OSError, KeyError, ImportError, subprocess.CalledProcessError) as error:
            without = str(error)
    else:
        without = "PostgreSQL is not installed"
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    sail = SparkConnectServer("127.0.0.1", 0)
    sail.start(background=True)
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{sail.listening_address[1]}").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    database = duckdb.connect()
    run_duckdb = lambda text, values: database.execute(text, values).fetchall()
    for folder in sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.is_dir()):
        case = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
        ways = {
            "onnx": lambda: by_onnx(folder, case),
            "duckdb": lambda: by_database(run_duckdb, (folder / "duckdb.sql").read_text(encoding="utf-8"), case, "?"),
            "postgres": lambda: by_database(postgres.run, (folder / "postgres.sql").read_text(encoding="utf-8"), case, "%s"),
            "spark": lambda: by_spark(spark, (folder / "spark.sql").read_text(encoding="utf-8"), case),
        }
        for name, way in ways.items():
            file = folder / ("model.onnx" if name == "onnx" else f"{name}.sql")
            if not file.exists() or (name == "postgres" and postgres is None):
                continue
            try:
                found = differs(case, way())
            except Exception as error:
                found = f"{type(error).__name__}: {str(error)[:600]}"
            ran[name] = ran.get(name, 0) + 1
            if found:
                differ[f"{folder.name} by {name}"] = found
    if postgres:
        postgres.stop()
    spark.stop()
    sail.stop()
    print(json.dumps({"ran": ran, "without_postgres": without, "differ": differ}))


main()
