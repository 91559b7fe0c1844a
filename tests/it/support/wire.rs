//! HTTP/1.1 by hand: what is sent is what the test says, byte for byte.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Nothing in these tests takes longer unless the gateway hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// The same, with a peer that may not be there.
    pub(crate) async fn try_connect(address: SocketAddr) -> Option<Self> {
        Some(Self {
            stream: TcpStream::connect(address).await.ok()?,
            read: Vec::new(),
        })
    }

    /// From another address of this machine.
    pub(crate) async fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source, 0)).unwrap();
        Self {
            stream: socket.connect(address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// Sends bytes; a peer that closed already is not an error here.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next answer, or nothing when the connection ends first.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer())
            .await
            .expect("an answer or an end in time")
    }

    /// The head of the next answer only; for streams.
    pub(crate) async fn head(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_head())
            .await
            .expect("a head or an end in time")
    }

    /// The next server-sent event's data; comments are passed over. Nothing when the stream ends.
    pub(crate) async fn event(&mut self) -> Option<Value> {
        timeout(PATIENCE, async {
            loop {
                if let Some(end) = find(&self.read, b"\n\n") {
                    let block: Vec<u8> = self.read.drain(..end + 2).collect();
                    let text = String::from_utf8(block).unwrap();
                    // Chunk sizes stand on lines of their own between events.
                    if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: ")) {
                        return Some(serde_json::from_str(data).unwrap());
                    }
                } else if !self.fill().await {
                    return None;
                }
            }
        })
        .await
        .expect("an event or an end in time")
    }

    /// Waits until the peer closes; the bytes that came before.
    pub(crate) async fn until_closed(&mut self, limit: Duration) -> Option<Vec<u8>> {
        timeout(limit, async { while self.fill().await {} })
            .await
            .ok()?;
        Some(std::mem::take(&mut self.read))
    }

    /// What was read and not yet taken, at least so many bytes of it unless the peer closes.
    pub(crate) async fn take(&mut self, least: usize) -> Vec<u8> {
        timeout(PATIENCE, async {
            while self.read.len() < least && self.fill().await {}
        })
        .await
        .expect("bytes or an end in time");
        let count = self.read.len().min(least);
        self.read.drain(..count).collect()
    }

    async fn fill(&mut self) -> bool {
        self.read.reserve(16 << 10);
        matches!(self.stream.read_buf(&mut self.read).await, Ok(1..))
    }

    async fn read_head(&mut self) -> Option<Answer> {
        let end = loop {
            match find(&self.read, b"\r\n\r\n") {
                Some(end) => break end,
                None if !self.fill().await => return None,
                None => {}
            }
        };
        let head: Vec<u8> = self.read.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Answer {
            status,
            headers,
            body: String::new(),
        })
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let mut answer = self.read_head().await?;
        let length: usize = match answer.header("content-length") {
            Some(length) => length.parse().unwrap(),
            None => 0,
        };
        while self.read.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        let body: Vec<u8> = self.read.drain(..length).collect();
        answer.body = String::from_utf8(body).unwrap();
        Some(answer)
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// Sends one text on a connection of its own and reads the answer.
pub(crate) async fn once(address: SocketAddr, text: &str) -> Option<Answer> {
    let mut wire = Wire::connect(address).await;
    wire.send(text.as_bytes()).await;
    wire.answer().await
}
