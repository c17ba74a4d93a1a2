//! Over the node's line: offer, parts, check and trial, in frames that only who has its key can make.

use std::time::{Duration, Instant};

use serde::Serialize;
use tanbo_format::Op;
use tanbo_wire::v1::{self, Firmware, Message, ModelSender, Opened, Sending, Stage, Unverified, Update, seal};
use tanbo_wire::{Direction, Key, Link, NodeId, Window};

use crate::Verdict;
use crate::args::UpdateArgs;
use crate::error::CliError;
use crate::nodes::line::Line;
use crate::nodes::registry::{Registry, State};
use crate::output::Output;

/// Numbers of frames that are reserved in the registry at once.
const BLOCK: u32 = 1024;
/// Time from a message to the node's report, at most: it erases a slot after an offer, checks the model before a trial.
const SLOW: Duration = Duration::from_secs(12);
const QUICK: Duration = Duration::from_millis(700);
/// Parts in a row without a report after which the model is offered again.
const SILENT: u32 = 3;
/// How often a node on trial is asked whether it is over.
const ASK: Duration = Duration::from_secs(10);

/// What is sent, in words, and how long a node may be silent on trial.
pub struct Cargo {
    name: &'static str,
    trial: &'static str,
    silence: Duration,
}

/// A model.
pub const MODEL: Cargo =
    Cargo { name: "model", trial: "on trial, until its windows have gone well …", silence: Duration::ZERO };
/// Firmware: the node is silent while its boot loader swaps images, and for most of the trial.
pub const FIRMWARE: Cargo =
    Cargo { name: "firmware", trial: "taken: the node starts it, and tries it …", silence: Duration::from_secs(900) };

#[derive(Serialize)]
struct Document {
    node: String,
    version: u32,
    bytes: usize,
    /// `committed`, `trial`, `rolled back` or `refused`.
    stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refused>,
    /// Messages that were said, and those that were said again since no report came.
    frames: u32,
    repeated: u32,
    /// How often the line was opened again.
    reopened: u32,
}

#[derive(Serialize)]
struct Refused {
    /// The node's number of the reason.
    code: u8,
    reason: String,
    remedy: String,
}

/// The node at the other end.
struct Talk<'a> {
    args: &'a UpdateArgs,
    line: Line,
    id: [u8; 8],
    key: Key,
    /// What it has said, so that nothing is heard twice.
    window: Window,
    next: u32,
    end: u32,
    frames: u32,
    repeated: u32,
    reopened: u32,
}

/// Sends model or firmware as `version`; the answer is no where the node does not take it.
pub fn send(
    args: &UpdateArgs,
    port: &str,
    sender: Option<ModelSender<'_>>,
    version: u32,
    cargo: &Cargo,
    out: &Output,
) -> Result<Verdict, CliError> {
    let path = &args.registry.registry;
    let id = args.node.unwrap_or_default();
    let key = Registry::read(path)?.node(path, id)?.clone();
    let key = match (key.state, key.gateway) {
        (State::Active, Some(gateway)) => Key::from(gateway.key),
        (state, _) => {
            let reason = format!("node {} is {}", hex::encode(id), state.name());
            return Err(CliError::new(
                path.display(),
                reason,
                "only an active node takes models: see `tanbo provision list`",
            ));
        }
    };
    let mut sender = sender.ok_or_else(|| CliError::new(args.file.display(), "longer than 4 GiB", ""))?;
    let (window, line) = (Window::default(), Line::open(port, args.line.baud)?);
    let mut talk = Talk { args, line, id, key, window, next: 0, end: 0, frames: 0, repeated: 0, reopened: 0 };
    let ended = talk.run(&mut sender, version, cargo, out)?;
    let (stage, refusal) = match ended {
        Sending::Committed => ("committed", None),
        Sending::RolledBack => ("rolled back", None),
        Sending::Refused { refusal } => ("refused", Some(refused(refusal))),
        Sending::Trial | Sending::Going { .. } => ("trial", None),
    };
    let Talk { frames, repeated, reopened, .. } = talk;
    let (node, bytes) = (hex::encode(id), sender.bytes());
    let document = Document { node, version, bytes, stage, refusal, frames, repeated, reopened };
    out.document(&document, || {
        let Document { node, version, frames, repeated, .. } = &document;
        let (said, what) = (format!("{frames} frames, {repeated} of them again"), cargo.name);
        match (&document.refusal, stage) {
            (Some(Refused { code, reason, remedy }), _) => {
                format!("{node}: {what} version {version} NOT taken: {reason} (refusal {code}); {remedy}\n")
            }
            (None, "committed") => format!("{node}: version {version} is the node's {what} now ({said})\n"),
            (None, "trial") => format!("{node}: {what} version {version} is on trial ({said})\n"),
            (None, _) => format!(
                "{node}: {what} version {version} NOT kept: it failed on trial, and the one before goes on; the node's fault log says more\n"
            ),
        }
    })?;
    Ok(if ["committed", "trial"].contains(&stage) { Verdict::Yes } else { Verdict::No })
}

fn refused(code: u8) -> Refused {
    let (reason, remedy) =
        v1::refusal(code).unwrap_or(("a reason that this release does not know", "update this command"));
    let operator = v1::refused_operator(code).and_then(Op::from_code);
    let reason = operator.map_or_else(|| reason.into(), |operator| format!("{reason}: {}", operator.name()));
    Refused { code, reason, remedy: remedy.into() }
}

impl Talk<'_> {
    fn run(
        &mut self,
        sender: &mut ModelSender<'_>,
        version: u32,
        cargo: &Cargo,
        out: &Output,
    ) -> Result<Sending, CliError> {
        let mut progress = out.progress();
        let total = sender.bytes() as u64;
        let (mut silent, mut heard_at, mut tried) = (0, Instant::now(), false);
        while let Some(message) = sender.message() {
            let patience =
                if matches!(message, Message::Part(_) | Message::Firmware(Firmware::Part(_))) { QUICK } else { SLOW };
            let patience = patience.min(self.args.line.wait.max(Duration::from_millis(200)));
            self.repeated += u32::from(silent > 0);
            match self.exchange(sender, &message, patience) {
                Ok(Some(report)) => {
                    // A node that says it knows of nothing was away while its model was on trial: the trial is lost.
                    if tried && report.version == version && report.stage == Stage::Settled {
                        return Ok(Sending::RolledBack);
                    }
                    (silent, heard_at) = (0, Instant::now());
                    if let Sending::Going { received } = sender.hear(&report) {
                        progress.step("sent", received.into(), total);
                    }
                    tried |= report.stage == Stage::Trial;
                }
                Ok(None) => {
                    silent += 1;
                    if silent % SILENT == 0 {
                        sender.anew();
                    }
                    self.still(heard_at, Duration::ZERO)?;
                }
                Err(error) => {
                    if heard_at.elapsed() >= self.args.line.wait {
                        return Err(error);
                    }
                    self.line.reopen(heard_at + self.args.line.wait)?;
                    self.reopened += 1;
                    sender.anew();
                }
            }
        }
        let mut state = sender.state();
        if state == Sending::Trial && !self.args.no_wait {
            drop(progress);
            out.note(format_args!("{}", cargo.trial));
            state = self.trial(sender, version, cargo)?;
        }
        Ok(state)
    }

    /// Waits for the end of the trial.
    fn trial(&mut self, sender: &mut ModelSender<'_>, version: u32, cargo: &Cargo) -> Result<Sending, CliError> {
        let order = sender.order();
        let patience = self.args.line.wait.max(cargo.silence);
        let mut heard_at = Instant::now();
        // It tells by itself how the trial ends; its report may be lost, and then the order again is answered by how it stands.
        let mut asks = false;
        loop {
            let until = Instant::now() + ASK;
            let report = if asks { self.exchange(sender, &order, SLOW) } else { self.listen(sender, until) };
            asks = !asks;
            match report {
                Ok(Some(report)) => {
                    (heard_at, asks) = (Instant::now(), false);
                    if report.version == version {
                        match (report.stage, sender.hear(&report)) {
                            (Stage::Settled, _) => return Ok(Sending::RolledBack),
                            (_, Sending::Trial | Sending::Going { .. }) => {}
                            (_, ended) => return Ok(ended),
                        }
                    }
                }
                Ok(None) => self.still(heard_at, cargo.silence)?,
                // A line may go with the node that starts anew.
                Err(error) if heard_at.elapsed() >= patience => return Err(error),
                Err(_) => {
                    self.line.reopen(heard_at + patience)?;
                    (self.reopened, asks) = (self.reopened + 1, true);
                }
            }
        }
    }

    fn still(&self, heard_at: Instant, silence: Duration) -> Result<(), CliError> {
        if heard_at.elapsed() < self.args.line.wait.max(silence) {
            return Ok(());
        }
        let remedy = "is it the right node, started, and with the keys of this registry? The same command again goes on where this one ends";
        Err(CliError::new(self.line.place(), "the node does not answer", remedy))
    }

    fn exchange(
        &mut self,
        sender: &ModelSender<'_>,
        message: &Message<'_>,
        patience: Duration,
    ) -> Result<Option<Update>, CliError> {
        if self.next == self.end {
            (self.next, self.end) = reserve(self.args, self.id)?;
        }
        let node = NodeId(u64::from_be_bytes(self.id));
        let frame = seal(&self.key, Link::Stream, node, self.next, message);
        let frame = frame.map_err(|error| CliError::new("frame", error, ""))?;
        self.next += 1;
        self.frames += 1;
        self.line.say(&frame)?;
        self.listen(sender, Instant::now() + patience)
    }

    /// Returns the node's next report of what is sent; what else it says is the gateway's.
    fn listen(&mut self, sender: &ModelSender<'_>, until: Instant) -> Result<Option<Update>, CliError> {
        while let Some(frame) = self.line.hear(until)? {
            let Ok(unverified) = Unverified::stream(&frame, Direction::Up) else { continue };
            let Ok(Opened::Fresh { counter, message }) = unverified.open(&self.key, &self.window) else { continue };
            self.window = self.window.with(counter);
            if let Some(update) = sender.report(&message) {
                return Ok(Some(update));
            }
        }
        Ok(None)
    }
}

/// Numbers for frames to the node that nobody has used.
fn reserve(args: &UpdateArgs, id: [u8; 8]) -> Result<(u32, u32), CliError> {
    let path = &args.registry.registry;
    Registry::change(path, |registry| {
        let node = registry.node(path, id)?;
        let end = node.down.checked_add(BLOCK).ok_or_else(|| {
            let remedy = "give it new keys: `tanbo provision write --again`";
            CliError::new(path.display(), "the numbers of frames to this node are used up", remedy)
        })?;
        Ok((std::mem::replace(&mut node.down, end), end))
    })
}
