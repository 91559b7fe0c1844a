use super::*;

fn guard(scheme: Scheme, allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    Guard::new(scheme, Reach::Public, allow, Arc::new(SystemLookup))
}

fn refused(url: &str) {
    let judged = guard(Scheme::Https, &[]).check_url(&url.parse().unwrap());
    assert_eq!(judged, Err(AddressRefused), "{url}");
}

fn allowed(ip: &str) -> bool {
    is_allowed(ip.parse().unwrap(), &[])
}

#[test]
fn a_guard_for_listed_networks_permits_nothing_else() {
    let allow = vec!["10.0.0.0/8".parse().unwrap()];
    let inside = Guard::new(Scheme::Https, Reach::Listed, allow, Arc::new(SystemLookup));
    let judge = |url: &str| inside.check_url(&url.parse().unwrap()).is_ok();
    assert!(judge("https://10.1.2.3:8443/") && judge("https://name.test:8443/"));
    assert!(!judge("https://9.9.9.9:8443/") && !judge("https://localhost:8443/"));
    let nowhere = Guard::new(Scheme::Https, Reach::Listed, vec![], Arc::new(SystemLookup));
    assert!(
        nowhere
            .check_url(&"https://name.test/".parse().unwrap())
            .is_err()
    );
}

#[test]
fn s_02_disguised_loopback_is_refused() {
    for host in [
        "0x7f000001",
        "2130706433",
        "017700000001",
        "127.1",
        "0",
        "0.0.0.0",
    ] {
        refused(&format!("https://{host}/"));
    }
}

#[test]
fn s_03_ipv6_loopback_and_mapped_are_refused() {
    for host in ["::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::", "::7f00:1"] {
        refused(&format!("https://[{host}]/"));
    }
}

#[test]
fn s_04_addresses_that_carry_a_refused_one_are_refused() {
    for ip in [
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::808:808",
        "64:ff9b:1:7f00:0:100::",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "2a00:1450:4001:800:0:5efe:7f00:1",
        "2a00:1450:4001:800:200:5efe:a00:1",
    ] {
        assert!(!allowed(ip), "{ip}");
    }
    assert!(allowed("64:ff9b::808:808"));
    assert!(allowed("2002:808:808::1"));
    assert!(allowed("2a00:1450:4001:800:0:5efe:808:808"));
}

#[test]
fn s_05_special_use_is_refused() {
    for ip in [
        "10.0.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "169.254.169.254",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "100::1",
        "5f00::1",
        "3fff::1",
    ] {
        assert!(!allowed(ip), "{ip}");
    }
}

#[test]
fn s_06_neighbours_of_special_use_are_allowed() {
    for ip in [
        "172.32.0.1",
        "100.128.0.1",
        "8.8.8.8",
        "2606:4700::1111",
        "11.0.0.1",
    ] {
        assert!(allowed(ip), "{ip}");
    }
}

#[tokio::test]
async fn s_07_localhost_is_refused_by_name() {
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "foo.localhost",
        "ⓛocalhost",
    ] {
        refused(&format!("https://{host}/"));
    }
    let strict = guard(Scheme::Https, &[]);
    assert_eq!(
        strict.resolve("localhost").await,
        Err(LookupError::Refused(AddressRefused))
    );
    let local = guard(Scheme::Http, &["127.0.0.0/8"]);
    assert_eq!(
        local.resolve("localhost").await,
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    );
}

#[test]
fn s_01_a_listed_network_opens_no_other() {
    let listed = [
        "169.254.169.254/32".parse().unwrap(),
        "fd00::/8".parse().unwrap(),
    ];
    let fits = |ip: &str| is_allowed(ip.parse().unwrap(), &listed);
    assert!(fits("169.254.169.254"));
    assert!(fits("::ffff:169.254.169.254"));
    assert!(fits("fd00::1"));
    assert!(!fits("169.254.169.253"));
    assert!(!fits("127.0.0.1"));
    // A listed IPv6 network does not lend its permission to an address it carries.
    assert!(!fits("fd00::5efe:7f00:1"));
}

#[test]
fn plain_http_goes_to_listed_networks_only() {
    let plain = guard(Scheme::Http, &["127.0.0.0/8"]);
    let check = |url: &str| plain.check_url(&url.parse().unwrap()).is_ok();
    assert!(check("http://127.0.0.1:8080/"));
    assert!(check("http://localhost/"));
    assert!(!check("http://8.8.8.8/"));
    assert!(!check("http://10.0.0.1/"));
    assert!(!check("https://127.0.0.1/"));
}
