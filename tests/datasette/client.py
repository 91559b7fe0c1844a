"""An MCP client of revision 2026-07-28 in one file: one POST a request, nothing kept."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "clients"))
from gateway import status_of  # noqa: E402

REVISION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": {"name": "wicketgate-test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Client:
    def __init__(self, port, key):
        self.port, self.key, self.asked, self.printed = port, key, 0, ""

    def ask(self, method, **params):
        """Status and the JSON-RPC message that answers the request."""
        self.asked += 1
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": method,
        }
        if "name" in params:
            headers["Mcp-Name"] = params["name"]
        message = {"jsonrpc": "2.0", "id": self.asked, "method": method, "params": {**params, "_meta": META}}
        status, answered, body = status_of(self.port, "/mcp", "POST", headers, json.dumps(message))
        self.printed += f"{answered}{body}"
        return status, self.message(answered, body)

    def message(self, headers, body):
        kind = next((v for k, v in headers.items() if k.lower() == "content-type"), "")
        if kind.startswith("text/event-stream"):
            events = [line[5:] for line in body.splitlines() if line.startswith("data:")]
            body = next((e for e in events if json.loads(e).get("id") == self.asked), "{}")
        try:
            return json.loads(body)
        except ValueError:
            return {}

    def tools(self):
        return [tool["name"] for tool in self.ask("tools/list")[1].get("result", {}).get("tools", [])]

    def call(self, tool, **arguments):
        """The tool's result, `{}` when the request itself was refused."""
        return self.ask("tools/call", name=tool, arguments=arguments)[1].get("result", {})

    def value(self, tool, **arguments):
        """What a call that went well says: the structured answer, or its text read as JSON."""
        result = self.call(tool, **arguments)
        if result.get("isError"):
            return {"failed": text(result)}
        said = result.get("structuredContent")
        return said if said is not None else json.loads(text(result) or "null")


def text(result):
    return "".join(part.get("text", "") for part in result.get("content", []))
