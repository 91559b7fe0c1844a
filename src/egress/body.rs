//! Reads a body to its end: counted, and never waiting for long.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use super::{EgressError, EgressResponse};

/// Longest silence in the middle of a body.
pub const BODY_IDLE: Duration = Duration::from_secs(15);

/// Reads the whole body: at most `cap` bytes, no longer than `idle` without a byte, and not past
/// `deadline`. A body that came in one piece is not copied.
pub async fn read_body(
    mut response: EgressResponse,
    cap: usize,
    idle: Duration,
    deadline: Instant,
) -> Result<Bytes, EgressError> {
    let claimed = response
        .content_length()
        .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if claimed.is_some_and(|length| length > cap) {
        return Err(EgressError::TooLarge);
    }
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    loop {
        let patience = (Instant::now() + idle).min(deadline);
        let part = match timeout_at(patience, response.chunk()).await {
            Ok(part) => part?,
            Err(_) if patience == deadline => return Err(EgressError::Deadline),
            Err(_) => return Err(EgressError::BodyIdle),
        };
        let Some(part) = part else {
            return Ok(if parts.is_empty() {
                whole
            } else {
                parts.freeze()
            });
        };
        if part.len() > cap - whole.len().max(parts.len()) {
            return Err(EgressError::TooLarge);
        }
        if whole.is_empty() && parts.is_empty() {
            whole = part;
        } else {
            if parts.is_empty() {
                parts.reserve(claimed.unwrap_or(0).max(whole.len() + part.len()));
                parts.extend_from_slice(&whole);
            }
            parts.extend_from_slice(&part);
        }
    }
}
