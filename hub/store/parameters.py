"""Versions of parameters with the interval from which they hold: price limits of sessions, tariffs and fees."""

from collections.abc import Mapping

from sqlmodel import Session, col, select

from hub.store.tables import ParameterRow, ParameterVersionRow


class NoParametersError(LookupError):
    """No version of the parameters holds in the interval."""


class ParametersChangedError(ValueError):
    """A version that is there already was to be written with other values; a change needs a new version id."""


def save_parameters(
    session: Session, *, kind: str, version_id: str, effective_from_interval: int, values: Mapping[str, int]
) -> None:
    """Write one version; writing the same version again changes nothing.

    :param kind: "session", "hosting" or "price"; versions of a kind follow each other
    :param values: parameter name, unit last -> value
    :raises ParametersChangedError: if the version is there with other values
    """
    present = session.get(ParameterVersionRow, version_id)
    if present is None:
        session.add(
            ParameterVersionRow(version_id=version_id, kind=kind, effective_from_interval=effective_from_interval)
        )
        session.flush()
        session.add_all(ParameterRow(version_id=version_id, name=name, value=values[name]) for name in sorted(values))
        session.flush()
        return
    same = (present.kind, present.effective_from_interval) == (kind, effective_from_interval)
    if not same or _values(session, version_id) != dict(values):
        raise ParametersChangedError(f"parameter version {version_id!r} is there with other values")


def load_parameters(session: Session, kind: str, interval: int) -> tuple[str, dict[str, int]]:
    """Return the id and the values by name of the version of `kind` that holds in the interval.

    :raises NoParametersError: if none does
    """
    version_id = session.exec(
        select(ParameterVersionRow.version_id)
        .where(col(ParameterVersionRow.kind) == kind, col(ParameterVersionRow.effective_from_interval) <= interval)
        .order_by(col(ParameterVersionRow.effective_from_interval).desc(), col(ParameterVersionRow.version_id).desc())
        .limit(1)
    ).one_or_none()
    if version_id is None:
        raise NoParametersError(f"no {kind} parameters hold in interval {interval}")
    return version_id, _values(session, version_id)


def _values(session: Session, version_id: str) -> dict[str, int]:
    rows = session.exec(select(ParameterRow).where(col(ParameterRow.version_id) == version_id)).all()
    return {row.name: row.value for row in rows}
