"""The two that carry out flows: with httpx.Client in a thread, and with httpx.AsyncClient in a task."""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from functools import partial
from typing import IO, Any, TypeVar, cast

import anyio
import anyio.to_thread
import httpx

from cdmt_client.effects import Answer, Flow, Form, Open, Pause, Read, Request, Send, Tell, Told, with_result
from cdmt_client.errors import CohortError, Unreachable, Unreadable

Result = TypeVar("Result")
Outcome = Answer | bytes | None


class Driver:
    """Runs flows one after the other; may be used by several threads."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def run(self, flow: Flow[Result]) -> Result:
        """The result of the flow."""
        with closing(self.iterate(with_result(flow))) as items:
            return cast(Result, next(items))

    def iterate(self, flow: Flow[None]) -> Generator[Any, None, None]:
        """What the flow tells, while it runs."""
        with closing(flow), closing(_Work(self.http)) as work:
            try:
                effect = next(flow)
                while True:
                    if isinstance(effect, Tell):
                        yield effect.item
                    try:
                        outcome = work.done(effect)
                    except CohortError as error:
                        effect = flow.throw(error)
                    else:
                        effect = flow.send(outcome)
            except StopIteration:
                return


class _Work:
    """What a flow has asked for: at most one open stream at a time."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.stream: httpx.Response | None = None
        self.parts: Iterator[bytes] = iter(())

    def done(self, effect: object) -> Outcome:
        match effect:
            case Pause(seconds):
                time.sleep(seconds)
            case Send(request):
                with _errors(self.http.base_url, request), _arguments(request, self.http.timeout) as arguments:
                    return _answer(self.http.send(self.http.build_request(**arguments)))
            case Open(request):
                self.close()
                with _errors(self.http.base_url, request), _arguments(request, self.http.timeout) as arguments:
                    self.stream = self.http.send(self.http.build_request(**arguments), stream=True)
                self.parts = self.stream.iter_bytes()
                return Answer(self.stream.status_code, self.stream.headers)
            case Read():
                with _errors(self.http.base_url):
                    return next(self.parts, b"")
        return None

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()


class AsyncDriver:
    """The same for asyncio and trio. Uploads go through `uploads` in a thread, files being read there, too.

    A refusal that comes before an upload's end, because it is too large or not allowed, arrives with the reset of the
    connection: an event loop closes the socket then, and only a blocking one still reads the answer.
    """

    def __init__(self, http: httpx.AsyncClient, uploads: httpx.Client) -> None:
        self.http = http
        self.uploads = uploads

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http.aclose()
        self.uploads.close()

    async def run(self, flow: Flow[Result]) -> Result:
        """The result of the flow."""
        async with aclosing(self.iterate(with_result(flow))) as items:
            return cast(Result, await anext(items))

    async def iterate(self, flow: Flow[None]) -> AsyncGenerator[Any, None]:
        """What the flow tells, while it runs."""
        with closing(flow):
            async with aclosing(_AsyncWork(self)) as work:
                try:
                    effect = next(flow)
                    while True:
                        if isinstance(effect, Tell):
                            yield effect.item
                        try:
                            outcome = await work.done(effect)
                        except CohortError as error:
                            effect = flow.throw(error)
                        else:
                            effect = flow.send(outcome)
                except StopIteration:
                    return


class _AsyncWork:
    def __init__(self, driver: AsyncDriver) -> None:
        self.http = driver.http
        self.uploads = driver.uploads
        self.stream: httpx.Response | None = None
        self.parts: AsyncGenerator[bytes, None] | None = None

    async def done(self, effect: object) -> Outcome:
        match effect:
            case Pause(seconds):
                await anyio.sleep(seconds)
            case Send(request) if request.form is not None:
                upload = partial(_Work(self.uploads).done, effect)
                return await anyio.to_thread.run_sync(upload, abandon_on_cancel=True)
            case Send(request):
                with _errors(self.http.base_url, request), _arguments(request, self.http.timeout) as arguments:
                    return _answer(await self.http.send(self.http.build_request(**arguments)))
            case Open(request):
                await self.aclose()
                with _errors(self.http.base_url, request), _arguments(request, self.http.timeout) as arguments:
                    self.stream = await self.http.send(self.http.build_request(**arguments), stream=True)
                self.parts = cast("AsyncGenerator[bytes, None]", self.stream.aiter_bytes())
                return Answer(self.stream.status_code, self.stream.headers)
            case Read():
                assert self.parts is not None
                with _errors(self.http.base_url):
                    return await anext(self.parts, b"")
        return None

    async def aclose(self) -> None:
        if self.stream is not None:
            await self.stream.aclose()


@contextmanager
def _errors(server: httpx.URL, request: Request | None = None) -> Iterator[None]:
    """Errors of httpx as ours. A bad certificate or address does not get better with time."""
    asked = f"{request.method} {request.path}" if request else "the answer"
    what = f"{asked}, {server.scheme}://{server.netloc.decode()}"
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
        raise Unreadable(f"{what}: {error}") from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        words = str(error) or type(error).__name__
        raise Unreachable(f"{what}: {words}", is_passing=not _is_certificate(error)) from error


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


@contextmanager
def _arguments(request: Request, timeout: httpx.Timeout) -> Iterator[dict[str, Any]]:
    """What httpx's `build_request` takes; a file stays open as long as the request is on its way."""
    arguments: dict[str, Any] = {"method": request.method, "url": request.path, "headers": dict(request.headers)}
    if request.params:
        arguments["params"] = dict(request.params)
    if request.json is not None:
        arguments["json"] = request.json
    if request.timeout is not None:
        arguments["timeout"] = httpx.Timeout(
            connect=timeout.connect, read=request.timeout, write=timeout.write, pool=timeout.pool
        )
    if request.form is None:
        yield arguments
        return
    with _opened(request.form) as file:
        source = _Counted(file, request.form.told)
        yield arguments | {
            "data": dict(request.form.fields),
            "files": {"file": (request.form.filename, source, "application/octet-stream")},
        }


def _opened(form: Form) -> IO[bytes]:
    if isinstance(form.file, bytes):
        return io.BytesIO(form.file)
    try:
        return form.file.open("rb")
    except OSError as error:
        raise Unreadable(f"{form.file}: {error.strerror}") from error


class _Counted:
    """A file that tells how much of it has been read. httpx asks for no more than this of it."""

    def __init__(self, file: IO[bytes], told: Told | None) -> None:
        self.file = file
        self.told = told
        self.size = file.seek(0, io.SEEK_END)
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        part = self.file.read(size)
        if self.told is not None:
            self.told("uploading", self.file.tell(), self.size)
        return part

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()
