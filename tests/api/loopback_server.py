"""A real web server on a free loopback port, in a thread, for as long as a test needs it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI


@contextmanager
def serving(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve the application on the port (0: any free one) and yield its address."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"  # connections wait in the backlog until it accepts
    finally:
        app.state.context.events.close()
        server.should_exit = True
        thread.join(timeout=60)
        listener.close()
        assert not thread.is_alive()
