//! Names that people write, checked where they enter.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    rule: &'static str,
}

fn is_slug(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn is_tool(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn is_pattern(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.*".contains(&b))
}

/// RFC 6749 appendix A.4.
fn is_scope(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text
            .bytes()
            .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $check:ident, $rule:literal, $pattern:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { kind: $kind, rule: $rule })
                }
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $rule, "pattern": $pattern })
            }
        }
    )*};
}

names! {
    /// The operator's name for an upstream.
    UpstreamName, "upstream name", is_slug,
        "1 to 32 of a-z, 0-9, `-` and `_`, a letter or digit first", "^[a-z0-9][a-z0-9_-]{0,31}$";
    /// The operator's name for a plan.
    PlanName, "plan name", is_slug,
        "1 to 32 of a-z, 0-9, `-` and `_`, a letter or digit first", "^[a-z0-9][a-z0-9_-]{0,31}$";
    /// Whose OAuth server: a preset's name, or the operator's for one of their own.
    ProviderName, "provider name", is_slug,
        "1 to 32 of a-z, 0-9, `-` and `_`, a letter or digit first", "^[a-z0-9][a-z0-9_-]{0,31}$";
    /// What a provider grants (RFC 6749 appendix A.4), with a bound on its length.
    ScopeName, "scope", is_scope,
        "1 to 256 visible ASCII characters without space, quote and backslash",
        r"^[!#-\[\]-~]{1,256}$";
    /// What a client calls. MCP allows 128 characters and dots; 64 without dots is what every
    /// model API takes.
    ToolName, "tool name", is_tool,
        "1 to 64 of A-Z, a-z, 0-9, `-` and `_`", "^[A-Za-z0-9_-]{1,64}$";
    /// Which tools: `*`, `analytics.*` or `analytics.run_*`, matched on `upstream.tool`.
    ToolPattern, "tool pattern", is_pattern,
        "1 to 128 of A-Z, a-z, 0-9, `-`, `_`, `.` and `*`", "^[A-Za-z0-9_.*-]{1,128}$";
    /// What tells several accounts of one license at one upstream apart; people choose it.
    Label, "label", is_slug,
        "1 to 32 of a-z, 0-9, `-` and `_`, a letter or digit first", "^[a-z0-9][a-z0-9_-]{0,31}$";
}

impl Label {
    /// The only one, where nobody chose.
    pub fn default_label() -> Self {
        Self("default".into())
    }
}

impl ToolPattern {
    /// Does the pattern cover this tool? `*` stands for any run of characters.
    pub fn covers(&self, upstream: &UpstreamName, tool: &ToolName) -> bool {
        let full = format!("{upstream}.{tool}");
        let mut parts = self.as_str().split('*');
        let Some(rest) = full.strip_prefix(parts.next().unwrap_or_default()) else {
            return false;
        };
        let mut rest = rest;
        let mut tail: Option<&str> = None;
        for part in parts {
            if let Some(middle) = tail.replace(part) {
                match rest.find(middle) {
                    Some(at) => rest = &rest[at + middle.len()..],
                    None => return false,
                }
            }
        }
        tail.map_or(rest.is_empty(), |last| rest.ends_with(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_they_say() {
        let covers = |pattern: &str, upstream: &str, tool: &str| {
            let pattern: ToolPattern = pattern.parse().unwrap();
            pattern.covers(&upstream.parse().unwrap(), &tool.parse().unwrap())
        };
        assert!(covers("*", "ads", "insights"));
        assert!(covers("ads.*", "ads", "insights"));
        assert!(covers("ads.in*ts", "ads", "insights"));
        assert!(covers("*.insights", "ads", "insights"));
        assert!(covers("ads.insights", "ads", "insights"));
        assert!(!covers("ads.*", "ads2", "insights"));
        assert!(!covers("ads.insight", "ads", "insights"));
        assert!(!covers("ads.*x", "ads", "insights"));
        assert!(!covers("insights", "ads", "insights"));
        assert!(!covers("ads.s*ts*ts", "ads", "sts"));
    }

    #[test]
    fn tool_names_are_what_every_model_takes() {
        assert!("run_report-2".parse::<ToolName>().is_ok());
        for bad in [
            "",
            "a.b",
            "a b",
            "gеt_any",
            "get_any\u{202e}",
            &"x".repeat(65),
        ] {
            assert!(bad.parse::<ToolName>().is_err(), "{bad:?}");
        }
        assert!("Ads".parse::<UpstreamName>().is_err());
        assert!("-ads".parse::<UpstreamName>().is_err());
    }

    #[test]
    fn scopes_are_one_visible_word() {
        for good in [
            "https://www.googleapis.com/auth/analytics.readonly",
            "advertising::campaign_management",
            "a[b]~!",
            &"x".repeat(256),
        ] {
            assert!(good.parse::<ScopeName>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\\b", "a\n", "\u{e9}", &"x".repeat(257)] {
            assert!(bad.parse::<ScopeName>().is_err(), "{bad:?}");
        }
    }
}
