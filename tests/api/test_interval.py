"""One interval's result: the tree in order, the curves, what limited the sellers."""

API = "/api/v1"


def test_units_follow_their_parents(running):
    units = running.get(f"{API}/units").json()
    assert [unit["unit"] for unit in units][:4] == ["county", "station", "F1", "A001"]
    depth = {}
    for unit in units:
        assert unit["depth"] == (depth[unit["parent"]] + 1 if unit["parent"] else 0)
        depth[unit["unit"]] = unit["depth"]
    assert sum(unit["metering_points"] for unit in units) == 241
    assert units[3]["elements"] == ["MV1.101-LV01.201-Trafo 1"]


def test_binding_edges_carry_their_limit_and_a_shadow_price(running, county_day):
    result = running.get(f"{API}/intervals/{county_day.FIRST + 49}").json()
    binding = [unit for unit in result["units"] if unit["binds"]]
    assert len(binding) == result["limitation"]["binding_export_edges"] == 3
    for unit in binding:
        assert unit["binds"] == "export"
        assert unit["flow_up_wh"] == unit["export_limit_wh"]
        assert unit["shadow_uyuan_per_kwh"] < 0


def test_curves_are_in_merit_order_and_hold_all_accepted_energy(running, county_day):
    interval = county_day.FIRST + 49
    result = running.get(f"{API}/intervals/{interval}").json()
    orders = running.get(f"{API}/orders", params={"interval": interval, "limit": 1000}).json()["items"]
    for side, curve, descending in (("SELL", result["supply"], False), ("BUY", result["demand"], True)):
        prices = [point["price_uyuan_per_kwh"] for point in curve]
        assert prices == sorted(set(prices), reverse=descending)
        accepted = [order for order in orders if order["side"] == side and order["status"] == "ACCEPTED"]
        assert curve[-1]["cumulative_wh"] == sum(order["energy_wh"] for order in accepted)
        assert sum(point["filled_wh"] for point in curve) == sum(order["filled_wh"] for order in accepted)


def test_what_limited_the_sellers_is_listed(running, county_day):
    interval = county_day.FIRST + 49
    limitation = running.get(f"{API}/intervals/{interval}").json()["limitation"]
    setpoints = running.get(f"{API}/intervals/{interval}/setpoints").json()["items"]
    curtailments = running.get(f"{API}/intervals/{interval}/curtailments").json()["items"]
    violations = running.get(f"{API}/intervals/{interval}/violations").json()["items"]
    assert len(setpoints) == limitation["setpoints"] == limitation["setpoints_answered_ok"] == 9
    assert {one["outcome"] for one in setpoints} == {"ok"}
    assert sum(one["curtailed_wh"] for one in curtailments) == limitation["curtailed_wh"] == 820
    assert [one["kind"] for one in violations] == ["current", "voltage_high", "voltage_high"]
    assert [one["stage"] for one in violations] == ["expected", "expected", "metered"]


def test_an_interval_at_night_is_limited_by_nothing(running, county_day):
    interval = county_day.FIRST + 4
    result = running.get(f"{API}/intervals/{interval}").json()
    assert result["limitation"]["setpoints"] == 0
    assert [one["binds"] for one in result["units"] if one["binds"]] == []
    assert [volume["mode"] for volume in result["modes"]] == [0]


def test_pairs_name_their_parties(running, county_day):
    pairs = running.get(f"{API}/intervals/{county_day.FIRST + 49}/pairs").json()["items"]
    assert [pair["seller_party"] for pair in pairs] == ["PROVINCE", "DIRECT", "COMMISSION", "PURCHASE"]
    assert {pair["apex"] for pair in pairs} == {"county"}
