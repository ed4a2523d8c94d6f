"""The route of green energy: attributes bound and delivered on a day, and every plant's account of certificates."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlmodel import Session

from hub.api.conditional import json_response
from hub.api.context import Context, ReadSession
from hub.api.day_documents import shown_day
from hub.api.problems import RESPONSES
from hub.market.trades import Party
from hub.store.green import (
    EnteredTotal,
    PlantDay,
    read_entered_totals,
    read_green_volumes,
    read_plant_days,
    read_plant_energies,
)
from hub.store.parameters import NoParametersError
from hub.store.read_days import intervals_of_day
from hub.usecases.green_parameters import load_certificate_rules

router = APIRouter(tags=["market"], responses=RESPONSES)


class GreenVolumeDocument(BaseModel):
    """Attributes that one kind of buyer got in one mode. bound: at clearing; delivered: covered by plants' meters."""

    mode: int
    buyer: str = Field(examples=["DIRECT"])
    attributes: int
    bound_wh: int
    delivered_wh: int


class EnteredGreenMonth(BaseModel):
    """A month in the register of certificates: each plant's is entered once, when the month is over."""

    month: str = Field(examples=["2016-05"])
    plants: int
    generation_wh: int
    certificates: int
    carried_wh: int


class GreenDay(BaseModel):
    """Green energy of a day.

    closed: the accounts of the day are written. certificates: whole ones that all accounts of the month have come to.
    plants: empty until the day is closed. The environmental value has no price: no order of this county quotes one.
    wh_per_certificate: by the rules of the day, null where there are none. twice: plants whose account does not hold
    carried_in + month_generation = certificates x wh_per_certificate + carried_out, so that some energy would be
    certified twice or not at all. overdelivered: plants that delivered more than they fed in. Both must be 0.
    """

    day: str
    closed: bool
    generation_wh: int
    bound_wh: int
    delivered_wh: int
    certificates: int
    wh_per_certificate: int | None
    carried_in_wh: int
    month_generation_wh: int
    carried_out_wh: int
    twice: int
    overdelivered: int
    entered: list[EnteredGreenMonth]
    volumes: list[GreenVolumeDocument]
    plants: list[PlantDay]


@router.get("/green", response_model=GreenDay)
def get_green(
    request: Request,
    context: Context,
    session: ReadSession,
    day: Annotated[
        date | None, Query(description="Operating day (UTC+8); the newest if left out.", examples=["2016-05-17"])
    ] = None,
) -> Response:
    """Return what clean plants fed in, sold and delivered, to whom, and their accounts of green certificates."""
    chosen = day or shown_day(session, context.now_utc_s())
    wanted = intervals_of_day(chosen)
    energies = list(read_plant_energies(session, first=wanted[0], last=wanted[-1]).values())
    wh_per_certificate = _wh_per_certificate(session, wanted[-1])
    plants = list(read_plant_days(session, chosen.isoformat()))
    document = GreenDay(
        day=chosen.isoformat(),
        closed=bool(plants),
        generation_wh=sum(one.generation_wh for one in energies),
        bound_wh=sum(one.bound_wh for one in energies),
        delivered_wh=sum(one.delivered_wh for one in energies),
        certificates=sum(one.certificates for one in plants),
        wh_per_certificate=wh_per_certificate,
        carried_in_wh=sum(one.carried_in_wh for one in plants),
        month_generation_wh=sum(one.month_generation_wh for one in plants),
        carried_out_wh=sum(one.carried_out_wh for one in plants),
        twice=sum(not _is_certified_once(one, wh_per_certificate) for one in plants),
        overdelivered=sum(one.delivered_wh > one.generation_wh for one in energies),
        entered=[_entered(one) for one in read_entered_totals(session)],
        volumes=[
            GreenVolumeDocument(
                mode=one.mode,
                buyer=Party(one.buyer_party).name,
                attributes=one.attributes,
                bound_wh=one.bound_wh,
                delivered_wh=one.delivered_wh,
            )
            for one in read_green_volumes(session, first=wanted[0], last=wanted[-1])
        ],
        plants=plants,
    )
    return json_response(request, document, closed=document.closed)


def _wh_per_certificate(session: Session, interval: int) -> int | None:
    try:
        return load_certificate_rules(session, interval).wh_per_certificate
    except NoParametersError:
        return None


def _is_certified_once(plant: PlantDay, wh_per_certificate: int | None) -> bool:
    """Row 148: whole certificates of the energy so far, and only the rest goes on."""
    if wh_per_certificate is None:
        return plant.certificates == 0
    so_far_wh = plant.carried_in_wh + plant.month_generation_wh
    return (plant.certificates, plant.carried_out_wh) == divmod(so_far_wh, wh_per_certificate)


def _entered(one: EnteredTotal) -> EnteredGreenMonth:
    return EnteredGreenMonth(
        month=f"{one.month // 100:04d}-{one.month % 100:02d}",
        plants=one.plants,
        generation_wh=one.generation_wh,
        certificates=one.certificates,
        carried_wh=one.carried_wh,
    )
