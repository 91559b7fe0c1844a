//! Values with a spelling of their own: secrets by reference, spans of time, sizes.

use std::{borrow::Cow, fmt, path::PathBuf, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where a secret is: `{ env: NAME }` or `{ file: PATH }`, never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; one trailing newline is dropped. Relative to the configuration file.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for SecretSource {
    /// Never repeats what it read: somebody may have pasted the secret itself.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SecretSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`{ env: NAME }` or `{ file: PATH }`; a secret is never written here")
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretSource, E> {
                Err(E::custom(
                    "a secret is never written here: use `{ env: NAME }` or `{ file: PATH }`",
                ))
            }

            fn visit_map<A: de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<SecretSource, A::Error> {
                let refusal =
                    || de::Error::custom("expected exactly one of `env: NAME` or `file: PATH`");
                let key: String = map.next_key()?.ok_or_else(refusal)?;
                let source = match key.as_str() {
                    "env" => SecretSource::Env(map.next_value()?),
                    "file" => SecretSource::File(map.next_value()?),
                    _ => return Err(refusal()),
                };
                if map.next_key::<de::IgnoredAny>()?.is_some() {
                    return Err(refusal());
                }
                Ok(source)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A span of time: `500ms`, `30s`, `5min`, `24h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a span of time: write `500ms`, `30s`, `5min`, `24h` or `30d`";
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .ok_or(WRONG)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.replace('_', "").parse().map_err(|_| WRONG)?;
        let millis = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(WRONG),
        };
        number
            .checked_mul(millis)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or(WRONG)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl fmt::Display for Span {
    /// In the largest unit that is exact, as it would be written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, name) = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "min"),
            (1_000, "s"),
        ]
        .into_iter()
        .find(|(unit, _)| number >= *unit && number.is_multiple_of(*unit))
        .unwrap_or((1, "ms"));
        write!(f, "{}{name}", number / unit)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A span of time: `500ms`, `30s`, `5min`, `24h`, `30d`.",
            "pattern": "^[0-9][0-9_]* ?(ms|s|m|min|h|d)$",
        })
    }
}

/// A size: `512B`, `256KiB`, `1MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many times 1,024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib * 1024)
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// In bytes, as lengths are counted.
    pub fn as_len(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a size: write `512B`, `256KiB`, `1MiB` or `1GiB`";
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .ok_or(WRONG)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.replace('_', "").parse().map_err(|_| WRONG)?;
        let factor = match unit.trim() {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(WRONG),
        };
        number.checked_mul(factor).map(Self).ok_or(WRONG)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that is exact, as it would be written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        let (unit, name) = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
            .into_iter()
            .find(|(unit, _)| number >= *unit && number.is_multiple_of(*unit))
            .unwrap_or((1, "B"));
        write!(f, "{}{name}", number / unit)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A size: `512B`, `256KiB`, `1MiB`, `1GiB`.",
            "pattern": "^[0-9][0-9_]* ?(B|KiB|MiB|GiB)$",
        })
    }
}

/// How an IP network is written, for fields whose type is `IpNet`.
pub(super) struct Network;

/// How a listen address is written, for fields whose type is `SocketAddr`.
pub(super) struct Address;

/// How a license id is written, for fields whose type is `LicenseId`.
pub(super) struct License;

impl JsonSchema for License {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "License".into()
    }

    /// 26 letters carry two bits more than an id has: the last letter leaves them out.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A license id: `wicketgate license list` shows them",
            "pattern": "^lic_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$",
        })
    }
}

impl JsonSchema for Network {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "ip-network" })
    }
}

impl JsonSchema for Address {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "ip-address-and-port" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_read_as_written() {
        assert_eq!(
            "500ms".parse::<Span>().unwrap().duration(),
            Duration::from_millis(500)
        );
        assert_eq!(
            "5min".parse::<Span>().unwrap().duration(),
            Duration::from_mins(5)
        );
        assert_eq!("256KiB".parse::<ByteSize>().unwrap().bytes(), 262_144);
        for bad in [
            "",
            "5",
            "s",
            "5 weeks",
            "1e3s",
            "-1s",
            "99999999999999999999s",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert!("1MB".parse::<ByteSize>().is_err());
        for text in ["500ms", "55s", "5min", "24h", "30d", "90s"] {
            let shown = text.parse::<Span>().unwrap().to_string();
            assert_eq!(shown.parse::<Span>(), text.parse::<Span>(), "{shown}");
        }
        assert_eq!(Span::seconds(55).to_string(), "55s");
        assert_eq!(ByteSize::kib(1024).to_string(), "1MiB");
        assert_eq!(ByteSize::kib(0).to_string(), "0B");
    }

    #[test]
    fn a_pasted_secret_is_not_repeated() {
        let error = serde_json::from_str::<SecretSource>("\"CANARY\"")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("CANARY"), "{error}");
        let error = serde_json::from_str::<SecretSource>(r#"{"CANARY":1}"#)
            .unwrap_err()
            .to_string();
        assert!(!error.contains("CANARY"), "{error}");
        let both = r#"{"env":"A","file":"b"}"#;
        assert!(serde_json::from_str::<SecretSource>(both).is_err());
        assert_eq!(
            serde_json::from_str::<SecretSource>(r#"{"env":"A"}"#).unwrap(),
            SecretSource::Env("A".into()),
        );
    }
}
