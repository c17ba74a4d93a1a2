//! Who writes and reads each tensor, kept up to date while a pass drops and rewires nodes.

use crate::graph::{Graph, Node, NodeOp, TensorId};

/// A graph in change. Dropped nodes keep their numbers until [`Rewriter::finish`].
pub(super) struct Rewriter<'g> {
    pub graph: &'g mut Graph,
    /// By tensor: numbers of the nodes that read it, once per operand.
    readers: Vec<Vec<usize>>,
    /// By tensor: numbers of the nodes that write it.
    writers: Vec<Vec<usize>>,
    /// By tensor: the one whose bytes it is a view of.
    root: Vec<TensorId>,
    /// By tensor: its bytes belong to a state.
    state: Vec<bool>,
    input: Vec<bool>,
    output: Vec<bool>,
    /// By tensor: it, or a view of it, is an output.
    shown: Vec<bool>,
    dropped: Vec<bool>,
    changed: bool,
}

impl<'g> Rewriter<'g> {
    pub fn new(graph: &'g mut Graph) -> Self {
        let count = graph.tensors.len();
        let (mut readers, mut writers) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        let mut root: Vec<TensorId> = (0..count).collect();
        for (number, node) in graph.nodes.iter().enumerate() {
            for &tensor in node.inputs.iter().chain(&node.states) {
                push(&mut readers, tensor, number);
            }
            for &tensor in node.states.iter().chain([&node.output]) {
                push(&mut writers, tensor, number);
            }
            if let (NodeOp::Reshape, &[from]) = (&node.op, node.inputs.as_slice()) {
                let of = root.get(from).copied().unwrap_or(from);
                if let Some(slot) = root.get_mut(node.output) {
                    *slot = of;
                }
            }
        }
        let marked = |tensors: &mut dyn Iterator<Item = TensorId>| {
            let mut flags = vec![false; count];
            for tensor in tensors {
                if let Some(flag) = flags.get_mut(tensor) {
                    *flag = true;
                }
            }
            flags
        };
        let of_states = marked(&mut graph.states.iter().map(|s| root.get(s.tensor).copied().unwrap_or(s.tensor)));
        let state = root.iter().map(|&of| of_states.get(of) == Some(&true)).collect();
        let input = marked(&mut graph.inputs.iter().map(|port| port.tensor));
        let output = marked(&mut graph.outputs.iter().map(|port| port.tensor));
        let shown = shown(graph);
        let dropped = vec![false; graph.nodes.len()];
        Self { graph, readers, writers, root, state, input, output, shown, dropped, changed: false }
    }

    /// Returns the node of that number, if it is still there.
    pub fn node(&self, number: usize) -> Option<&Node> {
        self.graph.nodes.get(number).filter(|_| self.dropped.get(number) == Some(&false))
    }

    /// Returns the node of that number to be changed, its tensors aside.
    pub fn node_mut(&mut self, number: usize) -> Option<&mut Node> {
        self.changed = true;
        self.graph.nodes.get_mut(number).filter(|_| self.dropped.get(number) == Some(&false))
    }

    /// Returns how many operands read `tensor`, a graph's output counted as one more.
    pub fn uses(&self, tensor: TensorId) -> usize {
        self.readers.get(tensor).map_or(0, Vec::len) + usize::from(self.is(&self.output, tensor))
    }

    /// Returns the one node that writes `tensor`.
    pub fn writer(&self, tensor: TensorId) -> Option<usize> {
        match self.writers.get(tensor)?.as_slice() {
            &[number] if !self.is_state(tensor) => Some(number),
            _ => None,
        }
    }

    /// Returns whether the bytes of `tensor` belong to a state, or are written more than once: when it is read matters.
    pub fn is_state(&self, tensor: TensorId) -> bool {
        self.is(&self.state, tensor) || self.writers.get(tensor).is_none_or(|writers| writers.len() > 1)
    }

    /// Returns whether the caller of the engine sees `tensor`.
    pub fn is_port(&self, tensor: TensorId) -> bool {
        self.is(&self.input, tensor) || self.is(&self.output, tensor)
    }

    /// Returns the constant bytes of `tensor`, also through views.
    pub fn data(&self, tensor: TensorId) -> Option<&[u8]> {
        self.graph.tensors.get(*self.root.get(tensor)?)?.data.as_deref()
    }

    /// Returns whether a step computes what `tensor` holds: it is neither an input nor a constant nor a state.
    fn is_computed(&self, tensor: TensorId) -> bool {
        let root = self.root.get(tensor).copied().unwrap_or(tensor);
        !self.is_state(tensor) && self.data(root).is_none() && !self.is(&self.input, root)
    }

    fn is(&self, flags: &[bool], tensor: TensorId) -> bool {
        flags.get(tensor) == Some(&true)
    }

    /// Returns whether both tensors have the same shape, type, scale and zero point.
    pub fn alike(&self, a: TensorId, b: TensorId) -> bool {
        match (self.graph.tensors.get(a), self.graph.tensors.get(b)) {
            (Some(a), Some(b)) => (&a.shape, a.ty, a.scale, a.zero_point) == (&b.shape, b.ty, b.scale, b.zero_point),
            _ => false,
        }
    }

    /// Drops a node that nothing reads any more.
    pub fn drop_node(&mut self, number: usize) {
        let Some(node) = self.graph.nodes.get(number).cloned() else { return };
        for &tensor in node.inputs.iter().chain(&node.states) {
            self.forget_read(tensor, number);
        }
        for &tensor in node.states.iter().chain([&node.output]) {
            if let Some(writers) = self.writers.get_mut(tensor) {
                writers.retain(|&writer| writer != number);
            }
        }
        if let Some(flag) = self.dropped.get_mut(number) {
            *flag = true;
        }
        self.changed = true;
    }

    /// Makes node `number` read `tensor` as operand `operand`.
    pub fn read_instead(&mut self, number: usize, operand: usize, tensor: TensorId) {
        let Some(slot) = self.graph.nodes.get_mut(number).and_then(|node| node.inputs.get_mut(operand)) else { return };
        let before = std::mem::replace(slot, tensor);
        self.forget_read(before, number);
        push(&mut self.readers, tensor, number);
        self.changed = true;
    }

    /// Makes node `number` write `tensor`, which nothing writes any more.
    pub fn write_instead(&mut self, number: usize, tensor: TensorId) {
        let Some(node) = self.graph.nodes.get_mut(number) else { return };
        let before = std::mem::replace(&mut node.output, tensor);
        if let Some(writers) = self.writers.get_mut(before) {
            writers.retain(|&writer| writer != number);
        }
        push(&mut self.writers, tensor, number);
        self.changed = true;
    }

    fn forget_read(&mut self, tensor: TensorId, number: usize) {
        if let Some(readers) = self.readers.get_mut(tensor)
            && let Some(at) = readers.iter().position(|&reader| reader == number)
        {
            readers.swap_remove(at);
        }
    }

    /// Makes every node that reads `from` read `to` instead.
    fn redirect(&mut self, from: TensorId, to: TensorId) {
        for number in self.readers.get_mut(from).map(std::mem::take).unwrap_or_default() {
            if let Some(node) = self.graph.nodes.get_mut(number) {
                for slot in node.inputs.iter_mut().filter(|slot| **slot == from) {
                    *slot = to;
                }
            }
            push(&mut self.readers, to, number);
        }
        self.changed = true;
    }

    /// Drops node `number`, whose output holds the elements of `from` in the same order; where the two differ in shape or
    /// scale it becomes a view. Returns whether that was possible.
    pub fn forward(&mut self, number: usize, from: TensorId) -> bool {
        let Some(node) = self.node(number) else { return false };
        let to = node.output;
        if self.is_state(from) || self.is_state(to) || !node.states.is_empty() {
            return false;
        }
        // What the caller sees of it must be computed, and stays so.
        if self.is(&self.shown, to) {
            if !self.is_computed(from) {
                return false;
            }
            self.show(from);
        }
        if self.alike(from, to) {
            if !self.is_port(to) {
                self.drop_node(number);
                self.redirect(to, from);
                return true;
            }
            if !self.is_port(from)
                && let Some(writer) = self.writer(from)
            {
                self.drop_node(number);
                self.write_instead(writer, to);
                self.redirect(from, to);
                let of = self.root.get(from).copied().filter(|&of| of != from).unwrap_or(to);
                if let Some(slot) = self.root.get_mut(to) {
                    *slot = of;
                }
                return true;
            }
            return false;
        }
        let same = match (self.graph.tensors.get(from), self.graph.tensors.get(to)) {
            (Some(from), Some(to)) => from.ty == to.ty && from.elements() == to.elements(),
            _ => false,
        };
        let Some(node) = self.node(number) else { return false };
        let already = matches!(node.op, NodeOp::Reshape) && node.inputs == [from];
        if !same || already {
            return false;
        }
        for tensor in node.inputs.clone() {
            self.forget_read(tensor, number);
        }
        if let Some(node) = self.node_mut(number) {
            node.op = NodeOp::Reshape;
            node.inputs = vec![from];
        }
        push(&mut self.readers, from, number);
        let of = self.root.get(from).copied().unwrap_or(from);
        if let Some(slot) = self.root.get_mut(to) {
            *slot = of;
        }
        true
    }

    /// Notes that the caller sees `tensor`, and with it what it is a view of.
    fn show(&mut self, mut tensor: TensorId) {
        loop {
            if let Some(flag) = self.shown.get_mut(tensor) {
                *flag = true;
            }
            let writer = self.writer(tensor).and_then(|writer| self.node(writer));
            match writer.map(|node| (&node.op, node.inputs.as_slice())) {
                Some((NodeOp::Reshape, &[from])) => tensor = from,
                _ => return,
            }
        }
    }

    /// Leaves the graph without the dropped nodes; returns whether anything changed.
    pub fn finish(self) -> bool {
        let mut dropped = self.dropped.iter();
        self.graph.nodes.retain(|_| dropped.next() == Some(&false));
        self.changed
    }
}

/// Returns by tensor whether it, or a view of it, is an output.
pub(super) fn shown(graph: &Graph) -> Vec<bool> {
    let mut shown = vec![false; graph.tensors.len()];
    for port in &graph.outputs {
        if let Some(flag) = shown.get_mut(port.tensor) {
            *flag = true;
        }
    }
    for node in graph.nodes.iter().rev() {
        if let (NodeOp::Reshape, &[from], Some(true)) = (&node.op, node.inputs.as_slice(), shown.get(node.output))
            && let Some(flag) = shown.get_mut(from)
        {
            *flag = true;
        }
    }
    shown
}

fn push(lists: &mut [Vec<usize>], tensor: TensorId, number: usize) {
    if let Some(list) = lists.get_mut(tensor) {
        list.push(number);
    }
}
