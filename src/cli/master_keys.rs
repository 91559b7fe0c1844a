//! From an entry of `keys:` to the key itself. Files must be readable by this user alone; key
//! services are asked nothing yet.

use std::sync::Arc;

use url::Url;

use super::{
    failure::Failure,
    open::{Desk, MAKE_KEY},
};
use crate::{
    config::{
        KeyConfig,
        keys::{AwsKeyConfig, GcpCredentials, GcpKeyConfig, VaultKeyConfig},
    },
    crypto::{KeyFileError, MasterKey, MasterKeyId, read_key_file},
    kms::{
        AwsKms, AwsKmsParts, GcpIdentity, GcpKms, GcpKmsParts, KeyProvider, KeySetupError,
        LocalKey, VaultTransit, VaultTransitParts, gcp,
    },
    secret::SecretString,
};

impl Desk {
    /// The key of one entry.
    pub(super) fn key_provider(
        &self,
        key: &KeyConfig,
        id: &MasterKeyId,
    ) -> Result<Arc<dyn KeyProvider>, Failure> {
        if let Some(vault) = &key.vault {
            return self.vault_transit(vault, id);
        }
        if let Some(aws) = &key.aws_kms {
            return self.aws_kms(aws, id);
        }
        if let Some(gcp) = &key.gcp_kms {
            return self.gcp_kms(gcp, id);
        }
        let kind = if key.file.is_some() { "file" } else { "env" };
        let sealing = MasterKey::parse(&self.key_text(key)?)
            .map_err(|error| Failure::bad_configuration(format_args!("keys: {}: {error}", key.id)))?
            .sealing_key(id);
        let entropy = Arc::clone(&self.entropy);
        Ok(Arc::new(LocalKey::new(kind, sealing, entropy)))
    }

    fn vault_transit(
        &self,
        key: &VaultKeyConfig,
        id: &MasterKeyId,
    ) -> Result<Arc<dyn KeyProvider>, Failure> {
        let made = VaultTransit::new(VaultTransitParts {
            address: &key.address,
            mount: &key.mount,
            key: &key.key,
            token: &self.resolve(&format!("keys: {id}: vault.token"), &key.token)?,
            namespace: key.namespace.as_deref(),
            allow_special_use: &key.allow_special_use,
            entropy: Arc::clone(&self.entropy),
        });
        Ok(Arc::new(made.map_err(|error| wrong(id, error))?))
    }

    fn aws_kms(
        &self,
        key: &AwsKeyConfig,
        id: &MasterKeyId,
    ) -> Result<Arc<dyn KeyProvider>, Failure> {
        let place = |name: &str| format!("keys: {id}: aws_kms.{name}");
        let token = key.session_token.as_ref();
        let token = token.map(|source| self.resolve(&place("session_token"), source));
        let made = AwsKms::new(AwsKmsParts {
            region: &key.region,
            key_id: &key.key_id,
            access_key_id: &key.access_key_id,
            secret_access_key: &self
                .resolve(&place("secret_access_key"), &key.secret_access_key)?,
            session_token: token.transpose()?.as_ref(),
            endpoint: key.endpoint.as_ref(),
            allow_special_use: &key.allow_special_use,
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        });
        Ok(Arc::new(made.map_err(|error| wrong(id, error))?))
    }

    fn gcp_kms(
        &self,
        key: &GcpKeyConfig,
        id: &MasterKeyId,
    ) -> Result<Arc<dyn KeyProvider>, Failure> {
        let fixed = |text: &str| Url::parse(text).map_err(|_| wrong(id, KeySetupError::Address));
        let endpoint = match &key.endpoint {
            Some(url) => url.clone(),
            None => fixed(gcp::ENDPOINT)?,
        };
        let (text, metadata) = match &key.credentials {
            GcpCredentials::KeyFile(source) => {
                let place = format!("keys: {id}: gcp_kms.credentials.key_file");
                (Some(self.resolve(&place, source)?), None)
            }
            GcpCredentials::Metadata => (None, Some(fixed(gcp::METADATA)?)),
        };
        let identity = match (&text, &metadata) {
            (Some(text), _) => GcpIdentity::KeyFile(text),
            (None, Some(address)) => GcpIdentity::Metadata(address),
            (None, None) => return Err(wrong(id, KeySetupError::KeyFile)),
        };
        let made = GcpKms::new(GcpKmsParts {
            endpoint: &endpoint,
            key: &key.key,
            identity,
            allow_special_use: &key.allow_special_use,
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        });
        Ok(Arc::new(made.map_err(|error| wrong(id, error))?))
    }

    fn key_text(&self, key: &KeyConfig) -> Result<SecretString, Failure> {
        if let Some(file) = &key.file {
            let path = self.folder().join(file);
            return read_key_file(&path).map_err(|error| {
                let shown = path.display();
                let fix = match &error {
                    KeyFileError::Open(_) => format!("chmod 600 {shown}"),
                    KeyFileError::Owner { .. } => {
                        format!("chown it to this user, or run as its owner: {shown}")
                    }
                    KeyFileError::NotRegular => {
                        "name the file itself, or a copy of it that only this user can read"
                            .to_owned()
                    }
                    KeyFileError::Io(_) | KeyFileError::Changed | KeyFileError::NotText => {
                        format!("restore it from its copy; a new installation: {MAKE_KEY}")
                    }
                };
                Failure::bad_configuration(format_args!("{shown} {error}")).fix(fix)
            });
        }
        let missing = || {
            Failure::bad_configuration(format_args!("keys: {}: no key is there", key.id))
                .fix(MAKE_KEY)
        };
        let name = key.env.as_deref().ok_or_else(missing)?;
        self.environment.secret(name).ok_or_else(missing)
    }
}

fn wrong(id: &MasterKeyId, error: KeySetupError) -> Failure {
    Failure::bad_configuration(format_args!("keys: {id}: {error}"))
        .fix("see `keys:` in `wicketgate config reference`")
}
