//! Which addresses are not out on the Internet (IANA special-purpose registries).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Private, loopback, link-local, documentation, multicast, reserved: everything an upstream may
/// only be at when the operator names the network.
pub fn is_special_use(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => is_special_v6(address),
    }
}

const fn is_special_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 31, 196)
            | (192, 52, 193)
            | (192, 88, 99)
            | (192, 168, _)
            | (192, 175, 48)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_special_v4(address);
    }
    let [a, b, ..] = address.segments();
    // Only 2000::/3 is handed out; inside it protocol assignments, documentation and 6to4 are not.
    a & 0xe000 != 0x2000
        || (a == 0x2001 && (b < 0x0200 || b == 0x0db8))
        || a == 0x2002
        || a == 0x3fff
        || (a == 0x2620 && b == 0x004f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_is_told_from_the_rest() {
        for special in [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "192.0.2.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(is_special_use(special.parse().unwrap()), "{special}");
        }
        for out in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(!is_special_use(out.parse().unwrap()), "{out}");
        }
    }
}
