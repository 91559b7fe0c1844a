//! The access log: one JSON line a record, written in batches by a thread of its own.
//!
//! A line is in the operating system's hands at most about 50 ms after its request ended, which is
//! also what a `kill -9` can lose. When the sink stands still the buffer fills to its cap, further
//! lines are counted instead of kept, and requests go on.

use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use super::record::Fields;

/// About 40,000 lines.
const MAX_BUFFER: usize = 16 << 20;
/// How long the writer gathers before it writes.
const GATHER: Duration = Duration::from_millis(50);

/// Where records become lines.
pub struct AccessLog {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    phase: Phase,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Closed,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessLog {
    /// A log that writes to `sink` from its own thread.
    pub fn to(sink: Box<dyn Write + Send>) -> std::io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("access-log".into())
                .spawn(move || write_out(&shared, sink))?
        };
        Ok(Arc::new(Self {
            shared,
            writer: Mutex::new(Some(writer)),
        }))
    }

    /// Queues one line.
    pub fn write(&self, fields: &Fields) {
        let mut state = self.shared.state();
        if state.lines.len() >= MAX_BUFFER {
            state.dropped += 1;
            return;
        }
        let was_empty = state.lines.is_empty();
        let length = state.lines.len();
        match serde_json::to_writer(&mut state.lines, fields) {
            Ok(()) => state.lines.push(b'\n'),
            Err(_) => state.lines.truncate(length),
        }
        drop(state);
        if was_empty {
            self.shared.changed.notify_one();
        }
    }

    /// Lines that were counted instead of kept.
    pub fn dropped(&self) -> u64 {
        self.shared.state().dropped
    }

    /// Writes what is queued and ends the thread.
    pub fn close(&self) {
        self.shared.state().phase = Phase::Closed;
        self.shared.changed.notify_one();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // The writer thread does not panic; if it did, there is nothing left to write.
            let _ = writer.join();
        }
    }
}

fn write_out(shared: &Shared, mut sink: Box<dyn Write + Send>) {
    let mut batch = Vec::new();
    loop {
        let phase = {
            let mut state = shared.state();
            while state.lines.is_empty() && state.phase == Phase::Open {
                state = shared
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            state.phase
        };
        if phase == Phase::Open {
            std::thread::sleep(GATHER);
        }
        std::mem::swap(&mut shared.state().lines, &mut batch);
        // A sink that fails cannot be told about; the next batch tries again.
        let _ = sink.write_all(&batch).and_then(|()| sink.flush());
        batch.clear();
        if batch.capacity() > 1 << 20 {
            batch = Vec::new();
        }
        if phase == Phase::Closed && shared.state().lines.is_empty() {
            return;
        }
    }
}
