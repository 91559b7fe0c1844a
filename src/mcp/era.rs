//! Which revision a message speaks, decided from that message alone.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::{
    fault::ProtocolFault,
    headers,
    jsonrpc::Params,
    version::{Era, Revision},
};

/// `_meta` key that names the revision, and with it claims the modern era.
pub const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` key with the client's capabilities.
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The revision that a message is served under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    /// The revision.
    pub revision: Revision,
}

impl Spoken {
    /// Its era.
    pub const fn era(self) -> Era {
        self.revision.era()
    }
}

/// Refused, and how the refusal is to be worded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unspoken {
    /// The era whose statuses fit.
    pub era: Era,
    /// What is wrong.
    pub fault: ProtocolFault,
}

/// Decides the revision of one request and checks its envelope and headers.
///
/// The order is that of the error ladder: envelope, headers, version.
pub fn speak(headers: &HeaderMap, method: &str, params: &Params) -> Result<Spoken, Unspoken> {
    let modern = |fault| Unspoken {
        era: Era::Modern,
        fault,
    };
    let version = headers::single(headers, &headers::PROTOCOL_VERSION).map_err(modern)?;
    match params
        .meta()
        .and_then(|meta| meta.get(META_VERSION).map(|named| (meta, named)))
    {
        Some((meta, named)) => claimed(headers, version, meta, named, method, params),
        None => unclaimed(version),
    }
}

/// The message names its revision in `_meta`: modern, unless it names a legacy one.
fn claimed(
    headers: &HeaderMap,
    version: Option<&str>,
    meta: &Map<String, Value>,
    named: &Value,
    method: &str,
    params: &Params,
) -> Result<Spoken, Unspoken> {
    let refuse = |fault| Unspoken {
        era: Era::Modern,
        fault,
    };
    let named = named.as_str().ok_or_else(|| {
        refuse(ProtocolFault::Envelope(
            "`_meta` must name the protocol version as a string",
        ))
    })?;
    let known = Revision::parse(named);
    let legacy = known.filter(|revision| revision.era() == Era::Legacy);
    if legacy.is_none() && !meta.get(META_CAPABILITIES).is_some_and(Value::is_object) {
        return Err(refuse(ProtocolFault::Envelope(
            "`_meta` must hold the client's capabilities as an object",
        )));
    }
    match version {
        Some(version) if version == named => {}
        Some(_) => {
            return Err(refuse(ProtocolFault::HeaderMismatch(
                "`MCP-Protocol-Version` is not the version in `_meta`",
            )));
        }
        None if legacy.is_some() => {}
        None => {
            return Err(refuse(ProtocolFault::HeaderMismatch(
                "`MCP-Protocol-Version` is missing",
            )));
        }
    }
    if let Some(revision) = legacy {
        return Ok(Spoken { revision });
    }
    headers::verify(headers, method, params).map_err(refuse)?;
    known.map(|revision| Spoken { revision }).ok_or_else(|| {
        refuse(ProtocolFault::UnsupportedVersion {
            requested: clip(named),
        })
    })
}

/// The message names no revision: the header decides, and none means the oldest.
fn unclaimed(version: Option<&str>) -> Result<Spoken, Unspoken> {
    let Some(version) = version else {
        return Ok(Spoken {
            revision: Revision::WITHOUT_HEADER,
        });
    };
    match Revision::parse(version) {
        Some(revision) if revision.era() == Era::Legacy => Ok(Spoken { revision }),
        Some(_) => Err(Unspoken {
            era: Era::Modern,
            fault: ProtocolFault::Envelope(
                "this version wants `_meta` with the protocol version and the client's capabilities",
            ),
        }),
        None => Err(Unspoken {
            era: Era::Modern,
            fault: ProtocolFault::UnsupportedVersion {
                requested: clip(version),
            },
        }),
    }
}

/// At most 64 bytes of a client's own text, cut between characters.
fn clip(text: &str) -> String {
    text.char_indices()
        .take_while(|(at, c)| at + c.len_utf8() <= 64)
        .map(|(_, c)| c)
        .collect()
}

#[cfg(test)]
mod tests;
