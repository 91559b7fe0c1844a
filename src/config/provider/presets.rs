//! The providers that come with the program, as data. Their addresses and scopes change without notice:
//! whoever needs others writes a provider of their own.

use std::{collections::BTreeMap, sync::LazyLock};

use super::ProviderConfig;
use crate::names::ProviderName;

/// What a provider starts from that is not like another.
pub(super) const GENERIC: &str = "generic";

const FILES: [(&str, &str); 6] = [
    ("amazon", include_str!("../../../providers/amazon.yaml")),
    (GENERIC, include_str!("../../../providers/generic.yaml")),
    ("github", include_str!("../../../providers/github.yaml")),
    ("google", include_str!("../../../providers/google.yaml")),
    ("meta", include_str!("../../../providers/meta.yaml")),
    (
        "microsoft",
        include_str!("../../../providers/microsoft.yaml"),
    ),
];

/// The presets by name. All but `generic` are complete.
#[expect(
    clippy::expect_used,
    reason = "the files are compiled in, and a test reads each of them"
)]
pub fn presets() -> &'static BTreeMap<ProviderName, ProviderConfig> {
    static PRESETS: LazyLock<BTreeMap<ProviderName, ProviderConfig>> = LazyLock::new(|| {
        FILES
            .into_iter()
            .map(|(name, text)| {
                let name = name.parse().expect("a provider name");
                let preset = serde_saphyr::from_str(text).expect("a provider");
                (name, preset)
            })
            .collect()
    });
    &PRESETS
}
