"""The first screen's document: what it shows of a running day, of a finished one, and of nothing."""


def test_overview_of_a_running_day(running, county_day):
    overview = running.get("/api/v1/overview").json()
    assert overview["day"] == "2016-05-17"
    assert overview["county"] == "demo"
    assert overview["current"]["label"] == "13:00"
    assert overview["last_settled"]["label"] == "12:30"
    assert overview["last_cleared"]["label"] == "13:00"
    assert overview["last_cleared"]["prices"]["root_uyuan_per_kwh"] == county_day.root_price(county_day.FIRST + 51)
    assert overview["totals"]["settled_intervals"] == 50
    assert overview["totals"]["account_sum_yuan"] == "0.000000000"
    assert overview["registry"]["metering_points"] == 241


def test_what_is_not_known_is_null_and_never_zero(running):
    series = running.get("/api/v1/overview").json()["series"]
    assert series["label"][0] == "00:15"
    assert series["label"][95] == "24:00"
    assert series["stage"][49:53] == ["settled", "cleared", "cleared", "none"]
    assert series["real_time_uyuan_per_kwh"][49] is not None
    assert series["real_time_uyuan_per_kwh"][50] is None
    assert series["metered_import_wh"][50] is None
    assert series["root_uyuan_per_kwh"][52] is None
    assert series["vm_max_upu"][51] is not None
    assert series["vm_max_upu"][52] is None


def test_imbalance_is_metered_less_scheduled_exchange(running):
    exchange = running.get("/api/v1/overview").json()["last_settled"]["exchange"]
    metered = exchange["metered_import_wh"] - exchange["metered_export_wh"]
    scheduled = exchange["scheduled_import_wh"] - exchange["scheduled_export_wh"]
    assert exchange["deviation_wh"] == metered - scheduled
    assert exchange["deviation_wh"] != 0


def test_worst_values_come_with_the_name_of_the_element(running):
    metered = running.get("/api/v1/overview").json()["last_settled"]["metered"]
    assert metered["vm_max_bus"] == "LV07.201 Bus 12"
    assert metered["loading_max_element"] == "MV1.101-LV07.201-Trafo 1"


def test_modes_of_the_day_add_up_over_the_intervals(running):
    overview = running.get("/api/v1/overview").json()
    intervals = running.get("/api/v1/results/day").json()["intervals"]
    for volume in overview["totals"]["modes"]:
        parts = [mode["energy_wh"] for one in intervals for mode in one["modes"] if mode["mode"] == volume["mode"]]
        assert volume["energy_wh"] == sum(parts)
        assert 0 <= volume["to_province_wh"] <= volume["energy_wh"]
    assert [volume["mode"] for volume in overview["totals"]["modes"]] == [0, 1, 2, 3]


def test_a_gateway_without_fresh_data_is_missing(client_of, running_url):
    late = client_of(running_url, at=53).get("/api/v1/overview").json()["data"]
    assert late["age_s"] == 3 * 900
    assert len(late["missing"]) == late["gateways"] == 21
    fresh = client_of(running_url, at=51).get("/api/v1/overview").json()["data"]
    assert fresh["age_s"] == 900
    assert fresh["missing"] == []


def test_the_end_of_the_day_shows_the_day_that_ended(closed):
    overview = closed.get("/api/v1/overview").json()
    assert overview["day"] == "2016-05-17"
    assert overview["current"] is None
    assert overview["totals"]["settled_intervals"] == 96
    assert overview["totals"]["account_sum_yuan"] == "0.000000000"


def test_an_empty_hub_shows_nothing_but_says_so(client_of, empty_url):
    overview = client_of(empty_url, at=3).get("/api/v1/overview").json()
    assert overview["county"] is None
    assert overview["last_cleared"] is None
    assert overview["data"]["age_s"] is None
    assert overview["totals"]["account_sum_yuan"] is None
    assert overview["totals"]["loss_wh"] is None
    assert set(overview["series"]["stage"]) == {"none"}


def test_another_day_can_be_asked_for(running):
    overview = running.get("/api/v1/overview", params={"day": "2016-05-18"}).json()
    assert overview["day"] == "2016-05-18"
    assert overview["last_cleared"] is None
