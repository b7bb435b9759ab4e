from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


def derived(rows):
    rows = rows.copy()
    pickup, dropoff = rows["pickup_zip"], rows["dropoff_zip"]
    minutes = (rows["dropoff_datetime"] - rows["pickup_datetime"]).dt.total_seconds() / 60
    rows["crosses_river"] = ((pickup == "07302") != (dropoff == "07302")).astype(float)
    flat = ((pickup == "11430") & dropoff.str.startswith("10")) | ((dropoff == "11430") & pickup.str.startswith("10"))
    rows["flat_fare"] = flat.astype(float)
    rows["metered_miles"] = rows["trip_distance"] * (1 - rows["flat_fare"])
    rows["metered_minutes"] = (minutes * (1 - rows["flat_fare"])).clip(0, 120)
    rows["hour"] = rows["pickup_datetime"].dt.hour
    rows["day_of_week"] = rows["pickup_datetime"].dt.dayofweek
    return rows


def transformer():
    rare = OneHotEncoder(min_frequency=0.02, handle_unknown="infrequent_if_exist", sparse_output=False)
    paid = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="unknown"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    number = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer([
        ("zips", rare, ["pickup_zip", "dropoff_zip"]),
        ("paid", paid, ["payment_type"]),
        ("moment", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["hour", "day_of_week"]),
        ("numbers", number, ["metered_miles", "metered_minutes", "passenger_count"]),
        ("flags", "passthrough", ["crosses_river", "flat_fare"]),
    ])
    return Pipeline([("derived", FunctionTransformer(derived)), ("columns", columns)])
