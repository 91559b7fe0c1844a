"""The official Python SDK, version 1 or 2, whichever is installed.

usage: python_sdk.py URL KEY TOOL ARGS-JSON EXPECT [MODE]      MODE, version 2 only: auto or legacy
"""
import asyncio
import json
import os
import sys
from importlib.metadata import version

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


async def one(url, key, tool, args, expect, _mode):
    import httpx
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as http:
        async with streamable_http_client(url, http_client=http) as (reader, writer, _):
            async with ClientSession(reader, writer) as session:
                first = await session.initialize()
                tools = (await session.list_tools()).tools
                check(tools, tool)
                result = await session.call_tool(tool, args)
                answered(result.content, result.isError, expect)
                return first.protocolVersion, len(tools)


async def two(url, key, tool, args, expect, mode):
    import httpx2
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http:
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
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    url, key, tool, args, expect = sys.argv[1:6]
    mode = sys.argv[6] if len(sys.argv) > 6 else "auto"
    work = (two if MAJOR >= 2 else one)(url, key, tool, json.loads(args), expect, mode)
    try:
        protocol, tools = asyncio.run(asyncio.wait_for(work, 40))
        line, status = f"protocol {protocol}, {tools} tools", 0
    except BaseException as error:
        error = innermost(error)
        line, status = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}", 1
    print(line, flush=True)
    os._exit(status)  # a stream that is still open must not hold the process


main()
