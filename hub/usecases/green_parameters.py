"""What a county sets for green certificates: a version of parameters, in force from an interval."""

from sqlmodel import Session

from edge.contract.interval import day_of_interval
from hub.market.green.certificates import CertificateRules
from hub.market.registry.periods import Period
from hub.store.parameters import NoParametersError, load_parameters

KIND = "green"
"""The kind of the version in the store: wh_per_certificate, validity_months."""

_NAMES = {"wh_per_certificate", "validity_months"}


def load_certificate_rules(session: Session, interval: int) -> CertificateRules:
    """Return the rules that hold in the interval; their document is the version's id.

    :raises hub.store.parameters.NoParametersError: if none do, or the version is not whole
    """
    version_id, values = load_parameters(session, KIND, interval)
    if values.keys() != _NAMES:
        raise NoParametersError(
            f"parameter version {version_id!r}: {min(values.keys() ^ _NAMES)} is missing or unknown"
        )
    return CertificateRules(
        period=Period(day_of_interval(interval)),
        document=version_id,
        issuer="",
        wh_per_certificate=values["wh_per_certificate"],
        validity_months=values["validity_months"],
    )
