import pandas


def load(path, _format):
    return pandas.read_csv(
        path, dtype={"pickup_zip": str, "dropoff_zip": str}, parse_dates=["pickup_datetime", "dropoff_datetime"]
    )
