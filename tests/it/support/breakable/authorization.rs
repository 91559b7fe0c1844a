//! Its authorization server: registration, two pages, tokens that renew.

use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Asked, Break, Breakable, Held, KEY, Pairs, Session, answer, json_answer};

impl Breakable {
    pub(super) fn register(&self, asked: &Asked) -> Response {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let uris: Vec<String> = body["redirect_uris"]
            .as_array()
            .unwrap()
            .iter()
            .map(|uri| uri.as_str().unwrap().to_owned())
            .collect();
        if self.is(Break::CursorRefused) && uris.iter().any(|uri| uri.starts_with("cursor:")) {
            return json_answer(400, &[], &json!({ "error": "invalid_redirect_uri" }));
        }
        let mut held = self.held.lock().unwrap();
        held.next += 1;
        let id = format!("client-{}", held.next);
        held.clients.insert(id.clone(), uris.clone());
        let mut answer = json!({ "client_id": id, "redirect_uris": uris });
        if self.is(Break::SecretIssued) {
            answer["client_secret"] = json!("CANARY-client-secret");
        } else {
            answer["token_endpoint_auth_method"] = json!("none");
        }
        json_answer(201, &[], &answer)
    }

    pub(super) fn authorize(&self, asked: &Asked) -> Response {
        if self.is(Break::Authorize500) {
            return answer(500, &[], "");
        }
        let mut held = self.held.lock().unwrap();
        let known = held.clients.get(&asked.query["client_id"]);
        let fits = known.is_some_and(|uris| uris.contains(&asked.query["redirect_uri"]));
        if !fits || asked.query["code_challenge_method"] != "S256" {
            return answer(
                400,
                &[("content-type", "text/html")],
                "<p>Unknown client</p>",
            );
        }
        if self.is(Break::ErrorAtOnce) {
            let (to, state) = (&asked.query["redirect_uri"], &asked.query["state"]);
            let iss = self.origin();
            let to = format!("{to}?error=invalid_scope&state={state}&iss={iss}");
            return answer(302, &[("location", &to)], "");
        }
        held.next += 1;
        let ticket = format!("ticket-{}", held.next);
        held.tickets.insert(ticket.clone(), asked.query.clone());
        drop(held);
        if asked.header("cookie") == Some("__Host-login=1") {
            let to = format!("/consent?ticket={ticket}");
            return answer(303, &[("location", &to)], "");
        }
        self.page(&format!(
            "<form method=post action='/key'><input type=hidden name=ticket value='{ticket}'>\
             <input type=password name=license_key><button>Continue</button></form>"
        ))
    }

    fn page(&self, body: &str) -> Response {
        let mut headers = vec![("content-type", "text/html; charset=utf-8")];
        if !self.is(Break::Framable) {
            headers.push(("content-security-policy", "frame-ancestors 'none'"));
            headers.push(("cache-control", "no-store"));
        }
        answer(
            200,
            &headers,
            format!("<!doctype html><title>x</title>{body}"),
        )
    }

    pub(super) fn key(&self, asked: &Asked) -> Response {
        let form = asked.form();
        if form["license_key"] != KEY {
            return self.page("<form method=post action='/key'><input name=license_key></form>");
        }
        let to = format!("/consent?ticket={}", form["ticket"]);
        let cookie = ("set-cookie", "__Host-login=1; Path=/; HttpOnly");
        answer(303, &[("location", &to), cookie], "")
    }

    pub(super) fn consent(&self, asked: &Asked) -> Response {
        let ticket = &asked.query["ticket"];
        self.page(&format!(
            "<form method=post action='/logout'><button>Sign out</button></form>\
             <form method=post action='/decide'><input type=hidden name=ticket value='{ticket}'>\
             <button name=d value=deny>Deny</button><button name=d value=ok>Allow</button></form>"
        ))
    }

    pub(super) fn decide(&self, asked: &Asked) -> Response {
        let form = asked.form();
        assert_eq!(form["d"], "ok");
        assert_eq!(asked.header("cookie"), Some("__Host-login=1"));
        let held = self.held.lock().unwrap();
        let query = &held.tickets[&form["ticket"]];
        let (origin, redirect) = (self.origin(), &query["redirect_uri"]);
        let mut to = format!("{redirect}?code={}", form["ticket"]);
        if !self.is(Break::StateLost) {
            to.extend(["&state=", &query["state"]]);
        }
        if !self.is(Break::IssMissing) {
            to.extend(["&iss=", &origin]);
        }
        if matches!(self.broken, Some(Break::IssSlash | Break::IssuerSlash)) {
            to.push('/');
        }
        answer(303, &[("location", &to)], "")
    }

    pub(super) fn token(&self, form: &Pairs) -> Response {
        let refused = || json_answer(400, &[], &json!({ "error": "invalid_grant" }));
        let mut held = self.held.lock().unwrap();
        if form["grant_type"] == "refresh_token" {
            return match self.refresh(&mut held, &form["refresh_token"]) {
                Some((session, generation)) => self.pair(&session, generation),
                None => refused(),
            };
        }
        let Some(query) = held.tickets.remove(&form["code"]) else {
            return refused();
        };
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(form["code_verifier"].as_bytes()));
        assert_eq!(query["code_challenge"], challenge);
        assert_eq!(query["redirect_uri"], form["redirect_uri"]);
        assert_eq!(query.get("resource"), form.get("resource"));
        if self.is(Break::CodeRefused) {
            return json_answer(401, &[], &json!({ "error": "invalid_client" }));
        }
        held.next += 1;
        let id = held.next.to_string();
        let session = Session {
            alive: true,
            generation: 0,
            used: 0,
        };
        held.sessions.insert(id.clone(), session);
        self.pair(&id, 0)
    }

    fn refresh(&self, held: &mut Held, token: &str) -> Option<(String, u64)> {
        let (id, generation) = token.strip_prefix("CANARY-rt-")?.split_once('-')?;
        let generation: u64 = generation.parse().ok()?;
        let session = held.sessions.get_mut(id)?;
        if !session.alive || self.is(Break::RefreshRefused) {
            return None;
        }
        let lost_answer = generation + 1 == session.generation && session.used < session.generation;
        if generation == session.generation {
            session.generation += 1;
        } else if self.is(Break::RaceLost) && lost_answer {
            return None;
        } else if !lost_answer && !self.is(Break::ReplayTaken) {
            session.alive = false;
            return None;
        }
        Some((id.to_owned(), session.generation))
    }

    fn pair(&self, session: &str, generation: u64) -> Response {
        let seconds = if self.is(Break::Short) { 600 } else { 86_400 };
        let mut pair = json!({
            "access_token": format!("CANARY-at-{session}-{generation}"),
            "refresh_token": format!("CANARY-rt-{session}-{generation}"),
            "token_type": "Bearer",
            "expires_in": seconds,
        });
        match self.broken {
            Some(Break::TokenTypeMissing) => {
                pair.as_object_mut().unwrap().remove("token_type");
            }
            Some(Break::NoRefresh) => {
                pair.as_object_mut().unwrap().remove("refresh_token");
            }
            Some(Break::TokensAsForm) => {
                let form = [("content-type", "application/x-www-form-urlencoded")];
                let body =
                    format!("access_token=CANARY-at-{session}-{generation}&token_type=bearer");
                return answer(200, &form, body);
            }
            Some(Break::Cacheable) => return json_answer(200, &[], &pair),
            _ => {}
        }
        json_answer(200, &[("cache-control", "no-store")], &pair)
    }

    pub(super) fn revoke(&self, form: &Pairs) -> Response {
        let mut held = self.held.lock().unwrap();
        let id = form["token"]
            .split('-')
            .nth(2)
            .unwrap_or_default()
            .to_owned();
        if let Some(session) = held.sessions.get_mut(&id)
            && !self.is(Break::RevokeIdle)
        {
            session.alive = false;
        }
        answer(200, &[], "")
    }
}
