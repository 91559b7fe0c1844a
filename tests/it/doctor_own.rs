//! `doctor` at our own gateway: every client it plays goes all the way.

use crate::support::gateway::{TestGateway, known_address};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_goes_from_the_url_to_a_call_at_our_own_gateway() {
    let gateway = TestGateway::with(|setup| {
        setup.public = known_address();
        // Documents stand on the internet; what is played here does not.
        setup.more += "auth: { oauth: { client_documents: { accept: \"off\" } } }\n";
    })
    .await;
    let (license, key) = gateway.issue("pro").await;
    crate::doctor::passes(&format!("http://{}/mcp", gateway.address), &key).await;
    // It ended what it began.
    let now = gateway.clock.now();
    assert_eq!(gateway.store.live_grants(license, now).await.unwrap(), 0);
}
