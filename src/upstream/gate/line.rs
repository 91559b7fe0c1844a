//! Who is next at a gate: round robin over the licenses that wait, first come, first served within
//! one. Knows no clock and wakes nobody.
//!
//! A license may take a place while it holds fewer than are free. So one alone holds at most half of
//! them, several share the rest, and a newcomer finds a place while any is free.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Callers of type `K` that wait, each with a `T`.
#[derive(Debug)]
pub(super) struct Line<K, T> {
    most: u32,
    waiting: u32,
    /// The number of the next place; never used twice.
    next: u64,
    by_caller: HashMap<K, VecDeque<(u64, T)>>,
    /// Whose turn it is in front, and then whose. Exactly the keys of `by_caller`.
    round: VecDeque<K>,
}

/// A place that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

/// What to do before a place is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// There is a place; so many turns come first.
    Behind(u32),
    /// No place is left for this caller; so many turns would come first.
    Full(u32),
}

impl<K: Copy + Eq + Hash, T> Line<K, T> {
    /// With nobody in it.
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            waiting: 0,
            next: 0,
            by_caller: HashMap::new(),
            round: VecDeque::new(),
        }
    }

    /// Has so many places from now on. Who waits stays.
    pub(super) const fn resize(&mut self, most: u32) {
        self.most = most;
    }

    /// Does nobody wait?
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many wait.
    pub(super) const fn waiting(&self) -> u32 {
        self.waiting
    }

    /// May this caller take a place, and how many turns come before its own? So many as `moving` are
    /// about to have their turn: there is room for them besides, and they count for no license.
    pub(super) fn room(&self, caller: &K, moving: u32) -> Room {
        let own = self.held(caller);
        let ahead = self.ahead(caller, own);
        let most = self.most.saturating_add(moving);
        let free = most.saturating_sub(self.waiting);
        if free > 0 && own < free.saturating_add(moving) {
            Room::Behind(ahead)
        } else {
            Room::Full(ahead)
        }
    }

    /// Takes a place at the end of the caller's own.
    pub(super) fn join(&mut self, caller: K, with: T) -> Place {
        let place = Place(self.next);
        self.next += 1;
        self.waiting += 1;
        let own = self.by_caller.entry(caller).or_default();
        if own.is_empty() {
            self.round.push_back(caller);
        }
        own.push_back((place.0, with));
        place
    }

    /// What the one in front came with.
    pub(super) fn front(&self) -> Option<&T> {
        let own = self.by_caller.get(self.round.front()?)?;
        own.front().map(|(_, with)| with)
    }

    /// Is this place in front?
    pub(super) fn is_front(&self, caller: &K, place: Place) -> bool {
        self.round.front() == Some(caller)
            && self
                .by_caller
                .get(caller)
                .and_then(VecDeque::front)
                .is_some_and(|(number, _)| *number == place.0)
    }

    /// The one in front has had its turn; the next of its license comes after everybody else's.
    pub(super) fn serve(&mut self) {
        let Some(caller) = self.round.pop_front() else {
            return;
        };
        let Some(own) = self.by_caller.get_mut(&caller) else {
            return;
        };
        if own.pop_front().is_some() {
            self.waiting -= 1;
        }
        if own.is_empty() {
            self.by_caller.remove(&caller);
        } else {
            self.round.push_back(caller);
        }
    }

    /// Gives a place up without a turn. No license loses its position by it.
    pub(super) fn leave(&mut self, caller: &K, place: Place) {
        let Some(own) = self.by_caller.get_mut(caller) else {
            return;
        };
        // In the order of their numbers.
        let Ok(at) = own.binary_search_by_key(&place.0, |(number, _)| *number) else {
            return;
        };
        own.remove(at);
        self.waiting -= 1;
        if own.is_empty() {
            self.by_caller.remove(caller);
            self.round.retain(|other| other != caller);
        }
    }

    fn held(&self, caller: &K) -> u32 {
        let held = self.by_caller.get(caller).map_or(0, VecDeque::len);
        u32::try_from(held).unwrap_or(u32::MAX)
    }

    /// The turns before that of one who comes behind `own` of its license: in each round every license
    /// has one, and in the last only those in front.
    fn ahead(&self, caller: &K, own: u32) -> u32 {
        let mut rounds = own.saturating_add(1);
        let mut ahead = own;
        for other in &self.round {
            if other == caller {
                rounds = own;
            } else {
                ahead = ahead.saturating_add(self.held(other).min(rounds));
            }
        }
        ahead
    }
}

#[cfg(test)]
mod tests;
