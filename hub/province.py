"""The one client of the provincial market. A real exchange replaces this file and nothing else.

Every call may be repeated: reading a price changes nothing, and a schedule or settlement is named by its interval.
"""

from dataclasses import dataclass

import httpx

_REFUSED = frozenset({409, 422})


class ProvinceUrlError(ValueError):
    """A text that is no URL of a provincial market."""


class ProvinceError(RuntimeError):
    """The provincial market did not answer, or refused; the message says which call and why."""


class ProvinceRefusalError(ProvinceError):
    """The provincial market understood and refused (409 or 422): saying it again would change nothing."""


@dataclass(frozen=True)
class ProvinceSettlement:
    """What the province settled for one interval; amounts as the province sees them: import is what it receives."""

    day_ahead_import_wh: int
    day_ahead_export_wh: int
    metered_import_wh: int
    metered_export_wh: int
    day_ahead_price_uyuan_per_kwh: int
    real_time_price_uyuan_per_kwh: int
    import_amount_nano_yuan: int
    export_amount_nano_yuan: int


class ProvinceClient:
    """The provincial market at `url`. Prices in micro-yuan/kWh, energy in Wh, money in nano-yuan.

    :raises ProvinceUrlError: if the URL is none
    """

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL()
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise ProvinceUrlError(f"{url!r} is not a provincial market; write http://host:port")
        self._http = httpx.Client(base_url=url, timeout=timeout_s)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def indicative_price(self, interval: int) -> int:
        """Return r, the indicative price that is published before the interval's gate closes.

        :raises ProvinceError: if it is not published or the province does not answer
        """
        return self._price("indicative", interval)

    def real_time_price(self, interval: int) -> int:
        """Return P_RT of an interval that is over.

        :raises ProvinceError: if the interval is not over or the province does not answer
        """
        return self._price("real-time", interval)

    def day_ahead_prices(self, day: str) -> list[int]:
        """Return the 96 day-ahead prices P_DA of an operating day (YYYY-MM-DD).

        :raises ProvinceError: if they are not published or the province does not answer
        """
        document = self._ask("GET", f"/v1/prices/day-ahead?day={day}", None)
        prices = document.get("price_uyuan_per_kwh")
        if not isinstance(prices, list) or len(prices) != 96:
            raise ProvinceError(f"day-ahead prices of {day}: expected 96 prices")
        if not all(isinstance(price, int) for price in prices):
            raise ProvinceError(f"day-ahead prices of {day}: a price is not an integer")
        return prices

    def submit_schedule(self, interval: int, import_wh: int, export_wh: int) -> None:
        """Hand over the county's exchange schedule of the interval.

        :raises ProvinceRefusalError: if the province refuses it, for example because the interval has begun
        :raises ProvinceError: if the province does not answer
        """
        self._ask("PUT", f"/v1/schedules/{interval}", {"import_wh": import_wh, "export_wh": export_wh})

    def settle(self, interval: int, import_wh: int, export_wh: int) -> ProvinceSettlement:
        """Report the gateway's metered energy of an interval and return what the province settles.

        :raises ProvinceError: if the province refuses it
        """
        body = {"import_wh": import_wh, "export_wh": export_wh}
        document = self._ask("POST", f"/v1/settlements/{interval}", body)
        numbers: dict[str, int] = {}
        for name in ProvinceSettlement.__dataclass_fields__:
            value = document.get(name)
            if not isinstance(value, int):
                raise ProvinceError(f"settlement of interval {interval}: {name} is missing in the answer")
            numbers[name] = value
        return ProvinceSettlement(**numbers)

    def _price(self, kind: str, interval: int) -> int:
        document = self._ask("GET", f"/v1/prices/{kind}?interval={interval}", None)
        price = document.get("price_uyuan_per_kwh")
        if not isinstance(price, int):
            raise ProvinceError(f"{kind} price of interval {interval}: the answer holds no price")
        return price

    def _ask(self, method: str, path: str, body: dict[str, int] | None) -> dict[str, object]:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ProvinceError(f"{method} {path}: {error}") from None
        if answer.status_code >= 400:
            kind = ProvinceRefusalError if answer.status_code in _REFUSED else ProvinceError
            raise kind(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        try:
            document = answer.json()
        except ValueError:
            raise ProvinceError(f"{method} {path}: the answer is no JSON") from None
        if not isinstance(document, dict):
            raise ProvinceError(f"{method} {path}: the answer is no JSON object")
        return document
