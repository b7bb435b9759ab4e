#!/usr/bin/env python3
"""Writes the sample data of this project. Every row is invented here.

    python3 data/make.py            write all files
    python3 data/make.py --check    write nothing, say which files differ (exit code 1 if any)

Python's standard library is enough. Each table has a seed of its own, and all chance comes from
`random.Random(seed).random()`, whose sequence is the same in every Python 3; so the files are too.
Run it again after a change here, and look at the difference: the files are plain text.
"""

import io
import math
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Chance:
    """Draws from one seeded sequence."""

    def __init__(self, seed):
        self.uniform = random.Random(seed).random

    def between(self, low, high):
        return low + (high - low) * self.uniform()

    def whole(self, low, high):
        """A whole number from low to high, both possible."""
        return low + int(self.uniform() * (high - low + 1))

    def normal(self, mean=0.0, deviation=1.0):
        # Box and Muller (1958), one of the pair.
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self.uniform())

    def chance(self, share):
        return self.uniform() < share

    def pick(self, weights):
        """A key of a map, as often as its weight says."""
        point = self.uniform() * sum(weights.values())
        for key, weight in weights.items():
            point -= weight
            if point < 0:
                return key
        return key


def logistic(x):
    return 1.0 / (1.0 + math.exp(-x))


def half(x):
    """To the nearest half."""
    return math.floor(x * 2.0 + 0.5) / 2.0


# ---------------------------------------------------------------- taxi trips

# Zip code: miles east and north of the city's middle, and how busy it is. 07302 begins with a zero on purpose.
ZONES = {
    "10001": (-0.6, 0.2, 9), "10002": (0.5, -2.3, 4), "10003": (0.2, -1.2, 8), "10009": (0.9, -1.6, 3),
    "10010": (0.3, -0.7, 6), "10011": (-0.5, -0.7, 9), "10012": (0.0, -1.8, 6), "10013": (-0.2, -2.5, 5),
    "10014": (-0.6, -1.4, 5), "10016": (0.5, 0.0, 8), "10017": (0.5, 0.5, 7), "10018": (-0.3, 0.5, 7),
    "10019": (-0.5, 1.1, 9), "10021": (0.6, 1.7, 8), "10022": (0.5, 0.9, 8), "10023": (-0.7, 1.8, 7),
    "10024": (-0.7, 2.4, 5), "10025": (-0.7, 3.2, 4), "10027": (-0.6, 4.0, 2), "10028": (0.6, 2.2, 6),
    "10036": (-0.4, 0.8, 8), "10065": (0.6, 1.3, 7), "10110": (-0.1, 0.6, 3), "10128": (0.6, 2.7, 5),
    "11101": (2.3, 0.2, 2), "11201": (0.6, -4.2, 2), "11211": (2.4, -2.4, 2), "11371": (6.6, 1.6, 4),
    "11430": (11.0, -7.6, 4), "07302": (-3.0, -2.9, 1),
}
AIRPORT = "11430"
FLAT_FARE = 52.0
# Trips by hour of the day.
BUSY = [31, 22, 15, 10, 8, 9, 20, 34, 43, 44, 42, 44, 47, 46, 48, 46, 40, 47, 57, 60, 56, 55, 52, 42]
METHODS = {"card": 66, "cash": 31, "voucher": 2, "no_charge": 1}


def miles_per_hour(moment, chance):
    """Slow by day and on workdays; streets differ."""
    by_hour = 17.0 - 7.5 * math.exp(-(((moment.hour - 13.5) / 5.5) ** 2))
    weekend = 1.15 if moment.isoweekday() >= 6 else 1.0
    return max(3.5, by_hour * weekend * math.exp(chance.normal(0.0, 0.22)))


def taxi_trip(chance, first, days):
    day = chance.whole(0, days - 1)
    hour = chance.pick(dict(enumerate(BUSY)))
    pickup = first + timedelta(days=day, hours=hour, seconds=chance.whole(0, 3599))
    start = chance.pick({name: zone[2] for name, zone in ZONES.items()})
    x, y, _ = ZONES[start]
    # People mostly stay near; some cross the city.
    pull = {name: zone[2] * math.exp(-(abs(zone[0] - x) + abs(zone[1] - y)) / 2.2) + 0.06 * zone[2] for name, zone in ZONES.items()}
    end = chance.pick(pull)
    blocks = abs(ZONES[end][0] - x) + abs(ZONES[end][1] - y) if end != start else 0.7
    miles = max(0.2, (blocks + 0.15) * math.exp(chance.normal(0.05, 0.16)))
    fast = 1.7 if miles > 6 else 1.0
    minutes = miles / (miles_per_hour(pickup, chance) * fast) * 60.0 + 1.0
    # The tariff: a start, a rate a mile, a rate a minute, a flat fare between the airport and the middle.
    middle = start.startswith("10") or end.startswith("10")
    if AIRPORT in (start, end) and middle:
        fare = FLAT_FARE
    else:
        fare = 2.50 + 2.00 * miles + 0.42 * minutes + (15.0 if ("07302" == start) != ("07302" == end) else 0.0)
        fare = max(2.5, half(fare * math.exp(chance.normal(0.0, 0.05))))
    return {
        "pickup_datetime": pickup,
        "dropoff_datetime": pickup + timedelta(seconds=int(minutes * 60)),
        "trip_distance": round(miles, 2),
        "fare_amount": fare,
        "pickup_zip": start,
        "dropoff_zip": end,
        "passenger_count": chance.pick({1: 71, 2: 14, 3: 4, 4: 2, 5: 5, 6: 4}),
        "payment_type": chance.pick(METHODS),
    }


def spoil_taxi(row, chance):
    """What a real meter's export has in it as well."""
    if chance.chance(0.012):
        row["passenger_count"] = None
    if chance.chance(0.004):
        row["payment_type"] = None
    if "fare_amount" in row and chance.chance(0.002):
        row["fare_amount"] = None
    if chance.chance(0.005):
        kind = chance.whole(0, 4)
        if kind == 0:
            row["fare_amount"] = -row["fare_amount"] if row["fare_amount"] else -3.5
        elif kind == 1:
            row["fare_amount"] = 0.0
        elif kind == 2:
            row["trip_distance"] = 0.0
        elif kind == 3:
            row["fare_amount"] = float(chance.whole(900, 2500))
        else:
            # The meter ran on through the night.
            row["dropoff_datetime"] = row["pickup_datetime"] + timedelta(minutes=chance.whole(1300, 1439))


def taxi():
    chance = Chance(1)
    rows = [taxi_trip(chance, datetime(2016, 1, 1), 60) for _ in range(5000)]
    rows.sort(key=lambda row: row["pickup_datetime"])
    for row in rows:
        spoil_taxi(row, chance)
    return rows


def taxi_new():
    chance = Chance(2)
    rows = [taxi_trip(chance, datetime(2016, 3, 1), 7) for _ in range(300)]
    rows.sort(key=lambda row: row["pickup_datetime"])
    for row in rows:
        del row["fare_amount"]
        if chance.chance(0.012):
            row["passenger_count"] = None
    return rows


# ---------------------------------------------------------------- passengers

PORTS = {"Northport": 0.70, "Eastquay": 0.20, "Westhaven": 0.10}


def party(chance, number):
    """The people on one ticket: one alone, friends, a couple, or a family."""
    travel_class = chance.pick({1: 24, 2: 21, 3: 55})
    kind = chance.pick({"alone": 72, "friends": 5, "couple": 11, "family": 12})
    port = chance.pick(PORTS)
    ticket = f"{chance.pick({'N': 6, 'E': 2, 'W': 1})}{travel_class}-{10000 + number * 7 % 89989}"
    price = {1: 38.0, 2: 14.0, 3: 8.0}[travel_class] * math.exp(chance.normal(0.0, {1: 0.55, 2: 0.25, 3: 0.12}[travel_class]))
    base_age = {1: 38, 2: 31, 3: 26}[travel_class]
    grown = lambda: min(78.0, max(16.0, chance.normal(base_age, 12.0)))
    people = []
    if kind in ("alone", "friends"):
        size = 1 if kind == "alone" else chance.whole(2, 3)
        for _ in range(size):
            people.append(("male" if chance.chance(0.72) else "female", grown(), 0, 0))
    else:
        children = chance.whole(1, 4) if kind == "family" else 0
        parents = 2 if kind == "couple" or chance.chance(0.65) else 1
        age = grown() if kind == "couple" else min(52.0, max(20.0, chance.normal(34.0, 7.0)))
        for i in range(parents):
            sex = ("male", "female")[i] if parents == 2 else "female"
            people.append((sex, max(17.0, age + chance.normal(0.0, 3.0)), parents - 1, children))
        for _ in range(children):
            people.append(("male" if chance.chance(0.5) else "female", chance.between(0.5, 15.0), children - 1, parents))
    fate = chance.normal(0.0, 0.5)
    rows = []
    for sex, age, siblings, parents in people:
        child = age < 13
        size = siblings + parents
        # Women, children and the upper decks first; large families stay together.
        push = -1.75 + 2.5 * (sex == "female") + {1: 1.05, 2: 0.25, 3: -0.5}[travel_class] + 1.6 * child
        push += -0.018 * (age - 30) - 0.45 * max(0, size - 3) - 0.5 * (sex == "female" and travel_class == 3) + 0.25 * (port == "Eastquay")
        rows.append({
            "travel_class": travel_class,
            "sex": sex,
            "age": half(age) if age < 2 else float(round(age)),
            "siblings_spouses": siblings,
            "parents_children": parents,
            "ticket": ticket,
            "fare": round(price * len(people), 2),
            "port": port,
            "survived": int(chance.chance(logistic(1.35 * push + fate))),
        })
    return rows


def ship(chance, count, first, number):
    rows = []
    while len(rows) < count:
        number += 1
        rows += party(chance, number)
    del rows[count:]
    # Parties are mixed, as on a list by name.
    order = sorted(range(count), key=lambda _: chance.uniform())
    rows = [{"passenger_id": first + i, **rows[j]} for i, j in enumerate(order)]
    for row in rows:
        if chance.chance(0.10 if row["travel_class"] == 1 else 0.22):
            row["age"] = None
        if chance.chance(0.003):
            row["port"] = None
    return rows


def passengers():
    return ship(Chance(3), 900, 1, 0)


def passengers_new():
    rows = ship(Chance(4), 300, 901, 2000)
    for row in rows:
        del row["survived"]
    return rows


# ---------------------------------------------------------------- wines

# Mean and deviation a cultivar, and how much of it goes with the ripeness of the year.
CHEMISTRY = {
    #                    aurelia         brunella        corvetta       ripeness  digits
    "alcohol":         ((13.7, 0.50), (12.4, 0.55), (13.1, 0.52), 0.5, 2),
    "malic_acid":      ((2.0, 0.65), (1.95, 0.85), (3.2, 1.00), -0.4, 2),
    "ash":             ((2.45, 0.24), (2.26, 0.30), (2.43, 0.20), 0.1, 2),
    "alkalinity":      ((17.2, 2.50), (20.1, 3.30), (21.3, 2.40), -0.3, 1),
    "magnesium":       ((105.0, 11.0), (95.0, 16.0), (99.0, 11.0), 0.1, 0),
    "phenols":         ((2.80, 0.40), (2.28, 0.52), (1.75, 0.42), 0.5, 2),
    "flavanoids":      ((2.90, 0.50), (2.12, 0.68), (0.95, 0.42), 0.5, 2),
    "proanthocyanins": ((1.88, 0.42), (1.62, 0.56), (1.18, 0.42), 0.3, 2),
    "color_intensity": ((5.4, 1.25), (3.2, 1.00), (7.1, 2.10), 0.4, 2),
    "hue":             ((1.06, 0.12), (1.05, 0.19), (0.71, 0.13), -0.2, 2),
    "dilution":        ((3.12, 0.38), (2.76, 0.48), (1.75, 0.32), 0.3, 2),
    "proline":         ((1080.0, 220.0), (540.0, 170.0), (640.0, 130.0), 0.4, 0),
}
CULTIVARS = {"aurelia": 165, "brunella": 205, "corvetta": 140}


def wine_list(chance, part):
    rows = []
    for place, (cultivar, count) in enumerate(CULTIVARS.items()):
        for _ in range(round(count * part)):
            ripeness = chance.normal()
            row = {"cultivar": cultivar}
            for name, (*kinds, share, digits) in CHEMISTRY.items():
                mean, deviation = kinds[place]
                own = chance.normal()
                value = mean + 1.25 * deviation * (share * ripeness + math.sqrt(1 - share * share) * own)
                value = max(value, 0.2 * mean)
                row[name] = round(value, digits) if digits else round(value)
            if chance.chance(0.03):
                row[chance.pick({"malic_acid": 1, "phenols": 1, "proline": 1})] = None
            rows.append(row)
    return sorted(rows, key=lambda _: chance.uniform())


def wines():
    return wine_list(Chance(5), 1.0)


def wines_new():
    rows = wine_list(Chance(8), 0.4)
    for row in rows:
        del row["cultivar"]
    return rows


# ---------------------------------------------------------------- for the templates

DISTRICTS = {"harbour": 1.10, "old_town": 1.28, "hillside": 1.18, "garden_city": 1.0, "station": 0.86, "riverside": 1.05}


def houses():
    chance = Chance(6)
    rows = []
    for number in range(1, 321):
        kind = chance.pick({"flat": 5, "terraced": 3, "detached": 2})
        district = chance.pick({name: 1 for name in DISTRICTS})
        area = max(28.0, chance.normal({"flat": 72.0, "terraced": 112.0, "detached": 148.0}[kind], 24.0))
        built = chance.whole(1900, 2019)
        garden = kind != "flat" or chance.chance(0.15)
        metro = min(9.0, max(0.1, math.exp(chance.normal(0.3, 0.7))))
        sold = datetime(2024, 1, 1) + timedelta(days=chance.whole(0, 364))
        price = 28000 + 2450 * area * DISTRICTS[district] - 520 * (2020 - built) * 0.6 + 14000 * garden - 6500 * metro
        price *= {"flat": 1.0, "terraced": 0.97, "detached": 1.08}[kind] * math.exp(chance.normal(0.0, 0.09)) * (1 + 0.00012 * sold.timetuple().tm_yday)
        rows.append({
            "house_id": f"H{number:04d}",
            "sold_on": sold.date(),
            "district": district,
            "kind": kind,
            "area_m2": round(area, 1),
            "rooms": max(1, round(area / 26 + chance.normal(0.0, 0.6))),
            "built": None if chance.chance(0.05) else built,
            "has_garden": garden,
            "metro_km": round(metro, 1),
            "price": max(40000, round(price / 500) * 500),
        })
    return rows


def customers():
    chance = Chance(7)
    rows = []
    for number in range(1, 401):
        plan = chance.pick({"basic": 5, "plus": 3, "pro": 2})
        months = max(1, int(-22 * math.log(1 - chance.uniform())))
        fee = {"basic": 9.0, "plus": 19.0, "pro": 39.0}[plan] * (0.8 if chance.chance(0.25) else 1.0)
        yearly = chance.chance(0.15 + 0.1 * (plan == "pro") + 0.004 * min(months, 40))
        tickets = int(max(0.0, chance.normal(1.1, 1.5)))
        logins = max(0.0, chance.normal({"basic": 6.0, "plus": 11.0, "pro": 17.0}[plan], 4.5))
        push = -0.35 - 0.045 * months - 1.5 * yearly + 0.55 * tickets - 0.16 * (logins - 9.0) + 0.02 * fee
        rows.append({
            "customer_id": f"C{number:05d}",
            "plan": plan,
            "region": chance.pick({"north": 3, "east": 2, "south": 3, "west": 2}),
            "months": months,
            "monthly_fee": round(fee, 2),
            "yearly_contract": yearly,
            "logins_per_month": round(logins, 1) if not chance.chance(0.04) else None,
            "support_tickets": tickets,
            "churned": "yes" if chance.chance(logistic(1.4 * push)) else "no",
        })
    return rows


# ---------------------------------------------------------------- writing

FILES = {
    "data/taxi.csv": taxi,
    "data/taxi_new.csv": taxi_new,
    "data/passengers.csv": passengers,
    "data/passengers_new.csv": passengers_new,
    "data/wines.csv": wines,
    "data/wines_new.csv": wines_new,
    "templates/regression/v1/data/houses.csv": houses,
    "templates/classification/v1/data/customers.csv": customers,
}


def cell(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


def as_csv(rows):
    """No value here holds a comma, a quote or a line end, so none is quoted."""
    text = io.StringIO()
    text.write(",".join(rows[0]) + "\n")
    for row in rows:
        text.write(",".join(cell(value) for value in row.values()) + "\n")
    return text.getvalue()


def main(arguments):
    if arguments not in ([], ["--check"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    differ = []
    for name, make in FILES.items():
        rows = make()
        bytes_made = as_csv(rows).encode()
        path = ROOT / name
        if path.is_file() and path.read_bytes() == bytes_made:
            continue
        differ.append(name)
        if not arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes_made)
            print(f"{name}: {len(rows)} rows, {len(bytes_made)} bytes")
    if arguments and differ:
        print("differ from what this script makes: " + ", ".join(differ))
    return 1 if arguments and differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
