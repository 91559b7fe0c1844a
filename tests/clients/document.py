"""Serves one Client ID Metadata Document over https on loopback, under an authority made on the spot.

usage: document.py FOLDER      run by a Python that has `cryptography`
Writes FOLDER/documents-ca.pem, prints the document's address, and a line for each time it is read.
"""
import datetime
import http.server
import ipaddress
import json
import pathlib
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "127.0.0.1"


def certificate(name, key, signer, signer_key, *extensions):
    """A certificate for a day."""
    now = datetime.datetime.now(datetime.timezone.utc)
    called = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])  # noqa: E731
    builder = (x509.CertificateBuilder().subject_name(called(name)).issuer_name(called(signer)).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
               .not_valid_after(now + datetime.timedelta(days=1)))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def authority(folder):
    """The authority's certificate, and a server's with its key, as files."""
    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = "Wicketgate test authority"
    (folder / "documents-ca.pem").write_bytes(certificate(
        ca, root, ca, root, (x509.BasicConstraints(ca=True, path_length=0), True)))
    (folder / "server.pem").write_bytes(certificate(
        HOST, leaf, ca, root, (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)) + leaf.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "server.pem"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        address = f"https://{HOST}:{self.server.server_port}/client.json"
        # Loopback redirects match on any port; one path for the SDKs, one for mcp-remote and the Inspector.
        redirects = [f"http://{host}{path}" for host in (HOST, "localhost") for path in ("/callback", "/oauth/callback")]
        document = {"client_id": address, "client_name": "Documented client", "redirect_uris": redirects,
                    "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                    "token_endpoint_auth_method": "none"}
        good = self.path == "/client.json"
        body = json.dumps(document if good else {}).encode()
        self.send_response(200 if good else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        print(f"read {self.path}", flush=True)

    def log_message(self, *_):
        pass


def main():
    folder = pathlib.Path(sys.argv[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority(folder))
    server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"https://{HOST}:{server.server_port}/client.json", flush=True)
    server.serve_forever()


main()
