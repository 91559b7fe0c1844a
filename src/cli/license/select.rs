//! Which license a person means: its id, the beginning of its id, or its exact name.

use crate::{
    cli::failure::Failure,
    ids::LicenseId,
    license::License,
    store::{LicenseFilter, Store},
};

/// How many candidates an error names.
const SHOWN: usize = 5;

/// The one license that `text` means.
pub async fn find(store: &Store, text: &str) -> Result<License, Failure> {
    if let Ok(id) = text.parse::<LicenseId>() {
        return store.license(id).await?.ok_or_else(|| unknown(text));
    }
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .licenses(&LicenseFilter {
                after,
                ..LicenseFilter::default()
            })
            .await?;
        after = page.last().map(|license| license.id);
        found.extend(page.into_iter().filter(|license| means(license, text)));
        // A few more than are shown say that there are more.
        found.truncate(2 * SHOWN);
        if after.is_none() {
            return only(found, text);
        }
    }
}

fn means(license: &License, text: &str) -> bool {
    let by_id = text.len() > LicenseId::PREFIX.len() && license.id.to_string().starts_with(text);
    by_id || license.name == text
}

fn only(mut found: Vec<License>, text: &str) -> Result<License, Failure> {
    match found.len() {
        0 => Err(unknown(text)),
        1 => Ok(found.remove(0)),
        count => {
            let mut names: Vec<_> = found
                .iter()
                .take(SHOWN)
                .map(|license| format!("{} ({})", license.id, license.name))
                .collect();
            if count > SHOWN {
                names.push("more".to_owned());
            }
            Err(Failure::failed(format_args!(
                "`{text}` means several licenses: {}",
                names.join(", ")
            ))
            .fix("write the whole id"))
        }
    }
}

/// There is none.
pub fn unknown(text: &str) -> Failure {
    // Somebody may have pasted the key instead of the id: it is not repeated.
    let message = if text.starts_with("wgl_") {
        "that is a license key, not a license id".to_owned()
    } else {
        format!("no license `{text}`")
    };
    Failure::failed(message).fix("see `wicketgate license list`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        license::{LicenseStatus, Overrides},
    };

    fn license(first: u8, last: u8, name: &str) -> License {
        let mut bytes = [first; 16];
        bytes[15] = last;
        License {
            id: LicenseId::from_bytes(bytes),
            name: name.to_owned(),
            plan: "pro".parse().unwrap(),
            tools: None,
            overrides: Overrides::default(),
            status: LicenseStatus::Active,
            created: Timestamp::from_millis(0),
            expires: None,
        }
    }

    #[test]
    fn a_beginning_or_a_name_is_enough_when_it_means_one() {
        let all = [
            license(1, 1, "Acme"),
            license(1, 2, "Bolt"),
            license(9, 1, "Bolt"),
        ];
        let pick = |text: &str| {
            let found = all
                .iter()
                .filter(|license| means(license, text))
                .cloned()
                .collect();
            only(found, text)
        };
        assert_eq!(pick("Acme").unwrap(), all[0]);
        let start = &all[2].id.to_string()[..8];
        assert_eq!(pick(start).unwrap(), all[2]);
        let error = pick("Bolt").unwrap_err();
        assert!(
            error.message.contains(&all[1].id.to_string()),
            "{}",
            error.message
        );
        assert!(
            error.message.contains(&all[2].id.to_string()),
            "{}",
            error.message
        );
        assert!(pick("lic_").unwrap_err().message.contains("no license"));
        assert!(pick("").is_err());
    }

    #[test]
    fn a_pasted_key_is_not_repeated() {
        let error = only(Vec::new(), "wgl_CANARY").unwrap_err();
        assert!(!error.message.contains("CANARY"));
    }
}
