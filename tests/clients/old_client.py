"""A client of the revision of 2025-03-26, raw HTTP, that has never heard of resource metadata.

usage: old_client.py URL WAY KEY TOOL ARGS-JSON EXPECT MODE
MODE metadata: asks the root of the MCP server's own origin for authorization server metadata.
MODE defaults: asks for none, and takes the addresses which that revision gives for that case.
It reads no challenge, sends no `resource` and no scope, and opens the sign-in page twice.
"""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import secrets
import subprocess
import sys
from urllib.parse import parse_qs, urlencode, urlsplit

REVISION = "2025-03-26"
DEFAULTS = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "registration_endpoint": "/register"}


class Wrong(Exception):
    """The server did not do what this client needs."""


def ask(method, address, body=None, **headers):
    """One request: status, headers, body text. Redirects are not followed."""
    to = urlsplit(address)
    made = http.client.HTTPSConnection if to.scheme == "https" else http.client.HTTPConnection
    connection = made(to.netloc, timeout=10)
    try:
        path = (to.path or "/") + (f"?{to.query}" if to.query else "")
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def must(wanted, answer, what):
    """The JSON of an answer that had to have that status."""
    status, _, text = answer
    if status != wanted:
        raise Wrong(f"{what}: {status} {text[:200]}")
    return json.loads(text) if text else None


class Client:
    def __init__(self, url):
        self.url, self.token, self.session, self.count = url, None, None, 0

    def send(self, method, params=None, notify=False):
        """One message; the whole HTTP answer."""
        self.count += 1
        message = {"jsonrpc": "2.0", "method": method, **({} if notify else {"id": self.count}),
                   **({} if params is None else {"params": params})}
        headers = {"Content_Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.session:
            headers["Mcp_Session_Id"] = self.session
        return ask("POST", self.url, json.dumps(message), **headers)

    def result(self, method, params=None):
        status, headers, text = self.send(method, params)
        if headers.get_content_type() == "text/event-stream":
            text = "".join(line[5:] for line in text.splitlines() if line.startswith("data:"))
        answer = must(200, (status, headers, text), method)
        self.session = headers.get("Mcp-Session-Id") or self.session
        if "result" not in answer:
            raise Wrong(f"{method}: {answer}")
        return answer["result"]

    def initialize(self):
        return {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": {"name": "old-client", "version": "1"}}


def endpoints(origin, mode):
    if mode == "defaults":
        return {name: origin + path for name, path in DEFAULTS.items()}
    found = must(200, ask("GET", f"{origin}/.well-known/oauth-authorization-server", MCP_Protocol_Version=REVISION), "metadata")
    if found["issuer"].rstrip("/") != origin or "S256" not in found["code_challenge_methods_supported"]:
        raise Wrong(f"metadata of another server: {found['issuer']}")
    return found


def person(page, key):
    walk = subprocess.run(["node", pathlib.Path(__file__).with_name("person.mjs"), "walk", page], text=True, capture_output=True,
                          timeout=30, env={**os.environ, "WICKETGATE_TEST_KEY": key})
    if walk.returncode:
        raise Wrong(f"the person: {walk.stderr[-300:]}")
    return {name: values[0] for name, values in parse_qs(urlsplit(walk.stdout.strip()).query).items()}


def sign_in(url, key, mode):
    """Registration, the page, the code: the token answer and where it came from."""
    at = endpoints("{0.scheme}://{0.netloc}".format(urlsplit(url)), mode)
    redirect = "http://localhost:33520/callback"
    asked = {"client_name": "Old client", "redirect_uris": [redirect], "grant_types": ["authorization_code", "refresh_token"],
             "response_types": ["code"], "token_endpoint_auth_method": "none"}
    client = must(201, ask("POST", at["registration_endpoint"], json.dumps(asked), Content_Type="application/json"), "registration")
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    page = at["authorization_endpoint"] + "?" + urlencode({
        "response_type": "code", "client_id": client["client_id"], "redirect_uri": redirect, "state": state,
        "code_challenge": challenge, "code_challenge_method": "S256"})
    if ask("GET", page)[0] not in (200, 302, 303):  # some clients look at the page once before a browser does
        raise Wrong("the page does not open")
    answer = person(page, key)
    if answer.get("state") != state or "code" not in answer:
        raise Wrong(f"came back with {sorted(answer)}")
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": redirect,
            "client_id": client["client_id"], "code_verifier": verifier}
    token = lambda fields: must(200, ask("POST", at["token_endpoint"], urlencode(fields),  # noqa: E731
                                         Content_Type="application/x-www-form-urlencoded"), "token")
    first = token(form)
    if first["token_type"].lower() != "bearer" or not first["expires_in"] > 0:
        raise Wrong(f"an odd token answer: {sorted(first)}")
    return token({"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": client["client_id"]})


def main():
    if len(sys.argv) != 8:
        sys.exit(__doc__)
    url, _way, key, tool, args, expect, mode = sys.argv[1:]
    client = Client(url)
    if (status := client.send("initialize", client.initialize())[0]) != 401:
        raise Wrong(f"a stranger was answered {status}")
    client.token = sign_in(url, key, mode)["access_token"]
    settled = client.result("initialize", client.initialize())["protocolVersion"]
    if client.send("notifications/initialized", notify=True)[0] != 202:
        raise Wrong("notifications/initialized was not taken")
    tools = client.result("tools/list")["tools"]
    result = client.result("tools/call", {"name": tool, "arguments": json.loads(args)})
    text = "".join(part.get("text", "") for part in result["content"])
    if result.get("isError") or expect not in text:
        raise Wrong(f"expected {expect!r} in {text[:200]!r}")
    return f"protocol {settled}, {len(tools)} tools"


try:
    line, code = main(), 0
except (Wrong, OSError, KeyError, ValueError, subprocess.TimeoutExpired) as error:
    line, code = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}", 1
print(line)
sys.exit(code)
