"""The route of green energy: attributes bound and delivered on a day, and every plant's account of certificates."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from hub.api.conditional import json_response
from hub.api.context import Context, ReadSession
from hub.api.day_documents import shown_day
from hub.api.problems import RESPONSES
from hub.market.trades import Party
from hub.store.green import PlantDay, read_green_volumes, read_plant_days, read_plant_energies
from hub.store.read_days import intervals_of_day

router = APIRouter(tags=["market"], responses=RESPONSES)


class GreenVolumeDocument(BaseModel):
    """Attributes that one kind of buyer got in one mode. bound: at clearing; delivered: covered by plants' meters."""

    mode: int
    buyer: str = Field(examples=["DIRECT"])
    attributes: int
    bound_wh: int
    delivered_wh: int


class GreenDay(BaseModel):
    """Green energy of a day.

    closed: the accounts of the day are written. certificates: whole ones that all accounts of the month have come to.
    plants: empty until the day is closed. The environmental value has no price: no order of this county quotes one.
    """

    day: str
    closed: bool
    generation_wh: int
    bound_wh: int
    delivered_wh: int
    certificates: int
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
    energies = read_plant_energies(session, first=wanted[0], last=wanted[-1]).values()
    plants = list(read_plant_days(session, chosen.isoformat()))
    document = GreenDay(
        day=chosen.isoformat(),
        closed=bool(plants),
        generation_wh=sum(one.generation_wh for one in energies),
        bound_wh=sum(one.bound_wh for one in energies),
        delivered_wh=sum(one.delivered_wh for one in energies),
        certificates=sum(one.certificates for one in plants),
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
