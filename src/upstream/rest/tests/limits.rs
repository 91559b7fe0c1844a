//! What an upstream says of its limits, and attempts after failures.

use super::*;
use crate::{
    ids::{CredentialId, LicenseId},
    upstream::{Comer, GateRefusal, Observed},
};

#[tokio::test]
async fn a_limit_of_one_account_leaves_the_other_alone() {
    let told = r#"{"error":{"errors":[{"reason":"userRateLimitExceeded"}]}}"#;
    let refusal = answer("403 Forbidden", &[("retry-after", "30")], told);
    let double = Double::start(&[refusal, json_answer("{}")]).await;
    let tool = double.bind(&json!({}));
    let account = |number: u8| {
        let id = CredentialId::from_bytes([number; 16]);
        let holder = Holder::Stored(id);
        let comer = Comer {
            license: LicenseId::from_bytes([number; 16]),
            holder: Some(holder),
        };
        let opened = Arc::new(OpenedCredential {
            secret: Secret::new(SECRET.as_bytes().to_vec()),
            generation: 0,
            holder,
        });
        (comer, opened)
    };
    let through = async |(comer, opened): (Comer, Arc<OpenedCredential>)| {
        let deadline = Instant::now() + Duration::from_secs(2);
        let permit = tool.site.gate.enter(comer, deadline).await?;
        let prepared = tool.target.prepare(&json!({})).unwrap();
        let result = prepared.send(Some(opened), deadline).await;
        permit.finish(Observed::of(&result));
        Ok::<_, GateRefusal>(result)
    };
    let limited = UpstreamError::Limited {
        status: 403,
        retry_after: Some(Duration::from_secs(30)),
    };
    assert_eq!(through(account(1)).await, Ok(Err(limited)));
    let paused = GateRefusal::Paused(Duration::from_secs(30));
    assert_eq!(through(account(1)).await, Err(paused));
    assert!(through(account(2)).await.unwrap().is_ok());
    assert_eq!(double.seen().len(), 2);
}

#[tokio::test]
async fn the_last_call_that_was_left_is_heeded() {
    let json = ("content-type", "application/json");
    let left = [json, ("ratelimit", r#""default";r=0;t=20"#)];
    let double = Double::start(&[answer("200 OK", &left, "{}")]).await;
    let tool = double.bind(&json!({}));
    assert!(call(&tool).await.is_ok());
    let holder = Some(Holder::Configured);
    assert!(!tool.site.gate.spend_again(holder, Duration::from_secs(19)));
    assert!(tool.site.gate.spend_again(holder, Duration::from_secs(20)));
}

#[tokio::test]
async fn further_attempts_at_what_always_fails_are_a_share_of_its_calls() {
    let double = Double::start(&[answer("502 Bad", &[], "x")]).await;
    let tool = double.bind(&json!({}));
    // A few at a time: what matters is how many, not how many at once.
    for _ in 0..30 {
        let calls = (0..10).map(|_| call(&tool));
        let results = futures_util::future::join_all(calls).await;
        assert!(results.iter().all(Result::is_err));
    }
    let attempts = double.seen().len();
    println!("300 calls, all failing: {attempts} attempts");
    assert!((301..=340).contains(&attempts), "{attempts}");
}

#[tokio::test]
async fn no_attempt_begins_past_the_deadline() {
    let double = Double::start(&[answer("502 Bad", &[], "x")]).await;
    let tool = double.bind(&json!({}));
    let opened = OpenedCredential {
        secret: Secret::new(b"secret".to_vec()),
        generation: 0,
        holder: Holder::Configured,
    };
    let prepared = tool.target.prepare(&json!({})).unwrap();
    // The pause before another attempt is 50 ms at least.
    let deadline = Instant::now() + Duration::from_millis(49);
    let result = prepared.send(Some(Arc::new(opened)), deadline).await;
    assert!(result.is_err());
    assert_eq!(double.seen().len(), 1);
}
