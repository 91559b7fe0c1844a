//! A client's whole connection, in order: find, register, sign in, call, renew, disconnect. It ends
//! the sessions it begins, also where the client stops on the way.

use super::{
    discovery::Found,
    jar::Jar,
    message::Wire,
    play::{Play, Reached, Stopped},
    registration::Registered,
    token_answer::Tokens,
    tokens::Party,
};

impl Play<'_> {
    /// Plays all of it; what went wrong is among the findings.
    pub async fn whole(&mut self) {
        // Where it stopped is told by `reached`, why by the findings.
        let _ = self.played().await;
    }

    async fn played(&mut self) -> Result<(), Stopped> {
        let found = self.discover().await?;
        let client = self.register(&found).await?;
        let mut jar = Jar::default();
        let Some(granted) = self.sign_in(&found, &client, &mut jar).await? else {
            return Ok(());
        };
        let party = Party {
            found: &found,
            client: &client,
        };
        let tokens = self.redeem(party, &granted).await?;
        self.reached = Reached::Tokens;
        let mut held = Some(tokens);
        let lived = self.live(party, &mut held).await;
        if let Some(left) = held {
            self.revoke(party, &left).await;
        }
        lived?;
        self.second(&found, &client, &mut jar).await?;
        self.reached = Reached::Everything;
        Ok(())
    }

    /// Calls, renews, and disconnects; what is left in `held` is still alive.
    async fn live(&mut self, party: Party<'_>, held: &mut Option<Tokens>) -> Result<(), Stopped> {
        let Some(tokens) = held.as_ref() else {
            return Ok(());
        };
        let wire = self.open(&tokens.access).await?;
        self.tool(&tokens.access, &wire).await?;
        self.reached = Reached::Call;
        for step in [Step::Renew, Step::Race] {
            self.step(step, party, held, &wire).await?;
        }
        if let Some(tokens) = held.take() {
            self.disconnect(party, &tokens, &wire).await?;
        }
        Ok(())
    }

    /// A second sign-in with the same browser: for the replay, which may end the session.
    async fn second(
        &mut self,
        found: &Found,
        client: &Registered,
        jar: &mut Jar,
    ) -> Result<(), Stopped> {
        let party = Party { found, client };
        let Some(granted) = self.sign_in(found, client, jar).await? else {
            return Ok(());
        };
        let mut held = Some(self.redeem(party, &granted).await?);
        let mut played = Ok(());
        if let Some(tokens) = held.as_ref() {
            played = match self.open(&tokens.access).await {
                Ok(wire) => self.step(Step::Replay, party, &mut held, &wire).await,
                Err(stopped) => Err(stopped),
            };
        }
        if let Some(left) = held {
            self.revoke(party, &left).await;
        }
        played
    }

    /// One change of the tokens; the old ones are kept for the end when it fails.
    async fn step(
        &mut self,
        step: Step,
        party: Party<'_>,
        held: &mut Option<Tokens>,
        wire: &Wire,
    ) -> Result<(), Stopped> {
        let Some(tokens) = held.take() else {
            return Ok(());
        };
        let kept = tokens.again();
        let next = match step {
            Step::Renew => self.renew(party, tokens, wire).await,
            Step::Race => self.race(party, tokens, wire).await,
            Step::Replay => self.replay(party, tokens, wire).await,
        };
        match next {
            Ok(next) => {
                *held = Some(next);
                Ok(())
            }
            Err(stopped) => {
                *held = Some(kept);
                Err(stopped)
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Step {
    Renew,
    Race,
    Replay,
}
