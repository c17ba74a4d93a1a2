//! `tanbo provision`: who nodes are.

mod list;
mod revoke;
mod show;
mod write;

use serde::Serialize;
use tanbo_flash_map::Region;
use tanbo_wire::provision::Outcome;

use crate::Verdict;
use crate::args::{Provision, ProvisionArgs};
use crate::error::CliError;
use crate::nodes::identity::{self, Told};
use crate::nodes::registry::Node;
use crate::output::Output;

/// Does what the sub-command says.
pub fn provision(args: &ProvisionArgs, out: &Output) -> Result<Verdict, CliError> {
    match &args.command {
        Provision::Write(args) => write::write(args, out),
        Provision::List(args) => list::list(args, out),
        Provision::Revoke(args) => revoke::revoke(args, out),
        Provision::Show(args) => show::show(args, out),
    }
}

/// A node as documents have it: without secrets.
#[derive(Serialize)]
struct NodeFacts {
    node: String,
    state: &'static str,
    region: String,
    board: Option<String>,
    prepared: String,
    written: Option<String>,
    revoked: Option<String>,
    erased: Option<String>,
    signers: usize,
    calibrations: usize,
}

impl NodeFacts {
    fn of(node: &Node) -> Self {
        let text = |time: &Option<toml::value::Datetime>| time.as_ref().map(ToString::to_string);
        Self {
            node: node.name(),
            state: node.state.name(),
            region: node.region.clone(),
            board: node.board.clone(),
            prepared: node.prepared.to_string(),
            written: text(&node.written),
            revoked: text(&node.revoked),
            erased: text(&node.erased),
            signers: node.signers.len(),
            calibrations: node.calibration.len(),
        }
    }
}

/// What a node says of itself.
#[derive(Serialize)]
struct Answered {
    board: String,
    node: Option<String>,
    region: Option<&'static str>,
    signers: u8,
    calibrations: u8,
    identity_at: u32,
    store_at: u32,
    store_end: u32,
    slot_bytes: u32,
}

impl Answered {
    fn of(told: &Told) -> Self {
        let held = told.held;
        Self {
            board: told.board.clone(),
            node: held.map(|held| format!("{:016x}", held.node.0)),
            region: held.and_then(|held| Region::ALL.get(usize::from(held.region))).map(|region| region.name()),
            signers: held.map_or(0, |held| held.signers),
            calibrations: held.map_or(0, |held| held.calibrations),
            identity_at: told.places.identity,
            store_at: told.places.store,
            store_end: told.places.end,
            slot_bytes: told.places.slot_bytes,
        }
    }
}

/// An answer that is no.
#[derive(Serialize)]
struct Refused {
    node: String,
    refused: String,
}

/// Says that the node would not.
fn refused(node: String, outcome: Outcome, out: &Output) -> Result<Verdict, CliError> {
    let document = Refused { node, refused: identity::reason(outcome).into() };
    out.document(&document, || format!("{}: NOT done: {}\n", document.node, document.refused))?;
    Ok(Verdict::No)
}

/// Returns the error of a node that is not the one that was meant.
fn another(place: &str, found: u64, wanted: &str) -> CliError {
    let remedy = format!(
        "is it the right one? `tanbo provision revoke {found:016x} --port {place}` makes it nobody, if its key is in a registry"
    );
    CliError::new(place, format_args!("this is node {found:016x}, not {wanted}"), remedy)
}
