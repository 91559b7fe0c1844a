"""The official Python SDK, version 1 or 2, whichever is installed.

usage: python_sdk.py URL WAY KEY TOOL ARGS-JSON EXPECT [MODE]
WAY: bearer, oauth or document, as in asked.mjs. MODE, version 2 only: auto or legacy.
"""
import asyncio
import json
import os
import pathlib
import socket
import sys
from importlib.metadata import version
from urllib.parse import parse_qsl, urlsplit

MAJOR = int(version("mcp").split(".")[0])


def check(tools, tool):
    names = [t.name for t in tools]
    if tool not in names:
        raise RuntimeError(f"{tool} is not among {names}")


def answered(content, failed, expect):
    text = "".join(getattr(part, "text", "") for part in content)
    if failed:
        raise RuntimeError(f"the tool failed: {text[:200]}")
    if expect not in text:
        raise RuntimeError(f"expected {expect!r} in {text[:200]!r}")


class Memory:
    """Where the SDK keeps its tokens and its registration."""
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def login(url, way, key):
    """How the SDK's HTTP client proves itself: a header, or the SDK's own sign-in with a person."""
    if way == "bearer":
        return {"headers": {"Authorization": f"Bearer {key}"}}
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import OAuthClientMetadata
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        redirect = f"http://127.0.0.1:{free.getsockname()[1]}/callback"
    answer = {}

    async def person(address):
        walk = await asyncio.create_subprocess_exec(
            "node", pathlib.Path(__file__).with_name("person.mjs"), "walk", address,
            env={**os.environ, "WICKETGATE_TEST_KEY": key}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        end, wrong = await walk.communicate()
        if walk.returncode:
            raise RuntimeError(wrong.decode()[-400:])
        answer.update(parse_qsl(urlsplit(end.decode().strip()).query))

    async def came_back():
        if MAJOR < 2:
            return answer["code"], answer.get("state")
        from mcp.client.auth import AuthorizationCodeResult
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    metadata = OAuthClientMetadata(client_name="wicketgate-test", redirect_uris=[redirect], token_endpoint_auth_method="none",
                                   grant_types=["authorization_code", "refresh_token"], response_types=["code"])
    document = os.environ.get("WICKETGATE_TEST_DOCUMENT") if way == "document" else None
    return {"auth": OAuthClientProvider(url, metadata, Memory(), person, came_back, client_metadata_url=document)}


async def one(url, login, tool, args, expect, _mode):
    import httpx
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with httpx.AsyncClient(**login, trust_env=False, timeout=30) as http:
        async with streamable_http_client(url, http_client=http) as (reader, writer, _):
            async with ClientSession(reader, writer) as session:
                first = await session.initialize()
                tools = (await session.list_tools()).tools
                check(tools, tool)
                result = await session.call_tool(tool, args)
                answered(result.content, result.isError, expect)
                return first.protocolVersion, len(tools)


async def two(url, login, tool, args, expect, mode):
    import httpx2
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(**login, trust_env=False, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            tools = (await client.list_tools()).tools
            check(tools, tool)
            result = await client.call_tool(tool, args)
            answered(result.content, result.is_error, expect)
            return client.protocol_version, len(tools)


def innermost(error):
    while getattr(error, "exceptions", None):
        error = error.exceptions[0]
    return error


def main():
    if len(sys.argv) < 7:
        sys.exit(__doc__)
    url, way, key, tool, args, expect = sys.argv[1:7]
    mode = sys.argv[7] if len(sys.argv) > 7 else "auto"
    work = (two if MAJOR >= 2 else one)(url, login(url, way, key), tool, json.loads(args), expect, mode)
    try:
        protocol, tools = asyncio.run(asyncio.wait_for(work, 40))
        line, status = f"protocol {protocol}, {tools} tools", 0
    except BaseException as error:
        error = innermost(error)
        line, status = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}", 1
    print(line, flush=True)
    os._exit(status)  # a stream that is still open must not hold the process


main()
