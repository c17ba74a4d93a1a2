//! `tanbo provision show`: a node of the registry, or whoever is on a line.

use serde::Serialize;

use super::{Answered, NodeFacts};
use crate::Verdict;
use crate::args::{ShowArgs, Whom};
use crate::error::CliError;
use crate::nodes::identity;
use crate::nodes::line::Line;
use crate::nodes::registry::{Registry, State};
use crate::output::Output;

/// What a node on a line is to the registry.
#[derive(Serialize)]
struct OnLine {
    #[serde(flatten)]
    answered: Answered,
    /// State in the registry; null where it is not there.
    state: Option<&'static str>,
    /// Whether it holds what the registry has for it.
    as_registered: bool,
}

/// What one of them must be told. These are secrets.
#[derive(Serialize)]
#[serde(untagged)]
enum Telling {
    Gateway { node: String, region: String, state: &'static str, key: String },
    NetworkServer { dev_eui: String, join_eui: String, app_key: String, region: String },
}

/// Shows a node.
pub fn show(args: &ShowArgs, out: &Output) -> Result<Verdict, CliError> {
    let path = &args.registry.registry;
    let mut registry = Registry::read(path)?;
    if let Some(port) = &args.port {
        return on_line(args, port, &mut registry, out);
    }
    let node = registry.node(path, args.node.unwrap_or_default())?;
    let Some(whom) = args.whom else {
        let facts = NodeFacts::of(node);
        out.document(&facts, || {
            let since = facts.revoked.as_ref().or(facts.written.as_ref()).unwrap_or(&facts.prepared);
            let NodeFacts { node, state, region, signers, calibrations, .. } = &facts;
            format!(
                "{node} in {region}: {state} since {since}; {signers} signers, {calibrations} channels calibrated\n"
            )
        })?;
        return Ok(Verdict::Yes);
    };
    let (Some(gateway), Some(network), false) = (&node.gateway, &node.network_server, node.state == State::Revoked)
    else {
        let reason = format!("node {} is revoked: nobody is to be told its keys", node.name());
        return Err(CliError::new(path.display(), reason, "tell them that it is gone"));
    };
    let (region, name) = (node.region.clone(), node.name());
    let telling = match whom {
        Whom::Gateway => {
            Telling::Gateway { node: name, region, state: node.state.name(), key: hex::encode(gateway.key) }
        }
        Whom::NetworkServer => Telling::NetworkServer {
            dev_eui: name,
            join_eui: hex::encode(network.join_eui),
            app_key: hex::encode(network.app_key),
            region,
        },
    };
    out.document(&telling, || match &telling {
        Telling::Gateway { node, key, .. } => format!("node {node}  key {key}\n"),
        Telling::NetworkServer { dev_eui, join_eui, app_key, region } => {
            format!("DevEUI {dev_eui}  JoinEUI {join_eui}  AppKey {app_key}  region {region}\n")
        }
    })?;
    Ok(Verdict::Yes)
}

fn on_line(args: &ShowArgs, port: &str, registry: &mut Registry, out: &Output) -> Result<Verdict, CliError> {
    let path = &args.registry.registry;
    let mut line = Line::open(port, args.line.baud)?;
    let told = identity::ask(&mut line, args.line.wait)?;
    let known = told.node().and_then(|id| registry.nodes.iter().find(|node| node.id == id.to_be_bytes()));
    let registered = known.map(|node| node.identity(path)).transpose()?.flatten();
    // Nobody is what a node may be of which the registry knows nothing.
    let as_registered = registered.map_or(told.held.is_none(), |registered| told.holds(&registered));
    let document = OnLine { answered: Answered::of(&told), state: known.map(|node| node.state.name()), as_registered };
    out.document(&document, || {
        let OnLine { answered: Answered { board, node, region, .. }, state, as_registered } = &document;
        match (node, state) {
            (None, _) => format!("{board}: no identity yet\n"),
            (Some(node), None) => format!("{board}: node {node}, which is not in {}\n", path.display()),
            (Some(node), Some(state)) => {
                let held = if *as_registered { "what it holds is what" } else { "it does NOT hold what" };
                format!("{board}: node {node} in {}, {state}; {held} the registry has for it\n", region.unwrap_or("?"))
            }
        }
    })?;
    Ok(if as_registered { Verdict::Yes } else { Verdict::No })
}
