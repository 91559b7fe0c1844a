//! Ending a grant in each provider's way, and Meta's list of what was granted.

use std::collections::BTreeSet;

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    CLIENT_ID, Ending, Proved, Shared,
    answer::{Asked, json as answer},
    proof,
};

/// RFC 7009, as Google has it: access or refresh token, in the form or the query.
pub(super) fn revoke(shared: &Shared, asked: &Asked) -> Response {
    let get = |fields: &Option<std::collections::BTreeMap<String, String>>| {
        fields.as_ref()?.get("token").cloned()
    };
    let token = get(&asked.form).or_else(|| get(&asked.query));
    end(shared, "POST /revoke", token.unwrap_or_default(), |known| {
        if known {
            (200, json!({}))
        } else {
            (400, json!({ "error": "invalid_token" }))
        }
    })
}

/// `DELETE /me/permissions`, with a token that is good.
pub(super) fn permissions(shared: &Shared, asked: &Asked) -> Response {
    let token = asked.bearer().unwrap_or_default();
    let good = shared.book().holder(&token, shared.clock.now()).is_some();
    let how = "DELETE /me/permissions";
    if !good {
        return recorded(shared, how, token, 400, &no_session());
    }
    end(shared, how, token, |_| (200, json!({ "success": true })))
}

/// `GET /me/permissions`.
pub(super) fn list_permissions(shared: &Shared, asked: &Asked) -> Response {
    let token = asked.bearer().unwrap_or_default();
    let book = shared.book();
    let Some(holder) = book.holder(&token, shared.clock.now()) else {
        return answer(400, &no_session());
    };
    let none = BTreeSet::new();
    let declined = holder.grant.map_or(&none, |at| &book.grants[at].declined);
    let row = |name: &String, status: &str| json!({ "permission": name, "status": status });
    let mut data: Vec<Value> = holder.scopes.iter().map(|n| row(n, "granted")).collect();
    data.extend(declined.iter().map(|name| row(name, "declined")));
    answer(200, &json!({ "data": data }))
}

/// `DELETE /applications/{client_id}/grant`, with the client's proof.
pub(super) fn grant(shared: &Shared, asked: &Asked) -> Response {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let token = body["access_token"].as_str().unwrap_or_default().to_owned();
    let how = "DELETE /applications/{client_id}/grant";
    let proved = proof::client(asked, &std::collections::BTreeMap::new());
    if asked.path != format!("/applications/{CLIENT_ID}/grant") || proved != Proved::Basic {
        return recorded(shared, how, token, 404, &json!({ "message": "Not Found" }));
    }
    end(shared, how, token, |known| {
        if known {
            (204, Value::Null)
        } else {
            (422, json!({ "message": "Validation Failed" }))
        }
    })
}

/// `POST /applications/{client_id}/token`: is this token good?
pub(super) fn check(shared: &Shared, asked: &Asked) -> Response {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let token = body["access_token"].as_str().unwrap_or_default();
    let proved = proof::client(asked, &std::collections::BTreeMap::new());
    let mut book = shared.book();
    let known = book.holder(token, shared.clock.now()).is_some();
    let status = match () {
        () if asked.path != format!("/applications/{CLIENT_ID}/token") => 404,
        () if proved != Proved::Basic => 401,
        () if known => 200,
        () => 404,
    };
    book.checks.push(status);
    drop(book);
    answer(status, &json!({ "scopes": [] }))
}

fn no_session() -> Value {
    json!({ "error": { "message": "Invalid OAuth access token.", "type": "OAuthException", "code": 190 } })
}

fn end(
    shared: &Shared,
    how: &str,
    token: String,
    say: impl FnOnce(bool) -> (u16, Value),
) -> Response {
    {
        let mut knobs = shared.knobs();
        if knobs.ending_fails > 0 {
            knobs.ending_fails -= 1;
            drop(knobs);
            return recorded(shared, how, token, 503, &json!({ "error": "later" }));
        }
    }
    let known = shared.book().end(&token);
    let (status, body) = say(known);
    recorded(shared, how, token, status, &body)
}

fn recorded(shared: &Shared, how: &str, token: String, status: u16, body: &Value) -> Response {
    shared.book().endings.push(Ending {
        how: how.to_owned(),
        token,
        status,
    });
    if status == 204 {
        return Response::builder()
            .status(204)
            .body(axum::body::Body::empty())
            .unwrap();
    }
    answer(status, body)
}
