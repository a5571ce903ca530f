# SPDX-License-Identifier: GPL-3.0-or-later
"""A small bookshop, in each engine and environment. dev and prod differ in numbers and names, so that a mix-up would be seen."""

from __future__ import annotations

import datetime
import random

import psycopg
import pymongo
from psycopg import sql

from demo import postgres
from demo.state import State

ENVIRONMENTS = {"dev": (8, 40), "prod": (60, 900)}  # customers, orders
TITLES = [
    *("The Cartographer's Daughter", "A Field Guide to Rain", "Salt and Timber", "Night Trains of Europe", "The Patient Gardener", "Small Engines"),
    *("Letters from the Lighthouse", "On Bread", "The Last Harbour", "Arithmetic for Poets", "Winter Orchards", "A History of Doors"),
]
CITIES = ["Lisbon", "Tallinn", "Ghent", "Turin", "Cork", "Graz", "Bergen", "Porto"]
FIRST = ["Ada", "Bo", "Chiara", "Dov", "Elif", "Femke", "Goran", "Hana", "Ines", "Jonas"]
LAST = ["Almeida", "Berg", "Conti", "Dupont", "Eriksen", "Fischer", "García", "Horvat"]
OPINIONS = ["Could not put it down.", "Lovely, if a little long.", "My mother wants it back.", "Better than the first one.", "Not for me.", "Read it twice."]

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text NOT NULL, since date NOT NULL);
CREATE TABLE products (id int PRIMARY KEY, title text NOT NULL, price numeric(8, 2) NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, product_id int NOT NULL REFERENCES products,
                     quantity int NOT NULL, ordered_at timestamptz NOT NULL);
"""


def load_postgres(state: State) -> None:
    """Once for each environment; one transaction, so that an interrupted load leaves nothing."""
    with postgres.admin(state) as connection:
        known = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for environment in ENVIRONMENTS:
            if f"shop_{environment}" not in known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"shop_{environment}")))
    for environment, (customers, orders) in ENVIRONMENTS.items():
        with postgres.admin(state, f"shop_{environment}") as connection:
            if connection.execute("SELECT to_regclass('orders')").fetchone()[0] is None:
                with connection.transaction():
                    _fill(connection, environment, customers, orders)


def _fill(connection: psycopg.Connection, environment: str, customers: int, orders: int) -> None:
    draw = random.Random(environment)  # the same shop on every machine
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    connection.execute(SCHEMA)
    with connection.cursor() as cursor:
        rows = [(n, f"{draw.choice(FIRST)} {draw.choice(LAST)}", draw.choice(CITIES), start.date()) for n in range(1, customers + 1)]
        cursor.executemany("INSERT INTO customers VALUES (%s, %s, %s, %s)", rows)
        mark = " (test edition)" if environment == "dev" else ""
        cursor.executemany("INSERT INTO products VALUES (%s, %s, %s)", [(n, title + mark, 9 + n) for n, title in enumerate(TITLES, 1)])
        rows = [
            (n, draw.randint(1, customers), draw.randint(1, len(TITLES)), draw.randint(1, 4), start + datetime.timedelta(hours=draw.randint(1, 7000)))
            for n in range(1, orders + 1)
        ]
        cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s, %s)", rows)


def load_mongodb(client: pymongo.MongoClient) -> None:
    """Once for each environment; the marker is written last."""
    for environment, (_customers, orders) in ENVIRONMENTS.items():
        database = client[f"shop_{environment}"]
        if database["events"].count_documents({"kind": "loaded"}):
            continue
        draw = random.Random(environment)
        for name in ("reviews", "events"):
            database[name].delete_many({})
        database["reviews"].insert_many(
            [
                {"_id": n, "title": draw.choice(TITLES), "stars": draw.randint(1, 5), "text": draw.choice(OPINIONS), "environment": environment}
                for n in range(1, orders // 10 + 1)
            ]
        )
        database["events"].insert_one({"_id": 1, "kind": "loaded", "environment": environment})
