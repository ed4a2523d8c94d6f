"""Who calls: by the key that a request bears, or, where no keys are set, the operator on this machine itself.

A key is given as `Authorization: Bearer KEY`; the hub keeps its SHA-256 alone. Once a key is set, a request without one
is nobody's, also from this machine: behind a proxy every request comes from there. A page of another site may make a
browser send a request to this machine, so what changes something is refused if a browser says that it comes from there.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from hub.api.access_keys import AccessKeysError, read_key_file
from hub.api.context import Caller, Context
from hub.api.problems import ProblemError
from hub.market.registry.access import Resource, Role, may_read

LOCAL_OPERATOR = Caller("operator", Role.OPERATOR)
_BEARER = re.compile(r"[Bb]earer ([A-Za-z0-9._~+/-]{20,200}=*)")


def read_access_keys(path: Path) -> Mapping[str, Caller]:
    """Return the callers in the file by the SHA-256 of their keys; none if there is no file.

    :raises hub.api.access_keys.AccessKeysError: if the file is no list of keys
    """
    return {key.key_sha256: Caller(key.name, key.role, key.participant_id) for key in read_key_file(path)}


def operator_on_this_machine(path: Path, key: str | None) -> Caller:
    """Return who changes something by a command, by the rules of a request: an operator, with a key if there are keys.

    :param path: the file of keys
    :raises hub.api.access_keys.AccessKeysError: if the file is no list of keys, or the key is not an operator's
    """
    access_keys = read_access_keys(path)
    if not access_keys and key is None:
        return LOCAL_OPERATOR
    found = access_keys.get(sha256((key or "").encode()).hexdigest())
    if found is None:
        raise AccessKeysError("this hub has keys: give an operator's" if key is None else "nobody has the key given")
    if found.role is not Role.OPERATOR:
        raise AccessKeysError(f"{found.name}: {found.role.value} may change nothing here")
    return found


def get_caller(request: Request, context: Context) -> Caller:
    """Return who calls.

    :raises ProblemError: 401 if nobody that this hub knows does
    """
    given = _BEARER.fullmatch(request.headers.get("authorization", ""))
    if given is not None:
        found = context.access_keys.get(sha256(given.group(1).encode()).hexdigest())
        if found is not None:
            return found
    elif not context.access_keys and "authorization" not in request.headers and _is_local(request):
        return LOCAL_OPERATOR
    raise ProblemError(
        HTTPStatus.UNAUTHORIZED, "no-key", "give a key as `Authorization: Bearer KEY`", {"WWW-Authenticate": "Bearer"}
    )


KnownCaller = Annotated[Caller, Depends(get_caller)]


def get_operator(request: Request, caller: KnownCaller) -> Caller:
    """Return who calls, who may change something.

    :raises ProblemError: 403 if it is no operator, or a browser sends it for a page of another site
    """
    _refuse_foreign(request)
    if caller.role is not Role.OPERATOR:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not-allowed", f"{caller.role.value} may change nothing here")
    return caller


Operator = Annotated[Caller, Depends(get_operator)]


def get_trader(request: Request, caller: KnownCaller) -> Caller:
    """Return who calls, who may trade: a participant, as a role that has orders of its own.

    :raises ProblemError: 403 if it is none, or a browser sends it for a page of another site
    """
    _refuse_foreign(request)
    if caller.participant_id is None or not may_read(caller.role, Resource.OWN_ORDERS):
        what = f"{caller.name}, {caller.role.value}, has no orders of its own and may not trade"
        raise ProblemError(HTTPStatus.FORBIDDEN, "not-allowed", what)
    return caller


Trader = Annotated[Caller, Depends(get_trader)]


def _refuse_foreign(request: Request) -> None:
    """Refuse what a browser sends for a page of another site.

    :raises ProblemError: 403 if it does
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    is_foreign = origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    if is_foreign or site not in {"same-origin", "none"}:
        raise ProblemError(HTTPStatus.FORBIDDEN, "cross-site", "a page of another site may change nothing here")


def refuse_unreadable(caller: Caller, resource: Resource) -> None:
    """Refuse a caller whose role may not read the resource.

    :raises ProblemError: 403 if it may not
    """
    if not may_read(caller.role, resource):
        raise ProblemError(HTTPStatus.FORBIDDEN, "not-allowed", f"{caller.role.value} may not read {resource.value}")


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
