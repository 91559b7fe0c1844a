//! HTTP/2 frames by hand (RFC 9113), with header blocks that need no table (RFC 7541).

use std::net::SocketAddr;

use super::wire::Wire;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const CONTINUATION: u8 = 0x9;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

/// One frame as it came.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// One frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block of literal fields that are not indexed.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0x00);
        text(&mut bytes, name);
        text(&mut bytes, value);
    }
    bytes
}

/// A string without Huffman coding, its length as an integer with a prefix of seven bits.
fn text(bytes: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        length -= 127;
        while length >= 128 {
            bytes.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
    }
    bytes.extend(text.as_bytes());
}

/// A connection that spoke the preface.
pub(crate) async fn connect(address: SocketAddr) -> Wire {
    let mut wire = Wire::connect(address).await;
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend(frame(SETTINGS, 0, 0, &[]));
    wire.send(&hello).await;
    wire
}

/// The next frame; none when the connection ends.
pub(crate) async fn next(wire: &mut Wire) -> Option<Frame> {
    let head = wire.take(9).await;
    let [a, b, c, kind, flags, s1, s2, s3, s4] = head[..] else {
        return None;
    };
    let length = u32::from_be_bytes([0, a, b, c]);
    let payload = wire.take(length as usize).await;
    Some(Frame {
        kind,
        flags,
        stream: u32::from_be_bytes([s1, s2, s3, s4]) & 0x7fff_ffff,
        payload,
    })
}
