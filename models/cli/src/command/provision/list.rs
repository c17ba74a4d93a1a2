//! `tanbo provision list`: the nodes of a registry.

use serde::Serialize;

use super::NodeFacts;
use crate::Verdict;
use crate::args::ListArgs;
use crate::error::CliError;
use crate::nodes::registry::Registry;
use crate::output::{self, Output};

#[derive(Serialize)]
struct Document {
    registry: String,
    nodes: Vec<NodeFacts>,
}

/// Shows them, without their keys.
pub fn list(args: &ListArgs, out: &Output) -> Result<Verdict, CliError> {
    let path = &args.registry.registry;
    let registry = Registry::read(path)?;
    let nodes = registry.nodes.iter().map(NodeFacts::of).collect();
    let document = Document { registry: path.display().to_string(), nodes };
    out.document(&document, || {
        let heading = ["node", "state", "since", "region", "board", "signers", "calibrated"];
        let mut rows = vec![heading.map(String::from).to_vec()];
        for node in &document.nodes {
            let since = node.revoked.as_ref().or(node.written.as_ref()).unwrap_or(&node.prepared);
            let board = node.board.clone().unwrap_or_else(|| "-".into());
            let (signers, calibrations) = (node.signers.to_string(), node.calibrations.to_string());
            let (state, region) = (node.state.to_string(), node.region.clone());
            rows.push(vec![node.node.clone(), state, since.clone(), region, board, signers, calibrations]);
        }
        output::table(&rows)
    })?;
    Ok(Verdict::Yes)
}
