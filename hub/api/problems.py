"""Errors as problem documents (RFC 9457, application/problem+json): one shape for every status above 399."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
URN = "urn:microbalance:problem:"


class FieldProblem(BaseModel):
    """What is wrong with one field of the request."""

    location: str
    message: str


class Problem(BaseModel):
    """A problem document. type names the kind of problem for programs, detail says it to people."""

    type: str = Field(examples=["urn:microbalance:problem:unknown-interval"])
    title: str = Field(examples=["Unknown interval"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["interval 1625600 is not known to this hub"])
    instance: str = Field(examples=["/api/v1/intervals/1625600"])
    errors: list[FieldProblem] = []


class ProblemError(Exception):
    """The request cannot be answered for a reason with a name; becomes a problem document."""

    def __init__(
        self, status: HTTPStatus, name: str, detail: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.headers = headers


def unknown(name: str, detail: str) -> ProblemError:
    """Return the error for a thing that this hub does not have."""
    return ProblemError(HTTPStatus.NOT_FOUND, f"unknown-{name}", detail)


RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "There is no such thing."},
    422: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "The request is not understood."},
}


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    """Return the response that carries the problem."""
    document = problem.model_copy(update={"instance": request.url.path}).model_dump()
    return JSONResponse(document, status_code=problem.status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(500, _on_bug)


def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    title = error.name.replace("-", " ").capitalize()
    response = problem_response(
        request, Problem(type=URN + error.name, title=title, status=error.status, detail=error.detail, instance="")
    )
    response.headers.update(error.headers)
    return response


def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        FieldProblem(location=".".join(str(part) for part in one["loc"]), message=one["msg"]) for one in error.errors()
    ]
    problem = Problem(
        type=URN + "invalid-request",
        title="Invalid request",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        detail="; ".join(f"{one.location}: {one.message}" for one in errors),
        instance="",
        errors=errors,
    )
    return problem_response(request, problem)


def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    problem = Problem(type="about:blank", title=status.phrase, status=status, detail=str(error.detail), instance="")
    response = problem_response(request, problem)
    response.headers.update(error.headers or {})
    return response


def _on_bug(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    problem = Problem(
        type="about:blank", title=status.phrase, status=status, detail="The hub's log says more.", instance=""
    )
    return problem_response(request, problem)
