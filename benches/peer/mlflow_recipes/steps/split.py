import pandas


def keep(rows):
    return (
        rows["fare_amount"].between(2.5, 200)
        & (rows["trip_distance"] > 0)
        & (rows["trip_distance"] < 50)
        & (rows["dropoff_datetime"] - rows["pickup_datetime"] < pandas.Timedelta(hours=3))
    )
