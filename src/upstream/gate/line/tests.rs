use proptest::prelude::*;

use super::*;

/// What happens to a line.
#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    Serve,
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u8).prop_map(Step::Join),
        2 => Just(Step::Serve),
        1 => (0..32_usize).prop_map(Step::Leave),
    ]
}

/// The same, written as plainly as can be: everybody in order of arrival, and whose turn it is.
#[derive(Default, Clone)]
struct Model {
    all: Vec<(u8, u64)>,
    turns: Vec<u8>,
}

impl Model {
    fn front(&self) -> Option<(u8, u64)> {
        let turn = *self.turns.first()?;
        self.all.iter().find(|(caller, _)| *caller == turn).copied()
    }

    fn join(&mut self, caller: u8, number: u64) {
        if !self.turns.contains(&caller) {
            self.turns.push(caller);
        }
        self.all.push((caller, number));
    }

    fn remove(&mut self, who: (u8, u64)) {
        self.all.retain(|one| *one != who);
        if self.all.iter().all(|(caller, _)| *caller != who.0) {
            self.turns.retain(|caller| *caller != who.0);
        }
    }

    fn serve(&mut self) -> Option<(u8, u64)> {
        let front = self.front()?;
        self.turns.rotate_left(1);
        self.remove(front);
        Some(front)
    }

    fn turns_before(&self, caller: u8) -> u32 {
        let mut then = self.clone();
        then.join(caller, u64::MAX);
        let mut before = 0;
        while then.serve() != Some((caller, u64::MAX)) {
            before += 1;
        }
        before
    }
}

proptest! {
    #[test]
    fn a_line_is_what_its_model_is(most in 1..24_u32, steps in proptest::collection::vec(step(), 1..200)) {
        let mut line = Line::new(most);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Join(caller) => {
                    let held = model.all.iter().filter(|(other, _)| *other == caller).count();
                    let free = most as usize - model.all.len();
                    let before = model.turns_before(caller);
                    let room = line.room(&caller, 0);
                    if held < free {
                        prop_assert_eq!(room, Room::Behind(before));
                        let place = line.join(caller, line.next);
                        model.join(caller, place.0);
                    } else {
                        prop_assert_eq!(room, Room::Full(before));
                    }
                }
                Step::Serve => {
                    model.serve();
                    line.serve();
                }
                Step::Leave(which) if !model.all.is_empty() => {
                    let who = model.all[which % model.all.len()];
                    model.remove(who);
                    line.leave(&who.0, Place(who.1));
                }
                Step::Leave(_) => {}
            }
            prop_assert_eq!(line.front().copied(), model.front().map(|(_, number)| number));
            if let Some((caller, number)) = model.front() {
                prop_assert!(line.is_front(&caller, Place(number)));
            }
            prop_assert_eq!(line.waiting() as usize, model.all.len());
            prop_assert!(line.waiting() <= most);
            prop_assert_eq!(line.round.len(), line.by_caller.len());
        }
    }
}

#[test]
fn one_license_takes_half_and_the_others_share_the_rest() {
    let mut line = Line::new(64);
    let fill = |line: &mut Line<u8, ()>, caller| {
        let before = line.waiting();
        while let Room::Behind(_) = line.room(&caller, 0) {
            line.join(caller, ());
        }
        line.waiting() - before
    };
    assert_eq!([1, 2, 3].map(|caller| fill(&mut line, caller)), [32, 16, 8]);
    assert!(matches!(line.room(&9, 0), Room::Behind(3)));
}

#[test]
fn those_about_to_go_take_nobodys_room() {
    let mut line = Line::new(64);
    let mut fill = |caller: u8| {
        let before = line.waiting();
        while let Room::Behind(_) = line.room(&caller, 32) {
            line.join(caller, ());
        }
        line.waiting() - before
    };
    assert_eq!(fill(1), 32 + 32, "as many as if 32 had not had to wait");
    assert_eq!(fill(2), 32);
    assert_eq!(fill(3), 0, "it is bounded");
    assert_eq!(line.room(&3, 0), Room::Full(2));
}
