//! The tools of the matrix: every kind of credential, held in every way.

use std::fmt::Write as _;

use crate::support::provider::CLIENT_ID;

/// What the tools of bought and connected tokens need.
pub(super) const SCOPE: &str = "reports.read";

/// How an upstream wants its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Header,
    Query,
    Basic,
    Bearer,
    SigV4,
    ClientCredentials,
    ServiceAccount,
    LoginWithAmazon,
    Account,
    Nothing,
}

/// Who has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holding {
    /// Each license its own.
    Both,
    /// Only beta.
    BetaOnly,
    /// Beta its own, alpha the operator's.
    Shared,
    /// The operator's, in the configuration.
    Configured,
    /// Nobody: the upstream wants none.
    Nobody,
}

/// A tool, and the upstream of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) kind: Kind,
    pub(super) holding: Holding,
}

const KINDS: [(Kind, &str, bool); 10] = [
    (Kind::Header, "header", true),
    (Kind::Query, "query", true),
    (Kind::Basic, "basic", true),
    (Kind::Bearer, "bearer", true),
    (Kind::SigV4, "sigv4", true),
    (Kind::ClientCredentials, "machine", true),
    (Kind::ServiceAccount, "service", true),
    (Kind::LoginWithAmazon, "amazon", true),
    (Kind::Account, "account", false),
    (Kind::Nothing, "nothing", false),
];

impl Tool {
    /// All of them.
    pub(super) fn all() -> Vec<Self> {
        let mut tools = Vec::new();
        for (kind, _, has_operators) in KINDS {
            let holdings: &[Holding] = match kind {
                Kind::Nothing => &[Holding::Nobody],
                Kind::Header | Kind::ClientCredentials => &[
                    Holding::Both,
                    Holding::BetaOnly,
                    Holding::Shared,
                    Holding::Configured,
                ],
                _ if has_operators => &[Holding::Both, Holding::BetaOnly, Holding::Shared],
                _ => &[Holding::Both, Holding::BetaOnly],
            };
            tools.extend(holdings.iter().map(|holding| Self {
                kind,
                holding: *holding,
            }));
        }
        tools
    }

    pub(super) fn name(self) -> String {
        let (_, kind, _) = KINDS.iter().find(|(kind, ..)| *kind == self.kind).unwrap();
        format!("{kind}_{:?}", self.holding).to_ascii_lowercase()
    }

    /// Does its API know tokens of the double?
    pub(super) fn is_token(self) -> bool {
        matches!(
            self.kind,
            Kind::ClientCredentials | Kind::ServiceAccount | Kind::LoginWithAmazon | Kind::Account
        )
    }

    /// Whose credential a request of this tenant must carry, while each has its newest; none when
    /// no request may be sent.
    pub(super) fn owner(self, tenant: &str, version: u32) -> Option<String> {
        let own = format!("{tenant}-{version}");
        match self.holding {
            Holding::Both => Some(own),
            Holding::BetaOnly => (tenant == "beta").then_some(own),
            Holding::Shared if tenant == "beta" => Some(own),
            Holding::Shared | Holding::Configured => Some("operator-1".to_owned()),
            Holding::Nobody => Some("nobody".to_owned()),
        }
    }

    /// Has this tenant one of its own?
    pub(super) fn is_own(self, tenant: &str) -> bool {
        match self.holding {
            Holding::Both => tenant != "operator",
            Holding::BetaOnly => tenant == "beta",
            Holding::Shared => tenant != "alpha",
            Holding::Configured | Holding::Nobody => false,
        }
    }

    fn credential(self) -> String {
        let configured = match self.holding {
            Holding::Configured => format!(", value: {{ env: {} }}", self.variable()),
            _ => String::new(),
        };
        match self.kind {
            Kind::Header => format!("{{ header: X-Secret{configured} }}"),
            Kind::Query => "{ query: key }".to_owned(),
            Kind::Basic => "{ basic: { username: gate } }".to_owned(),
            Kind::Bearer => "{ bearer: {} }".to_owned(),
            Kind::SigV4 => "{ sigv4: { region: eu-west-1, service: execute-api, \
                 access_key_id: AKIDEXAMPLE } }"
                .to_owned(),
            Kind::ClientCredentials => format!(
                "{{ client_credentials: {{ token_url: ORIGIN/token, client_id: {CLIENT_ID}, \
                 scopes: [{SCOPE}] }}{configured} }}"
            ),
            Kind::ServiceAccount => {
                format!("{{ service_account: {{ scopes: [{SCOPE}], token_url: ORIGIN/token }} }}")
            }
            Kind::LoginWithAmazon => format!(
                "{{ login_with_amazon: {{ client_id: {CLIENT_ID}, client_secret: {{ env: \
                 CLIENT_SECRET }}, token_url: ORIGIN/token }} }}"
            ),
            Kind::Account => format!(
                "{{ account: {{ provider: google, client_id: {CLIENT_ID}, client_secret: {{ env: \
                 CLIENT_SECRET }}, scopes: [{SCOPE}] }} }}"
            ),
            Kind::Nothing => String::new(),
        }
    }

    /// Where the operator's is, when it is in the configuration.
    pub(super) const fn variable(self) -> &'static str {
        match self.kind {
            Kind::ClientCredentials => "MACHINE_SECRET",
            _ => "HEADER_SECRET",
        }
    }

    /// The entry of `upstreams:`; `ORIGIN` is the double's.
    pub(super) fn yaml(self, address: std::net::SocketAddr) -> String {
        let name = self.name();
        let mut text = format!(
            "  {name}:\n    rest:\n      base_url: http://{address}\n      \
             allow_special_use: [127.0.0.0/8]\n      limit: 10000/s\n"
        );
        let credential = self.credential();
        if !credential.is_empty() {
            writeln!(text, "      credential: {credential}").unwrap();
        }
        let scopes = match self.kind {
            Kind::Account => format!("scopes: [{SCOPE}], "),
            _ => String::new(),
        };
        write!(
            text,
            "      tools:\n        - {{ name: {name}, description: Reads., read_only: true, {scopes}\
             request: {{ path: \"/by/{{who}}\" }}, input: {{ type: object, \
             additionalProperties: false, required: [who], properties: {{ who: {{ type: string, \
             maxLength: 5, pattern: '^[a-z]*$' }} }} }} }}\n"
        )
        .unwrap();
        text
    }
}
