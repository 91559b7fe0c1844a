//! Licenses by the hundred: straight into the store, as the command does it one by one.

use std::sync::Arc;

use wicketgate::{
    clock::{Clock as _, SharedClock, SystemClock},
    crypto::{LicenseKey, MasterKey, Pepper},
    entropy::{OsEntropy, SharedEntropy},
    ids::LicenseId,
    kms::Keyring,
    license::{License, LicenseStatus, Overrides},
    secret::SecretString,
    store::{KeyRecord, Stamp, StatusChange},
    vault::Vault,
};

use super::Cluster;

impl Cluster {
    /// So many licenses of this plan; ids and keys.
    pub(crate) async fn issue(&self, plan: &str, count: usize) -> Vec<(LicenseId, String)> {
        let clock = SystemClock::new();
        let pepper = self.pepper().await;
        let mut issued = Vec::with_capacity(count);
        for number in 0..count {
            let now = clock.now();
            let key = LicenseKey::generate(&OsEntropy);
            let record = KeyRecord {
                digest: pepper.digest(&key),
                hint: key.hint(),
                created: now,
                expires: None,
            };
            let license = License {
                id: LicenseId::generate(now, &OsEntropy),
                name: format!("{plan} {number}"),
                plan: plan.parse().expect("a plan's name"),
                tools: None,
                status: LicenseStatus::Active,
                created: now,
                expires: None,
                overrides: Overrides::default(),
            };
            let stamp = Stamp::new("test", &clock, &OsEntropy);
            self.store
                .insert_license(&license, &record, &stamp)
                .await
                .expect("a new license");
            issued.push((license.id, key.expose().to_owned()));
        }
        issued
    }

    /// One license; its key.
    pub(crate) async fn key(&self, plan: &str) -> String {
        self.issue(plan, 1).await.remove(0).1
    }

    /// As `license revoke` does it in a process of its own; returns when it is committed.
    pub(crate) async fn revoke(&self, license: LicenseId) {
        let stamp = Stamp::new("test", &SystemClock::new(), &OsEntropy);
        let changed = self
            .store
            .set_license_status(license, LicenseStatus::Revoked, "", &stamp)
            .await
            .expect("the store answers");
        assert!(matches!(changed, StatusChange::Changed { .. }));
    }

    async fn pepper(&self) -> Pepper {
        let (entropy, clock): (SharedEntropy, SharedClock) =
            (Arc::new(OsEntropy), Arc::new(SystemClock::new()));
        let key = SecretString::new(self.operator.variable("KEY").to_owned());
        let id = "test".parse().expect("a key's name");
        let keys = vec![(id, MasterKey::parse(&key).expect("a master key"))];
        let ring = Keyring::local(keys, &entropy).expect("a keyring");
        let vault = Vault::bootstrap(self.store.clone(), ring, clock, entropy).await;
        vault.expect("the vault opens").pepper().clone()
    }
}
