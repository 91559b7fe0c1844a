//! A relay in front of PostgreSQL that counts what it is asked to do.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
};

/// Relays to one server; ends with the test's runtime.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    statements: Arc<AtomicU64>,
}

impl Relay {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let statements = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&statements);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                });
                tokio::spawn(forward(from_client, to_server, Arc::clone(&counted)));
            }
        });
        Self {
            address,
            statements,
        }
    }

    /// How many statements were executed (`Execute` and `Query` of the frontend protocol).
    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Acquire)
    }
}

/// Whole messages, each a length of four bytes, itself included, after a byte that tells its kind.
/// What comes before the server knows the client has no such byte.
async fn forward(
    mut client: OwnedReadHalf,
    mut server: tokio::net::tcp::OwnedWriteHalf,
    counted: Arc<AtomicU64>,
) -> Option<()> {
    const ASKS_FOR_TLS: usize = 8;
    let mut begun = false;
    loop {
        let mut message = Vec::new();
        if begun {
            message.push(client.read_u8().await.ok()?);
        }
        let length = client.read_u32().await.ok()?;
        message.extend(length.to_be_bytes());
        let (at, whole) = (message.len(), usize::try_from(length).ok()?);
        message.resize(at + whole - 4, 0);
        client.read_exact(&mut message[at..]).await.ok()?;
        if begun && matches!(message[0], b'E' | b'Q') {
            counted.fetch_add(1, Ordering::AcqRel);
        }
        begun |= whole != ASKS_FOR_TLS;
        server.write_all(&message).await.ok()?;
    }
}
