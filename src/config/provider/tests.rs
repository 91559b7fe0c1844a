//! The presets are complete and mean what they say; own providers lie over them.

use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::config::Config;

fn config(providers: &str) -> Config {
    serde_saphyr::from_str(&format!("keys: []\nproviders:\n{providers}")).unwrap()
}

fn provider(config: &Config, name: &str) -> Provider {
    config.provider(&name.parse().unwrap()).unwrap()
}

fn granted(scopes: &[&str]) -> BTreeSet<String> {
    scopes.iter().map(|scope| (*scope).to_owned()).collect()
}

#[test]
fn every_preset_is_complete_and_consistent() {
    let config = config("  none: {}\n");
    assert_eq!(presets().len(), 6);
    for (name, preset) in presets() {
        assert_eq!(preset.like, None, "{name}");
        let mut names = BTreeSet::new();
        for scope in &preset.scopes {
            assert!(names.insert(&scope.name), "{name}: {} twice", scope.name);
            assert!(!scope.title.is_empty(), "{name}: {}", scope.name);
        }
        let referred = preset.scopes.iter().flat_map(|scope| &scope.implies);
        for scope in referred.chain(&preset.always_scopes) {
            assert!(names.contains(scope), "{name}: {scope} is not listed");
        }
        if name.as_str() == "generic" {
            continue;
        }
        let whole = provider(&config, name.as_str());
        let mut urls = vec![&whole.authorize_url, &whole.token_url];
        urls.extend(&whole.permissions_url);
        match &whole.revocation {
            Revocation::None => {}
            Revocation::Rfc7009(url)
            | Revocation::MetaPermissions(url)
            | Revocation::GithubGrant(url) => urls.push(url),
        }
        for url in urls {
            assert_eq!(url.scheme(), "https", "{name}: {url}");
            assert_eq!((url.query(), url.fragment()), (None, None), "{name}: {url}");
        }
        assert!(!whole.scopes.is_empty(), "{name}");
        assert!(whole.allow_special_use.is_empty(), "{name}");
        assert_eq!(whole.attach_header, None, "{name}");
    }
}

#[test]
fn presets_have_the_quirks_of_their_providers() {
    let config = config("  none: {}\n");
    let google = provider(&config, "google");
    assert_eq!(
        google.issuer.as_deref(),
        Some("https://accounts.google.com")
    );
    assert_eq!(google.authorize_parameters["access_type"], "offline");
    // Its tokens would hold what was granted for other upstreams too.
    let included = google.authorize_parameters.get("include_granted_scopes");
    assert_eq!(included, None);
    assert_eq!(google.pkce, Pkce::S256);
    let ads = google.scope("https://www.googleapis.com/auth/adwords");
    assert_eq!(ads.unwrap().access, Access::Write);
    // Google grants these under other names than they are asked for.
    let answer = google.split_scopes("https://www.googleapis.com/auth/userinfo.email openid");
    assert!(google.covers(&answer, "email"));

    let meta = provider(&config, "meta");
    assert_eq!(meta.refresh, Refresh::Exchange);
    assert_eq!(meta.join_scopes(["ads_read", "email"]), "ads_read,email");
    assert!(meta.permissions_url.is_some());

    let microsoft = provider(&config, "microsoft");
    assert_eq!(microsoft.always_scopes.len(), 1);
    assert_eq!(microsoft.revocation, Revocation::None);

    let github = provider(&config, "github");
    assert!(github.errors_with_200);
    assert_eq!(github.access_token_lifetime, None);
    assert_eq!(github.join_scopes(["repo", "gist"]), "repo gist");
    assert_eq!(github.split_scopes("repo,gist"), granted(&["repo", "gist"]));

    let amazon = provider(&config, "amazon");
    assert_eq!(amazon.access_token_lifetime, Some(Duration::from_hours(1)));
}

#[test]
fn a_scope_covers_what_it_implies_and_nothing_else() {
    let config = config(
        "  own:
    authorize_url: https://a.example.com/authorize
    token_url: https://a.example.com/token
    scopes:
      - { name: a, title: A, access: write, implies: [b] }
      - { name: b, title: B, access: read, implies: [c] }
      - { name: c, title: C, access: read, implies: [a] }
      - { name: d, title: D, access: read }\n",
    );
    let own = provider(&config, "own");
    assert!(own.covers(&granted(&["a"]), "c"));
    assert!(own.covers(&granted(&["x", "d"]), "x"));
    assert!(!own.covers(&granted(&["a", "x"]), "d"));
    assert!(!own.covers(&granted(&[]), "a"));
    // What no `like` says comes from the generic preset.
    assert_eq!(own.client_auth, ClientAuthentication::Basic);
    assert_eq!(own.title, "own");
    assert_eq!(own.granted_scope_separator, ScopeSeparator::Space);
}

#[test]
fn an_own_provider_lies_over_its_preset() {
    let config = config(
        "  google:
    like: google
    token_url: http://127.0.0.1:9/token
    allow_special_use: [127.0.0.0/8]
    authorize_parameters: { prompt: '', hd: example.com }
    attach_header: X-Token
    scopes: [{ name: openid, title: Other, access: read }]\n",
    );
    let own = provider(&config, "google");
    assert_eq!(own.token_url.as_str(), "http://127.0.0.1:9/token");
    assert_eq!(own.authorize_url.host_str(), Some("accounts.google.com"));
    let parameters: Vec<&str> = own
        .authorize_parameters
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(parameters, ["access_type", "hd"]);
    assert_eq!(own.scope("openid").unwrap().title, "Other");
    assert!(own.scope("email").is_some());
    assert_eq!(own.attach_header.unwrap(), "x-token");
}

#[test]
fn what_is_missing_is_named() {
    let config = config(
        "  own: { authorize_url: 'https://a.example.com' }
  odd: { like: gogle }
  deaf: { like: github, revoke: rfc7009, authorize_url: 'https://' }\n",
    );
    let fault = |name: &str| {
        let fault = config.provider(&name.parse().unwrap()).unwrap_err();
        fault.to_string()
    };
    assert_eq!(fault("own"), "the provider `own` lacks `token_url`");
    assert!(fault("odd").contains("like `gogle`"));
    assert!(fault("deaf").contains("`authorize_url` that cannot be read"));
    assert_eq!(fault("nobody"), "there is no provider `nobody`");
    assert_eq!(fault("generic"), "there is no provider `generic`");
}
