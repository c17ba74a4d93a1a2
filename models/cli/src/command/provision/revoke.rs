//! `tanbo provision revoke`: a node goes out of service for good.

use serde::Serialize;
use tanbo_wire::Key;
use tanbo_wire::provision::Outcome;

use super::{NodeFacts, another, refused};
use crate::Verdict;
use crate::args::RevokeArgs;
use crate::error::CliError;
#[cfg(feature = "probe")]
use crate::nodes::chip::OnChip;
use crate::nodes::identity::{self, Ended};
use crate::nodes::line::Line;
use crate::nodes::registry::{self, Registry, State};
use crate::output::Output;

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    node: NodeFacts,
    registry: String,
}

/// Marks the node first, so that nothing of it is taken from then on whatever becomes of the rest; then makes it forget.
pub fn revoke(args: &RevokeArgs, out: &Output) -> Result<Verdict, CliError> {
    let path = &args.registry.registry;
    let name = hex::encode(args.node);
    let (mut node, keys) = Registry::change(path, |registry| {
        let node = registry.node(path, args.node)?;
        if node.state != State::Revoked {
            node.state = State::Revoked;
            node.revoked = Some(registry::now()?);
        }
        // It may have the one or the other.
        Ok((NodeFacts::of(node), [node.gateway.clone(), node.before.clone()]))
    })?;
    if let Some(port) = &args.port {
        let mut line = Line::open(port, args.line.baud)?;
        let mut told = identity::ask(&mut line, args.line.wait)?;
        if let Some(found) = told.node().filter(|found| *found != u64::from_be_bytes(args.node)) {
            return Err(another(line.place(), found, &name));
        }
        if told.held.is_some() {
            let mut ended = Ended::Refused(Outcome::NotProven);
            for key in keys.iter().flatten() {
                ended = identity::revoke(&mut line, &told, &Key::from(key.key))?;
                if let Ended::Done(_) = ended {
                    break;
                }
                // Another challenge.
                told = identity::ask(&mut line, args.line.wait)?;
            }
            if let Ended::Refused(outcome) = ended {
                return refused(name, outcome, out);
            }
        }
        node = erased(args)?;
    }
    #[cfg(feature = "probe")]
    if let Some(mut chip) = OnChip::open(&args.chip)? {
        let held = chip.held()?;
        if let Some(held) = held.as_ref().filter(|held| held.node != u64::from_be_bytes(args.node)) {
            return Err(another(chip.name(), held.node, &name));
        }
        chip.make(held.as_ref(), None)?;
        node = erased(args)?;
    }
    let document = Document { node, registry: path.display().to_string() };
    out.document(&document, || {
        let erased = match &document.node.erased {
            Some(_) => "its keys are gone from it and from the registry",
            None => "its keys are still in it: erase them with --port when you have it",
        };
        format!("{name}: revoked since {}; {erased}\n", document.node.revoked.as_deref().unwrap_or_default())
    })?;
    Ok(Verdict::Yes)
}

/// Remembers that the node's keys are gone, and forgets them here too.
fn erased(args: &RevokeArgs) -> Result<NodeFacts, CliError> {
    let path = &args.registry.registry;
    Registry::change(path, |registry| {
        let node = registry.node(path, args.node)?;
        node.erased.get_or_insert(registry::now()?);
        (node.gateway, node.before, node.network_server) = (None, None, None);
        Ok(NodeFacts::of(node))
    })
}
