//! The words of each check: why a client minds, and the fix. `{client}` and `{wanted}` are filled in.

use super::Check;

/// Why, and the fix.
#[expect(clippy::too_many_lines, reason = "a table of texts")]
pub(super) const fn of(check: Check) -> (&'static str, &'static str) {
    match check {
        Check::Unreachable => (
            "{client} gets no HTTP answer",
            "make {wanted} answer over HTTP from where the client runs: name, port, certificate, firewall",
        ),
        Check::FirstAnswerNot401 => (
            "{client} starts to sign in only on HTTP 401",
            "answer every MCP request without a token with HTTP 401 and the challenge, before the body, the version or the session is looked at: {wanted}",
        ),
        Check::LookNot401 => (
            "{client} looks with this request for a challenge before it posts",
            "answer GET and HEAD without a token with HTTP 401 and the same challenge as POST",
        ),
        Check::ChallengeMissing => (
            "{client} reads from `WWW-Authenticate` how to sign in",
            "add `WWW-Authenticate: {wanted}` to the 401, and let no proxy drop it",
        ),
        Check::ChallengeRenamed => (
            "{client} reads `WWW-Authenticate` and no other header",
            "send the challenge as `WWW-Authenticate` instead of `{wanted}`: a proxy in between may have renamed it",
        ),
        Check::ChallengeNotBearerFirst => (
            "{client} takes the first word of the header as the scheme and stops when it is not `Bearer`",
            "put the `Bearer` challenge first: `WWW-Authenticate: {wanted}`",
        ),
        Check::ChallengeTwice => (
            "{client} finds parameters by pattern and may take one challenge's for the other's",
            "send exactly one challenge: `WWW-Authenticate: {wanted}`",
        ),
        Check::ResourceMetadataUnnamed => (
            "{client} finds the protected-resource document by `resource_metadata`; versions in use look nowhere else or guess",
            "add `resource_metadata` to the challenge: `WWW-Authenticate: {wanted}`",
        ),
        Check::ResourceDocumentMissing => (
            "{client} cannot learn who issues tokens for this URL",
            "serve the protected-resource document (RFC 9728) with HTTP 200 at {wanted}",
        ),
        Check::ResourceDocumentFault => (
            "{client} gives up when the protected-resource document answers a server error",
            "answer {wanted} with HTTP 200 and the document, or 404 where there is none, never with 5xx: serve it without the database",
        ),
        Check::ResourceDocumentBroken => (
            "{client} cannot read the protected-resource document",
            "answer {wanted} with JSON that has `resource` and `authorization_servers` (RFC 9728 section 2)",
        ),
        Check::ResourceMismatch => (
            "{client} refuses a document whose `resource` is not the pasted URL",
            "publish `\"resource\": \"{wanted}\"` exactly as users paste it: same origin, no longer path, no slash they do not type; take it from the configured public URL, not from Host",
        ),
        Check::ResourceSpelling => (
            "{client} sends `resource` as the document spells it, and the token is bound to that",
            "publish `\"resource\": \"{wanted}\"`, byte for byte what users paste",
        ),
        Check::AuthorizationServersMissing => (
            "{client} needs to be told the authorization server",
            "add `\"authorization_servers\": [\"{wanted}\"]` to the protected-resource document",
        ),
        Check::ServerMetadataMissing => (
            "{client} finds no authorization server metadata and has to guess endpoints, or stops",
            "serve the authorization server metadata (RFC 8414) at {wanted}",
        ),
        Check::ServerMetadataFault => (
            "{client} takes a server error here as the end, not as absence",
            "answer {wanted} with HTTP 200 and the metadata, or 404 where there is none, never with 5xx: serve it without the database",
        ),
        Check::ServerMetadataBroken => (
            "{client} cannot read the authorization server metadata",
            "answer {wanted} with JSON that has `issuer`, `authorization_endpoint`, `token_endpoint` and `response_types_supported` with `code`",
        ),
        Check::IssuerDiffers => (
            "{client} compares `issuer` with the name in `authorization_servers` as text (RFC 8414 section 3.3)",
            "set `issuer` to `{wanted}`, byte for byte the name in `authorization_servers`; a slash at the end counts",
        ),
        Check::S256NotAdvertised => (
            "{client} starts no authorization without PKCE by S256",
            "add `\"code_challenge_methods_supported\": [\"S256\"]` to {wanted}",
        ),
        Check::NoneNotAdvertised => (
            "{client} is a public client: it has no secret and authenticates with `none`",
            "add `none` to `token_endpoint_auth_methods_supported` in {wanted}",
        ),
        Check::NoRegistration => (
            "{client} has no way to become a client here without the user typing a client id",
            "add `\"registration_endpoint\"` (RFC 7591) or `\"client_id_metadata_document_supported\": true` to {wanted}",
        ),
        Check::RegistrationRefused => (
            "{client} cannot go on when registration fails, and often says nothing",
            "accept {wanted} at the registration endpoint: keep the redirect URIs you allow, drop the others, and refuse only when none is left",
        ),
        Check::RedirectDropped => (
            "{client} uses this redirect URI, which was not registered",
            "accept the redirect URI `{wanted}`",
        ),
        Check::SecretIssued => (
            "{client} asked for no secret and does not send one, so the token endpoint will refuse it",
            "register clients that name no method as public: return `\"token_endpoint_auth_method\": \"none\"` and no `client_secret`",
        ),
        Check::AuthorizeNoPage => (
            "{client} opens the authorization address in a browser and the person gets no page to sign in on",
            "answer {wanted} with HTTP 200 and a sign-in page for this client's request",
        ),
        Check::ClientDocumentRefused => (
            "{client} calls itself by the address of its document, because the metadata says that this is supported",
            "let the gateway fetch {wanted} (outgoing HTTPS), or stop advertising `client_id_metadata_document_supported`",
        ),
        Check::AuthorizeError => (
            "{client} is sent back with an error before the person saw a page",
            "accept this client's authorization request (response_type, PKCE, scope, resource, prompt): it was answered with {wanted}",
        ),
        Check::PageFramable => (
            "a page of somebody else can frame the consent and have it clicked",
            "send `Content-Security-Policy: frame-ancestors 'none'` with every page",
        ),
        Check::PageCacheable => (
            "a shared cache or the back button may show the page to the next person",
            "send `Cache-Control: no-store` with every page",
        ),
        Check::SignInElsewhere => (
            "the license key is typed only on the connector's own origin, so the rest was not played",
            "serve the sign-in page at {wanted}, or run without a license key",
        ),
        Check::SignInNotUnderstood => (
            "the page has no form with a field for the key, nor one with a button that allows",
            "check by hand that the page at {wanted} lets a person sign in",
        ),
        Check::KeyRefused => (
            "the page asked for the license key again",
            "use a license key that is active here",
        ),
        Check::StateLost => (
            "{client} refuses an answer whose `state` is not the one it sent",
            "send `state` back unchanged in every authorization response",
        ),
        Check::IssMissing => (
            "{client} refuses an authorization response without `iss` (RFC 9207)",
            "add `iss={wanted}` to every authorization response, errors too",
        ),
        Check::IssDiffers => (
            "{client} compares `iss` with `issuer` as text (RFC 9207)",
            "send `iss={wanted}`, byte for byte the `issuer` of the metadata",
        ),
        Check::TokenRefused => (
            "{client} could not redeem its code",
            "accept this redemption at the token endpoint: public client, same redirect URI, S256 verifier, `resource`; it was answered with {wanted}",
        ),
        Check::TokenBroken => (
            "{client} cannot read the token answer",
            "answer with JSON that has `access_token`, `token_type` Bearer and `expires_in` (RFC 6749 section 5.1); wrong: {wanted}",
        ),
        Check::TokenCacheable => (
            "a cache may keep the tokens",
            "send `Cache-Control: no-store` with every token answer",
        ),
        Check::ExpiresSoon => (
            "{client} was repeatedly seen not to renew its token, so the connection ends with it",
            "let access tokens live at least an hour, better 24 h, and check revocation at each request",
        ),
        Check::RefreshMissing => (
            "{client} cannot renew its token, and the person has to sign in again",
            "issue a `refresh_token` whether or not `offline_access` was asked for",
        ),
        Check::RefreshRefused => (
            "{client} drops its tokens and makes the person sign in again",
            "accept `grant_type=refresh_token` with `client_id` and `resource` from public clients; it was answered with {wanted}",
        ),
        Check::RefreshRace => (
            "when {client} refreshes from two places at once, one of them loses its connection",
            "answer a refresh token again with a working pair as long as its successor is unused, instead of at most once",
        ),
        Check::ReplayAccepted => (
            "somebody who copied a refresh token of {client} can use it after it was replaced",
            "refuse a replaced refresh token with `invalid_grant` once its successor was used, and end the session (OAuth 2.1 section 4.3.1)",
        ),
        Check::CallRefused => (
            "{client} signed in and its calls are refused",
            "accept the access token at the MCP endpoint: same audience as `resource`, no further header; it was answered with {wanted}",
        ),
        Check::CallBroken => (
            "{client} signed in and gets no result",
            "answer {wanted} with its result at the revision the client speaks",
        ),
        Check::InitializeRefused => (
            "{client} opens its session with `initialize`",
            "answer `initialize` with HTTP 200 and a revision you serve, also when it asks for another one: {wanted}",
        ),
        Check::DiscoverUnclear => (
            "{client} takes this answer for an old server and goes on with `initialize` for the whole connection",
            "answer `server/discover` with its result, or with -32022 and `data.supported`, and never limit it; {wanted}",
        ),
        Check::SessionHeaderRenamed => (
            "{client} sends back the session id of `Mcp-Session-Id` and of no other header",
            "send the session id as `Mcp-Session-Id` instead of `{wanted}`: a proxy in between may have renamed it",
        ),
        Check::StreamAnswer => (
            "{client} asks with GET for a stream after `initialize`",
            "answer GET with a token with an event stream or with 405, not with {wanted}",
        ),
        Check::RevocationMissing => (
            "a person who disconnects {client} cannot end its tokens, and neither can this command",
            "add `revocation_endpoint` (RFC 7009) to {wanted}",
        ),
        Check::RevocationIneffective => (
            "{client} keeps its access after it was disconnected",
            "check at each request that the session still lives: {wanted}",
        ),
        Check::CorsHeaders => (
            "{client} in its browser mode cannot read these headers",
            "send `Access-Control-Expose-Headers: WWW-Authenticate, Mcp-Session-Id` for the origin {wanted}",
        ),
        Check::CorsPreflight => (
            "{client} in its browser mode may not send its requests",
            "allow the origin {wanted} to send Authorization, Content-Type, MCP-Protocol-Version, Mcp-Method, Mcp-Name and Mcp-Session-Id",
        ),
    }
}
