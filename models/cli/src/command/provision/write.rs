//! `tanbo provision write`: an identity with new keys, into the registry and then into the node.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use tanbo_flash_map::{Identity, SIGNERS};
use tanbo_wire::Key;

use super::{Answered, NodeFacts, another, refused};
use crate::Verdict;
use crate::args::WriteArgs;
use crate::error::CliError;
use crate::nodes::calibration;
#[cfg(feature = "probe")]
use crate::nodes::chip::OnChip;
use crate::nodes::identity::{self, Ended, Told};
use crate::nodes::line::Line;
use crate::nodes::registry::{self, Gateway, NetworkServer, Node, Registry, State, fingerprint};
use crate::output::Output;
use crate::release;

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    node: NodeFacts,
    registry: String,
    /// What the node says of itself; null for a file.
    answered: Option<Answered>,
    /// The page, where it was written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// Prepares keys, writes them, and remembers that they are there.
pub fn write(args: &WriteArgs, out: &Output) -> Result<Verdict, CliError> {
    let signers = signers(args)?;
    let calibration = args.calibration.as_deref().map(calibration::read).transpose()?.unwrap_or_default();
    let path = &args.registry.registry;
    // The line first: a port that cannot be opened, or a node that is another, makes no keys.
    let mut line = args.port.as_deref().map(|port| Line::open(port, args.line.baud)).transpose()?;
    let told = line.as_mut().map(|line| identity::ask(line, args.line.wait)).transpose()?;
    let name = hex::encode(args.node);
    if let Some((line, found)) = line.as_ref().zip(told.as_ref().and_then(Told::node))
        && found != u64::from_be_bytes(args.node)
    {
        return Err(another(line.place(), found, &name));
    }
    #[cfg(feature = "probe")]
    let mut chip = OnChip::open(&args.chip)?;
    #[cfg(feature = "probe")]
    let held = chip.as_mut().map(OnChip::held).transpose()?.flatten();
    #[cfg(feature = "probe")]
    if let Some((chip, held)) = chip.as_ref().zip(held.as_ref())
        && held.node != u64::from_be_bytes(args.node)
    {
        return Err(another(chip.name(), held.node, &name));
    }
    let prepared = Registry::change(path, |registry| prepare(registry, args, signers, calibration))?;
    let new = prepared.identity(path)?.ok_or_else(|| CliError::new(path.display(), "the node has no keys", ""))?;
    let answered = match (&mut line, told, &args.output) {
        // It had come, and the answer was lost.
        (Some(_), Some(told), _) if told.holds(&new) => Some(told),
        (Some(line), Some(told), _) => {
            let somebody = told.held.is_some();
            let key = prepared.before.as_ref().unwrap_or(&Gateway { key: new.key }).key;
            match identity::write(line, &told, &new, somebody.then(|| Key::from(key)))? {
                Ended::Done(told) => Some(told),
                Ended::Refused(outcome) => return refused(name, outcome, out),
            }
        }
        (_, _, Some(output)) => {
            page(output, &new)?;
            None
        }
        _ => None,
    };
    #[cfg(feature = "probe")]
    let chip_name = match &mut chip {
        Some(chip) => {
            chip.make(held.as_ref(), Some(&new))?;
            Some(chip.name().to_string())
        }
        None => None,
    };
    #[cfg(not(feature = "probe"))]
    let chip_name: Option<String> = None;
    let facts = Registry::change(path, |registry| {
        let node = registry.node(path, args.node)?;
        node.state = State::Active;
        node.written = Some(registry::now()?);
        node.before = None;
        node.board = answered.as_ref().map(|told| told.board.clone()).or(chip_name.clone());
        Ok(NodeFacts::of(node))
    })?;
    let document = Document {
        node: facts,
        registry: path.display().to_string(),
        answered: answered.as_ref().map(Answered::of),
        output: args.output.as_ref().map(|path| path.display().to_string()),
    };
    out.document(&document, || {
        let place = match (&document.answered, &document.output) {
            (Some(told), _) => format!("written to the node ({}), which holds it", told.board),
            (_, Some(file)) => format!("in {file}, for the page of the identity; it holds the node's keys"),
            _ => format!("written to the {} and verified", document.node.board.as_deref().unwrap_or("chip")),
        };
        format!(
            "{name} in {}: {place}\nregistry: {}\ntell the gateway:        tanbo provision show {name} --for gateway\n\
             tell the network server: tanbo provision show {name} --for network-server\n",
            document.node.region, document.registry
        )
    })?;
    Ok(Verdict::Yes)
}

fn signers(args: &WriteArgs) -> Result<Vec<String>, CliError> {
    if args.keys.len() > SIGNERS {
        let reason = format!("{} keys; a node has room for {SIGNERS}", args.keys.len());
        return Err(CliError::new("--key", reason, "give those that sign from now on"));
    }
    let keys = args.keys.iter().map(|path| release::public_key(path));
    keys.map(|key| key.map(|key| hex::encode(key.to_bytes().get(1..).unwrap_or_default()))).collect()
}

/// Puts a node's new keys into the registry, or finds those that are there and may not have reached the node.
fn prepare(
    registry: &mut Registry,
    args: &WriteArgs,
    signers: Vec<String>,
    calibration: Vec<calibration::Channel>,
) -> Result<Node, CliError> {
    let path = args.registry.registry.display();
    let name = hex::encode(args.node);
    let [key, app_key] = registry.new_keys()?;
    let known = registry.nodes.iter_mut().find(|node| node.id == args.node);
    let fresh = Gateway { key };
    let prints = [fingerprint(&key), fingerprint(&app_key)];
    let node = match known {
        None => {
            registry.nodes.push(Node {
                id: args.node,
                state: State::Prepared,
                region: String::new(),
                board: None,
                prepared: registry::now()?,
                written: None,
                revoked: None,
                erased: None,
                down: 0,
                fingerprints: prints.into(),
                signers: Vec::new(),
                before: None,
                gateway: Some(fresh),
                network_server: Some(NetworkServer { join_eui: args.join_eui, app_key }),
                calibration: Vec::new(),
            });
            registry.nodes.last_mut().ok_or_else(|| CliError::new(&path, "no nodes", ""))?
        }
        Some(node) => {
            match node.state {
                State::Revoked => {
                    let remedy = "give the board another id: ids and keys of revoked nodes are never used again";
                    return Err(CliError::new(&path, format_args!("node {name} is revoked"), remedy));
                }
                State::Active if !args.again => {
                    let remedy = "another id, or --again for new keys for that node";
                    return Err(CliError::new(&path, format_args!("node {name} has been written before"), remedy));
                }
                State::Active => {
                    node.state = State::Prepared;
                    node.prepared = registry::now()?;
                    node.before = node.gateway.replace(fresh);
                    node.network_server = Some(NetworkServer { join_eui: args.join_eui, app_key });
                    node.fingerprints.extend(prints);
                    node.down = 0;
                }
                // Its keys may have reached it: the same again.
                State::Prepared => {
                    if let Some(network) = &mut node.network_server {
                        network.join_eui = args.join_eui;
                    }
                }
            }
            node
        }
    };
    node.region.clone_from(&args.region);
    node.signers = signers;
    node.calibration = calibration;
    Ok(node.clone())
}

/// Writes the page to a file that there is not yet.
fn page(path: &Path, new: &Identity) -> Result<(), CliError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).and_then(|mut file| file.write_all(&new.to_bytes()).and_then(|()| file.sync_all()));
    file.map_err(|error| CliError::file(path, &error))
}
