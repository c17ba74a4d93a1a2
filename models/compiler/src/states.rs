//! Reads of states and assignments to them without a copy, where the order of the nodes allows it.
//!
//! Importers write every read and every assignment as a [`NodeOp::Copy`], which is right whatever follows. Here a copy
//! becomes a view ([`NodeOp::Reshape`]) where nothing can tell the difference:
//!
//! - what was read from a state is the state itself if nothing writes the state before the last use of what was read;
//! - what is assigned to a state is written there at once if nothing reads or writes the state between, and the value's last
//!   use comes before the next write.

use std::collections::HashMap;

use crate::graph::{Graph, Node, NodeOp, TensorId};

/// Turns copies from and to states into views as far as no result depends on them.
pub fn elide_copies(graph: &mut Graph) {
    if graph.states.is_empty() {
        return;
    }
    let mut classes = Classes::of(graph);
    let copies: Vec<(usize, TensorId, TensorId)> = (graph.nodes.iter().enumerate())
        .filter_map(|(at, node)| match (&node.op, node.inputs.as_slice()) {
            (NodeOp::Copy, &[from]) => Some((at, from, node.output)),
            _ => None,
        })
        .collect();
    // Views to be made: before node `at`, `view` is the same bytes as `of`.
    let mut views: HashMap<usize, Vec<(TensorId, TensorId)>> = HashMap::new();
    let mut dropped = vec![false; graph.nodes.len()];
    for &(at, state, copy) in &copies {
        if classes.can_read_in_place(at, state, copy) {
            classes.merge(copy, state, at);
            views.entry(at).or_default().push((state, copy));
            dropped[at] = true;
        }
    }
    for &(at, value, state) in copies.iter().filter(|(at, ..)| !dropped[*at]).collect::<Vec<_>>() {
        if let Some(producer) = classes.producer_in_place(at, value, state) {
            views.entry(producer).or_default().push((state, classes.root(value)));
            classes.merge(value, state, at);
            dropped[at] = true;
        }
    }
    let nodes = std::mem::take(&mut graph.nodes);
    for (at, node) in nodes.into_iter().enumerate() {
        for (of, view) in views.remove(&at).unwrap_or_default() {
            graph.nodes.push(Node {
                op: NodeOp::Reshape,
                inputs: vec![of],
                output: view,
                states: vec![],
                ..node.clone()
            });
        }
        if !dropped[at] {
            graph.nodes.push(node);
        }
    }
}

/// Tensors that are the same bytes, and when they are read and written.
struct Classes {
    parent: Vec<TensorId>,
    /// By root: the nodes that read a tensor of the class, in order.
    reads: Vec<Vec<usize>>,
    /// By root: the nodes that write one.
    writes: Vec<Vec<usize>>,
    /// By root: an input, an output or a constant, which keeps a storage of its own.
    fixed: Vec<bool>,
    state: Vec<bool>,
}

impl Classes {
    fn of(graph: &Graph) -> Self {
        let count = graph.tensors.len();
        let mut classes = Self {
            parent: (0..count).collect(),
            reads: vec![Vec::new(); count],
            writes: vec![Vec::new(); count],
            fixed: vec![false; count],
            state: vec![false; count],
        };
        for node in &graph.nodes {
            if let (NodeOp::Reshape, &[input]) = (&node.op, node.inputs.as_slice()) {
                let root = classes.root(input);
                set(&mut classes.parent, node.output, root);
            }
        }
        for state in &graph.states {
            let root = classes.root(state.tensor);
            set(&mut classes.state, root, true);
        }
        let constants = (0..count).filter(|&t| graph.tensors.get(t).is_some_and(|tensor| tensor.data.is_some()));
        let ports = graph.inputs.iter().chain(&graph.outputs).map(|port| port.tensor);
        for tensor in ports.chain(constants) {
            let root = classes.root(tensor);
            set(&mut classes.fixed, root, true);
        }
        for (at, node) in graph.nodes.iter().enumerate().filter(|(_, node)| !matches!(node.op, NodeOp::Reshape)) {
            for &tensor in node.inputs.iter().chain(&node.states) {
                push(&mut classes.reads, classes_root(&classes.parent, tensor), at);
            }
            for &tensor in node.states.iter().chain([&node.output]) {
                push(&mut classes.writes, classes_root(&classes.parent, tensor), at);
            }
        }
        classes
    }

    fn root(&self, tensor: TensorId) -> TensorId {
        classes_root(&self.parent, tensor)
    }

    fn is_state(&self, root: TensorId) -> bool {
        self.state.get(root) == Some(&true)
    }

    fn is_fixed(&self, root: TensorId) -> bool {
        self.fixed.get(root) != Some(&false)
    }

    fn reads(&self, root: TensorId) -> &[usize] {
        self.reads.get(root).map_or(&[], Vec::as_slice)
    }

    fn writes(&self, root: TensorId) -> &[usize] {
        self.writes.get(root).map_or(&[], Vec::as_slice)
    }

    /// Returns whether `copy`, which node `at` reads from `state`, can be the state itself.
    fn can_read_in_place(&self, at: usize, state: TensorId, copy: TensorId) -> bool {
        let (state, copy) = (self.root(state), self.root(copy));
        if !self.is_state(state) || self.is_state(copy) || self.is_fixed(copy) || self.writes(copy) != [at] {
            return false;
        }
        let last = self.reads(copy).iter().copied().max().unwrap_or(at);
        // Also not by the node that reads last: what a node reads and what it writes lie apart.
        !self.writes(state).iter().any(|&write| at < write && write <= last)
    }

    /// Returns the node that can write `value` to `state` directly, so that node `at`, which copies it there, can go.
    fn producer_in_place(&self, at: usize, value: TensorId, state: TensorId) -> Option<usize> {
        let (value, state) = (self.root(value), self.root(state));
        let &[producer] = self.writes(value) else { return None };
        if !self.is_state(state) || self.is_state(value) || self.is_fixed(value) || producer >= at {
            return None;
        }
        let between = |&node: &usize| producer <= node && node < at;
        if self.reads(state).iter().any(between) || self.writes(state).iter().any(between) {
            return None;
        }
        let last = self.reads(value).iter().copied().max().unwrap_or(at);
        (!self.writes(state).iter().any(|&write| at < write && write <= last)).then_some(producer)
    }

    /// Makes the class of `tensor` part of the state's; the copy at node `at` is gone.
    fn merge(&mut self, tensor: TensorId, state: TensorId, at: usize) {
        let (tensor, state) = (self.root(tensor), self.root(state));
        for uses in [&mut self.reads, &mut self.writes] {
            let mut moved = uses.get_mut(tensor).map(std::mem::take).unwrap_or_default();
            if let Some(own) = uses.get_mut(state) {
                own.append(&mut moved);
                own.retain(|&node| node != at);
            }
        }
        set(&mut self.parent, tensor, state);
    }
}

fn classes_root(parent: &[TensorId], mut tensor: TensorId) -> TensorId {
    while let Some(&up) = parent.get(tensor).filter(|&&up| up != tensor) {
        tensor = up;
    }
    tensor
}

fn set<T>(values: &mut [T], at: usize, value: T) {
    if let Some(place) = values.get_mut(at) {
        *place = value;
    }
}

fn push(uses: &mut [Vec<usize>], root: TensorId, at: usize) {
    if let Some(uses) = uses.get_mut(root) {
        uses.push(at);
    }
}
