//! Hosts that are ours and hosts that are not, by the ids of the threat table.

use axum::body::Body;

use super::*;

fn known(names: &[&str], loopback: Loopback) -> Authorities {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Authorities(Arc::new(Known { names, loopback }))
}

fn request(target: &str, hosts: &[&str]) -> Request {
    let mut builder = Request::builder().uri(target);
    for host in hosts {
        builder = builder.header(HOST, *host);
    }
    builder.body(Body::empty()).unwrap()
}

#[test]
fn h_05_to_h_09_one_authority_and_it_is_ours() {
    let ours = known(&["gw.test", "gw.test:443"], Loopback::Refused);
    let check = |target: &str, hosts: &[&str]| ours.check(&request(target, hosts));
    assert_eq!(check("/mcp", &["gw.test"]), Ok(()));
    assert_eq!(check("/mcp", &["GW.test:443"]), Ok(()));
    assert_eq!(check("https://gw.test/mcp", &[]), Ok(()));
    let malformed = Err(EdgeRefusal::AuthorityMalformed);
    assert_eq!(check("/mcp", &[]), malformed);
    assert_eq!(check("/mcp", &["gw.test", "gw.test"]), malformed);
    assert_eq!(check("/mcp", &["gw.test", "evil.test"]), malformed);
    assert_eq!(check("http://evil.test/mcp", &["gw.test"]), malformed);
    for odd in [
        "gw.test@evil.test",
        "gw.test:443:443",
        "gw.test%00.evil.test",
        "",
    ] {
        assert_eq!(check("/mcp", &[odd]), malformed, "{odd}");
    }
    assert_eq!(
        check("/mcp", &["evil.test"]),
        Err(EdgeRefusal::AuthorityUnknown)
    );
    assert_eq!(
        check("/mcp", &["localhost"]),
        Err(EdgeRefusal::AuthorityUnknown)
    );
    assert_eq!(
        check("/mcp", &["gw.test:8443"]),
        Err(EdgeRefusal::AuthorityUnknown)
    );
}

#[test]
fn a_loopback_listener_serves_loopback_names_on_any_port() {
    let ours = known(&[], Loopback::Served);
    for host in ["localhost:8080", "127.0.0.1:1", "[::1]:9", "localhost"] {
        assert_eq!(ours.check(&request("/mcp", &[host])), Ok(()), "{host}");
    }
    for host in ["127.0.0.1.evil.test", "localhost.evil.test:80"] {
        let refused = Err(EdgeRefusal::AuthorityUnknown);
        assert_eq!(ours.check(&request("/mcp", &[host])), refused, "{host}");
    }
}
