//! The conversation in which a node is told who it is.

use std::time::{Duration, Instant};

use tanbo_flash_map::Identity;
use tanbo_wire::Key;
use tanbo_wire::provision::{Answer, Held, Outcome, PART_BYTES, Places, Proof, Request, check, nobody, seal};

use crate::error::CliError;
use crate::nodes::line::Line;

/// Time from a request to its answer, at most: a page and a store are erased meanwhile.
const ANSWER: Duration = Duration::from_secs(8);
/// How often a request is said that nobody answers, once a node has answered.
const TRIES: u32 = 5;

/// What a node said.
#[derive(Clone, Debug)]
pub struct Told {
    /// What became of the request.
    pub outcome: Outcome,
    challenge: u64,
    received: u16,
    /// Where things lie in its flash.
    pub places: Places,
    /// Who it is.
    pub held: Option<Held>,
    /// Its board.
    pub board: String,
}

impl Told {
    /// Returns whether the node holds just this identity.
    pub fn holds(&self, identity: &Identity) -> bool {
        let expected = check(&Key::from(identity.key), &identity.to_bytes());
        self.held.is_some_and(|held| held.node.0 == identity.node && held.check == expected)
    }

    /// Returns the EUI-64 of the node, if it is somebody.
    pub fn node(&self) -> Option<u64> {
        self.held.map(|held| held.node.0)
    }
}

/// What an order of the operator came to.
pub enum Ended {
    /// Done; what the node said last.
    Done(Told),
    /// The node would not.
    Refused(Outcome),
}

/// Returns why a node would not, and what to do.
pub fn reason(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotProven => "the order was not made with the node's own key",
        Outcome::Incomplete => "not the whole page has come",
        Outcome::NoIdentity => "its firmware reads another version of identities: flash it again",
        Outcome::Nobody => "it has no identity",
        Outcome::Flash => "its flash does not hold what was written: is it worn out, or protected?",
        Outcome::Ready | Outcome::Received | Outcome::Written | Outcome::Erased => "nothing was wrong",
    }
}

/// Asks who is there, for `patience`: a node may have to be started first.
///
/// # Errors
/// A line that has gone away; nobody answers.
pub fn ask(line: &mut Line, patience: Duration) -> Result<Told, CliError> {
    let until = Instant::now() + patience;
    loop {
        let soon = (Instant::now() + Duration::from_millis(500)).min(until);
        if let Some(told) = exchange(line, &Request::Ask, &none(), soon)? {
            return Ok(told);
        }
        if Instant::now() >= until {
            let remedy = "a node answers while it has no identity, or for a minute after it started with its button held; are TX, RX and GND \
                          wired, and is --baud right?";
            return Err(CliError::new(line.place(), "no node answers", remedy));
        }
    }
}

/// Makes the node that answered `told` somebody; `key` is that which it has now.
///
/// # Errors
/// A line that has gone away.
pub fn write(line: &mut Line, told: &Told, identity: &Identity, key: Option<Key>) -> Result<Ended, CliError> {
    let page = identity.to_bytes();
    let mut told = told.clone();
    let mut at = 0;
    while let Some(rest) = page.get(at..).filter(|rest| !rest.is_empty()) {
        let bytes = rest.get(..PART_BYTES).unwrap_or(rest);
        told = insist(line, &Request::Part { at: at as u16, bytes }, &none())?;
        let received = usize::from(told.received);
        if received <= at {
            return Ok(Ended::Refused(Outcome::Incomplete));
        }
        at = received;
    }
    let key = key.unwrap_or_else(nobody);
    let ended = order(line, told, &Request::Commit, &key, &page, |told| told.holds(identity))?;
    if let Ended::Done(_) = ended {
        // It goes to work once it knows that it was heard; without an answer, somewhat later.
        let _ = exchange(line, &Request::Ask, &none(), Instant::now() + Duration::from_millis(500))?;
    }
    Ok(ended)
}

/// Makes the node that answered `told` nobody.
///
/// # Errors
/// A line that has gone away.
pub fn revoke(line: &mut Line, told: &Told, key: &Key) -> Result<Ended, CliError> {
    order(line, told.clone(), &Request::Revoke, key, &[], |told| told.held.is_none())
}

/// Gives an order. Where its answer is lost, what the node says next tells whether it was obeyed; it has another challenge then.
fn order(
    line: &mut Line,
    mut told: Told,
    request: &Request<'_>,
    key: &Key,
    page: &[u8],
    obeyed: impl Fn(&Told) -> bool,
) -> Result<Ended, CliError> {
    let proof = Proof { key, challenge: told.challenge, page };
    for _ in 0..TRIES {
        if let Some(answer) = exchange(line, request, &proof, Instant::now() + ANSWER)? {
            let lost = answer.outcome == Outcome::NotProven && answer.challenge != proof.challenge.wrapping_add(1);
            let done = obeyed(&answer);
            told = answer;
            if done || !lost {
                break;
            }
        }
    }
    Ok(if obeyed(&told) { Ended::Done(told) } else { Ended::Refused(told.outcome) })
}

fn none() -> Proof<'static> {
    Proof { key: &NOBODY, challenge: 0, page: &[] }
}

static NOBODY: std::sync::LazyLock<Key> = std::sync::LazyLock::new(nobody);

fn insist(line: &mut Line, request: &Request<'_>, proof: &Proof<'_>) -> Result<Told, CliError> {
    for _ in 0..TRIES {
        if let Some(told) = exchange(line, request, proof, Instant::now() + ANSWER)? {
            return Ok(told);
        }
    }
    Err(CliError::new(line.place(), "the node does not answer any more", "give the command again: it goes on"))
}

fn exchange(
    line: &mut Line,
    request: &Request<'_>,
    proof: &Proof<'_>,
    until: Instant,
) -> Result<Option<Told>, CliError> {
    let frame = seal(request, proof).ok_or_else(|| CliError::new("frame", "longer than a frame", ""))?;
    line.say(&frame)?;
    while let Some(frame) = line.hear(until)? {
        // Others are those of a node at work, or damaged.
        if let Some(answer) = Answer::read(&frame) {
            let Answer { outcome, challenge, received, places, held, board } = answer;
            return Ok(Some(Told { outcome, challenge, received, places, held, board: board.into() }));
        }
    }
    Ok(None)
}
