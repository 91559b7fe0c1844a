//! `wicketgate seal` and `wicketgate unseal`: the operator's emergency stop for all upstream
//! credentials. Needs the database only, so that it works when no key does.

use clap::Args;
use serde_json::json;

use super::{failure::Failure, open::Desk};

/// Stop the use of every upstream credential, on all gateways, within five seconds
///
/// Calls of tools that need a credential are refused until `unseal`; what gateways hold opened in
/// memory is dropped. Nothing is deleted. Works without any master key.
#[derive(Debug, Args)]
pub struct SealArgs {}

/// Let upstream credentials be used again after `seal`
#[derive(Debug, Args)]
pub struct UnsealArgs {}

/// Stops.
pub async fn seal(desk: &Desk, _: SealArgs) -> Result<(), Failure> {
    let store = desk.prepared(&desk.load()?).await?;
    let stamp = desk.stamp();
    let changed = store.set_vault_sealed(Some(stamp.at), &stamp).await?;
    let since = store.vault_sealed().await?;
    desk.output.show(
        &json!({ "sealed": true, "changed": changed,
            "since": since.map(|at| at.to_string()) }),
        if changed {
            "sealed: all gateways stop using upstream credentials within five seconds; \
             `wicketgate unseal` lets them go on"
        } else {
            "it was sealed already; `wicketgate unseal` lets gateways go on"
        },
    );
    Ok(())
}

/// Lets go on.
pub async fn unseal(desk: &Desk, _: UnsealArgs) -> Result<(), Failure> {
    let store = desk.prepared(&desk.load()?).await?;
    let changed = store.set_vault_sealed(None, &desk.stamp()).await?;
    desk.output.show(
        &json!({ "sealed": false, "changed": changed }),
        if changed {
            "unsealed: gateways use upstream credentials again within five seconds"
        } else {
            "it was not sealed"
        },
    );
    Ok(())
}
