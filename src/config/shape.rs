//! Unknown keys, missing keys and wrong types, all at once. Never repeats a value.

use std::net::SocketAddr;

use ipnet::IpNet;
use jsonschema::{
    PatternOptions, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use super::{
    ByteSize, Span,
    findings::{Findings, Source, Spot},
    tree::{Place, Step},
};
use crate::{
    quota::Rate,
    schema::text::{cut, shown},
};

/// Most findings of this kind in one file.
const MOST: usize = 200;

const SECRET: &str = "a secret is never written here";
const SECRET_FIX: &str = "write `{ env: NAME }` or `{ file: PATH }`";

/// The published schema, made ready to check files against.
pub(super) struct Shape {
    schema: Value,
    validator: Option<Validator>,
}

impl Shape {
    pub(super) fn new(schema: Value) -> Self {
        let validator = jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .with_format("rate", |text: &str| text.parse::<Rate>().is_ok())
            .with_format("span", |text: &str| text.parse::<Span>().is_ok())
            .with_format("byte-size", |text: &str| text.parse::<ByteSize>().is_ok())
            .with_format("ip-network", |text: &str| text.parse::<IpNet>().is_ok())
            .with_format("ip-address-and-port", |text: &str| {
                text.parse::<SocketAddr>().is_ok()
            })
            .with_format("uri", |text: &str| url::Url::parse(text).is_ok())
            .build(&schema)
            .ok();
        Self { schema, validator }
    }

    /// Adds what is wrong with the file; answers where.
    pub(super) fn check(&self, source: &Source, findings: &mut Findings) -> Vec<Place> {
        let value = source.tree.to_value();
        let Some(validator) = &self.validator else {
            findings.whole(
                &source.path,
                None,
                "the configuration's own schema does not compile",
                "report this as a fault of Wicketgate",
            );
            return vec![Place::default()];
        };
        let mut broken = Vec::new();
        for error in validator.iter_errors(&value).take(MOST) {
            self.report(&error, source, findings, &mut broken);
        }
        broken
    }

    fn report(
        &self,
        error: &ValidationError<'_>,
        source: &Source,
        findings: &mut Findings,
        broken: &mut Vec<Place>,
    ) {
        let pointer = error.instance_path().as_str();
        let at = Spot {
            source,
            place: source.tree.place(pointer),
        };
        if is_secret(&at.place) && !matches!(error.kind(), Kind::Required { .. }) {
            findings.error(&at, SECRET, SECRET_FIX);
            broken.push(at.place);
            return;
        }
        if let Kind::AnyOf { context } | Kind::OneOfNotValid { context } = error.kind() {
            if let Some(branch) = deepest(context, pointer) {
                for inner in branch {
                    self.report(inner, source, findings, broken);
                }
                return;
            }
            findings.error(&at, alternatives(context), "see `docs/config.md`");
            broken.push(at.place);
            return;
        }
        if let Kind::AdditionalProperties { unexpected } = error.kind() {
            for name in unexpected {
                let spot = at.key(name);
                let (message, fix) = self.unexpected(&at.place, name, error);
                findings.error(&spot, message, fix);
                broken.push(spot.place);
            }
            return;
        }
        // A spelling is checked by a pattern for editors and by a format for us.
        if matches!(error.kind(), Kind::Format { .. } | Kind::Pattern { .. })
            && broken.contains(&at.place)
        {
            return;
        }
        let (message, fix) = say(error.kind(), || self.description(error));
        findings.error(&at, message, fix);
        broken.push(at.place);
    }

    fn unexpected(&self, at: &Place, name: &str, error: &ValidationError<'_>) -> (String, String) {
        let named = matches!(at.0.as_slice(), [Step::Key(key)] if matches!(key.as_str(), "upstreams" | "plans" | "providers"));
        if named {
            return (
                "not a valid name".to_owned(),
                "use 1 to 32 of a-z, 0-9, `-` and `_`, a letter or digit first".to_owned(),
            );
        }
        let message = format!("unknown key `{}`", shown(name, 64));
        let known = self.beside(error, "properties");
        let mut known: Vec<&str> = known
            .and_then(Value::as_object)
            .map(|map| map.keys().map(String::as_str).collect())
            .unwrap_or_default();
        known.sort_unstable();
        let fix = if known.is_empty() {
            "remove it".to_owned()
        } else {
            format!("known here: {}", known.join(", "))
        };
        (message, fix)
    }

    /// A keyword that stands beside the one that failed.
    fn beside(&self, error: &ValidationError<'_>, keyword: &str) -> Option<&Value> {
        let path = error.schema_path().as_str();
        let (parent, _) = path.rsplit_once('/')?;
        self.schema.pointer(parent)?.get(keyword)
    }

    fn description(&self, error: &ValidationError<'_>) -> Option<&str> {
        self.beside(error, "description").and_then(Value::as_str)
    }
}

/// `credential.value` and `store.postgres.url`.
fn is_secret(place: &Place) -> bool {
    let keys: Vec<&str> = place
        .0
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.as_str(),
            Step::Index(_) => "",
        })
        .collect();
    keys.windows(2)
        .any(|pair| matches!(pair, ["credential", "value"] | ["postgres", "url"]))
}

/// The branch that fits best: the one whose errors lie deepest, if any lies deeper than `at`.
fn deepest<'a>(
    context: &'a [Vec<ValidationError<'static>>],
    at: &str,
) -> Option<&'a Vec<ValidationError<'static>>> {
    let is_null_branch = |branch: &[ValidationError<'_>]| {
        matches!(branch, [only] if matches!(
            only.kind(),
            Kind::Type { kind: TypeKind::Single(jsonschema::JsonType::Null) }
        ))
    };
    let real: Vec<_> = context
        .iter()
        .filter(|branch| !branch.is_empty() && !is_null_branch(branch))
        .collect();
    if let [only] = real.as_slice() {
        return Some(*only);
    }
    let depth = |branch: &Vec<ValidationError<'_>>| {
        branch
            .iter()
            .map(|error| error.instance_path().as_str().len())
            .min()
            .unwrap_or(0)
    };
    real.into_iter()
        .filter(|branch| depth(branch) > at.len())
        .max_by_key(|branch| depth(branch))
}

fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut constants: Vec<String> = Vec::new();
    for error in context.iter().flatten() {
        if let Kind::Required { property } = error.kind() {
            names.extend(property.as_str().map(|name| format!("`{name}`")));
        } else if let Kind::Constant { expected_value } = error.kind() {
            constants.extend(expected_value.as_str().map(|text| format!("`{text}`")));
        }
    }
    if !names.is_empty() {
        format!("must have exactly one of {}", names.join(", "))
    } else if constants.is_empty() {
        "must have one of the documented forms".to_owned()
    } else {
        format!("must be one of {}", constants.join(", "))
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another crate; the published schema uses only these"
)]
fn say<'a>(kind: &Kind, description: impl Fn() -> Option<&'a str>) -> (String, String) {
    let spelled = || {
        let text = description().unwrap_or("see `docs/config.md`");
        cut(text.replace('\n', " "), 240)
    };
    match kind {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            (format!("`{name}` is missing"), format!("add `{name}:`"))
        }
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(many) => {
                    let names: Vec<String> = many
                        .iter()
                        .filter(|one| *one != jsonschema::JsonType::Null)
                        .map(|one| one.to_string())
                        .collect();
                    names.join(" or ")
                }
            };
            let fix = match wanted.as_str() {
                "string" => "put the value in quotes",
                "boolean" => "write `true` or `false`",
                "array" => "write a list",
                "object" => "write `key: value` pairs below it",
                _ => "write a number without quotes",
            };
            (format!("must be of type {wanted}"), fix.to_owned())
        }
        Kind::Enum { options } => {
            let names: Vec<&str> = options
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            (
                format!("must be one of {}", names.join(", ")),
                "choose one of these".to_owned(),
            )
        }
        Kind::FalseSchema => (
            "takes no keys".to_owned(),
            "write `{}`; a secret goes into `value`".to_owned(),
        ),
        Kind::Minimum { limit } => (format!("must be at least {limit}"), "raise it".to_owned()),
        Kind::Maximum { limit } => (format!("must be at most {limit}"), "lower it".to_owned()),
        Kind::Pattern { .. } => ("is not spelled right".to_owned(), spelled()),
        Kind::Format { format } => (
            format!("is not a valid {format}"),
            match format.as_str() {
                "ip-network" => "write `10.0.0.0/8` or `fd00::/8`".to_owned(),
                "ip-address-and-port" => "write `127.0.0.1:8080` or `[::1]:8080`".to_owned(),
                "uri" => "write `https://host`".to_owned(),
                _ => spelled(),
            },
        ),
        other => (
            format!("does not satisfy `{}`", other.keyword()),
            "see `docs/config.md`".to_owned(),
        ),
    }
}
