"""The same hour on PostgreSQL: another store, the same result to the byte."""

import psycopg


def test_the_same_result_on_postgresql(postgresql_cluster, run_noon, noon):
    with psycopg.connect(f"{postgresql_cluster}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE demo")
    other = run_noon("--database", f"{postgresql_cluster}/demo").succeeded()
    assert not (other.run / "hub" / "hub.db").exists()
    assert other.summary["result_hash"] == noon.summary["result_hash"]
    for name in ("money_nano_yuan", "energy_wh", "traded_wh", "setpoints", "violations", "orders", "laws"):
        assert other.summary[name] == noon.summary[name], name
    with psycopg.connect(f"{postgresql_cluster}/demo") as connection:
        (readings,) = connection.execute("SELECT count(DISTINCT (meter, read_instant_utc_s)) FROM reading").fetchone()
    assert readings == other.summary["readings"]["admitted"]
