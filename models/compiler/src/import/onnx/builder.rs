//! Tensors and nodes as they are emitted, and the layout of each view.
//!
//! A source Transpose costs nothing here: it only changes the view's permutation. A node that needs
//! another order of axes than the stored one gets a Transpose node; if only axes of extent one move, a
//! Reshape. What turns out to cancel is removed by `cleanup`.

use std::collections::HashMap;

use tanbo_format::MAX_RANK;
use tanbo_format::emit::StateStart;
use tanbo_quant::Rounding;

use super::constant::transposed_indices;
use super::value::{Border, Move, Quant, View};
use super::{MAX_ELEMENTS, MAX_EMITTED, Res, elements};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{Clamp, Node, NodeOp, State, Tensor, TensorId};

/// Index of a set of tensors that share scale and zero point.
type Class = usize;

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    class: Class,
    data: Option<Vec<u8>>,
}

/// Quantization of a new tensor.
#[derive(Clone, Copy, Debug)]
pub(super) enum NewQuant {
    Is(Quant),
    /// That of another tensor, whatever it turns out to be.
    Of(TensorId),
    /// Not known yet.
    Open,
}

/// The graph under construction.
#[derive(Default)]
pub(super) struct Builder {
    entries: Vec<Entry>,
    classes: Vec<(Class, Option<Quant>)>,
    nodes: Vec<Node>,
    /// Reshapes and transposes emitted, so that none is emitted twice.
    moved: HashMap<(TensorId, Vec<usize>, bool), TensorId>,
    /// Tensors that are states, and their first contents.
    states: Vec<(TensorId, Vec<u8>)>,
}

impl Builder {
    pub(super) fn tensor(&mut self, name: &str, shape: Vec<usize>, quant: NewQuant, place: &str) -> Res<TensorId> {
        if shape.len() > MAX_RANK {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                place,
                format!("a tensor of {} axes; an artifact holds {MAX_RANK}", shape.len()),
                "reshape the model to fewer axes",
            ));
        }
        if elements(&shape).is_none_or(|n| n == 0) || self.entries.len() >= MAX_EMITTED {
            return Err(CompileError::new(
                CompileErrorKind::TooLarge,
                place,
                format!(
                    "shape {shape:?} is empty or has more than {MAX_ELEMENTS} elements, or the model too many tensors"
                ),
                "check the model's shapes, or use a smaller model",
            ));
        }
        let class = match quant {
            NewQuant::Of(tensor) => self.class_of(tensor),
            NewQuant::Is(quant) => self.new_class(Some(quant)),
            NewQuant::Open => self.new_class(None),
        };
        self.entries.push(Entry { name: name.into(), shape, class, data: None });
        Ok(self.entries.len() - 1)
    }

    /// Returns a constant tensor.
    pub(super) fn constant(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        quant: Quant,
        data: Vec<u8>,
        place: &str,
    ) -> Res<TensorId> {
        let tensor = self.tensor(name, shape, NewQuant::Is(quant), place)?;
        if let Some(entry) = self.entries.get_mut(tensor) {
            entry.data = Some(data);
        }
        Ok(tensor)
    }

    /// Makes `tensor` a state that begins with these bytes.
    pub(super) fn state(&mut self, tensor: TensorId, start: Vec<u8>) {
        self.states.push((tensor, start));
    }

    /// Emits a node that reads and writes `states` in place, and returns its output.
    #[allow(clippy::too_many_arguments, reason = "those of a node, and its states")]
    pub(super) fn node_with_states(
        &mut self,
        place: &str,
        name: &str,
        op: NodeOp,
        inputs: Vec<TensorId>,
        states: Vec<TensorId>,
        shape: Vec<usize>,
        quant: NewQuant,
    ) -> Res<TensorId> {
        let output = self.node(place, name, op, inputs, shape, quant)?;
        if let Some(node) = self.nodes.last_mut() {
            node.states = states;
        }
        Ok(output)
    }

    /// Emits a node and returns its output.
    pub(super) fn node(
        &mut self,
        place: &str,
        name: &str,
        op: NodeOp,
        inputs: Vec<TensorId>,
        shape: Vec<usize>,
        quant: NewQuant,
    ) -> Res<TensorId> {
        let output = self.tensor(name, shape, quant, place)?;
        self.nodes.push(Node { name: name.into(), op, inputs, states: vec![], output, rounding: Rounding::Single });
        Ok(output)
    }

    fn new_class(&mut self, quant: Option<Quant>) -> Class {
        self.classes.push((self.classes.len(), quant));
        self.classes.len() - 1
    }

    fn class_of(&mut self, tensor: TensorId) -> Class {
        let mut class = self.entries.get(tensor).map_or(0, |entry| entry.class);
        while let Some(&(parent, _)) = self.classes.get(class) {
            if parent == class {
                break;
            }
            // Halve the path for the next walk.
            let beyond = self.classes.get(parent).map_or(parent, |c| c.0);
            if let Some(slot) = self.classes.get_mut(class) {
                slot.0 = beyond;
            }
            class = beyond;
        }
        if let Some(entry) = self.entries.get_mut(tensor) {
            entry.class = class;
        }
        class
    }

    /// Returns the tensor's quantization, if it is known.
    pub(super) fn quant(&mut self, tensor: TensorId) -> Option<Quant> {
        let class = self.class_of(tensor);
        self.classes.get(class).and_then(|c| c.1)
    }

    /// Gives the tensor and all that share its values a quantization; false if they have another.
    pub(super) fn set_quant(&mut self, tensor: TensorId, quant: Quant) -> bool {
        let class = self.class_of(tensor);
        match self.classes.get_mut(class) {
            Some((_, known @ None)) => {
                *known = Some(quant);
                true
            }
            Some((_, Some(known))) => *known == quant,
            None => false,
        }
    }

    /// Makes two tensors share their quantization; false if they differ.
    fn unite(&mut self, a: TensorId, b: TensorId) -> bool {
        let (a, b) = (self.class_of(a), self.class_of(b));
        let known = |builder: &Self, class: Class| builder.classes.get(class).and_then(|c| c.1);
        let quant = match (known(self, a), known(self, b)) {
            (Some(x), Some(y)) if x != y => return false,
            (x, y) => x.or(y),
        };
        if let Some(class) = self.classes.get_mut(a) {
            class.1 = quant;
        }
        if let Some(class) = self.classes.get_mut(b) {
            class.0 = a;
        }
        true
    }

    /// Returns the view with `quant` as its tensor's quantization: the same integers read in another
    /// scale are another tensor.
    pub(super) fn with_quant(&mut self, view: &View, quant: Quant, place: &str) -> Res<View> {
        if self.set_quant(view.tensor, quant) {
            return Ok(view.clone());
        }
        let shape = self.shape(view.tensor);
        let name = format!("{}/as_{}", self.name(view.tensor), quant.scale);
        let tensor = self.node(place, &name, NodeOp::Reshape, vec![view.tensor], shape, NewQuant::Is(quant))?;
        Ok(View { tensor, ..view.clone() })
    }

    pub(super) fn tensor_count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn shape(&self, tensor: TensorId) -> Vec<usize> {
        self.entries.get(tensor).map(|entry| entry.shape.clone()).unwrap_or_default()
    }

    pub(super) fn name(&self, tensor: TensorId) -> String {
        self.entries.get(tensor).map(|entry| entry.name.clone()).unwrap_or_default()
    }

    pub(super) fn rename(&mut self, tensor: TensorId, name: &str) {
        if let Some(entry) = self.entries.get_mut(tensor) {
            entry.name = name.into();
        }
        if !self.is_constant(tensor)
            && let Some(node) = self.nodes.iter_mut().rev().find(|node| node.output == tensor)
        {
            node.name = name.into();
        }
    }

    fn constant_of(&mut self, tensor: TensorId) -> Option<(Quant, Vec<u8>)> {
        let data = self.entries.get(tensor)?.data.clone()?;
        Some((self.quant(tensor)?, data))
    }

    fn is_constant(&self, tensor: TensorId) -> bool {
        self.entries.get(tensor).is_some_and(|entry| entry.data.is_some())
    }

    /// Returns `tensor` in another shape.
    pub(super) fn reshape(&mut self, tensor: TensorId, shape: Vec<usize>, place: &str) -> Res<TensorId> {
        if self.shape(tensor) == shape {
            return Ok(tensor);
        }
        let key = (tensor, shape.clone(), false);
        if let Some(&known) = self.moved.get(&key) {
            return Ok(known);
        }
        if let Some((quant, data)) = self.constant_of(tensor) {
            return self.constant(&self.name(tensor), shape, quant, data, place);
        }
        let name = format!("{}/reshape", self.name(tensor));
        let output = self.node(place, &name, NodeOp::Reshape, vec![tensor], shape, NewQuant::Of(tensor))?;
        self.moved.insert(key, output);
        Ok(output)
    }

    fn transpose(&mut self, tensor: TensorId, perm: Vec<usize>, place: &str) -> Res<TensorId> {
        let key = (tensor, perm.clone(), true);
        if let Some(&known) = self.moved.get(&key) {
            return Ok(known);
        }
        let from = self.shape(tensor);
        let shape = permute(&from, &perm);
        if let (Some((quant, data)), Some((_, indices))) = (self.constant_of(tensor), transposed_indices(&from, &perm))
        {
            let elements: Vec<&[u8]> = data.chunks_exact(quant.ty.bytes()).collect();
            let data = indices.iter().filter_map(|&i| elements.get(i).copied()).flatten().copied().collect();
            return self.constant(&self.name(tensor), shape, quant, data, place);
        }
        let name = format!("{}/transpose", self.name(tensor));
        let op = NodeOp::Transpose { perm };
        let output = self.node(place, &name, op, vec![tensor], shape, NewQuant::Of(tensor))?;
        self.moved.insert(key, output);
        Ok(output)
    }

    /// Returns the view stored with its axes in the order `want` (of the shape the source sees).
    pub(super) fn arrange(&mut self, view: &View, want: &[usize], place: &str) -> Res<View> {
        if view.core != view.shape {
            let core = View { shape: view.core.clone(), ..view.clone() };
            let identity: Vec<usize> = (0..view.core.len()).collect();
            let stored = self.arrange(&core, &identity, place)?;
            let tensor = self.reshape(stored.tensor, view.shape.clone(), place)?;
            return self.arrange(&View::plain(tensor, view.shape.clone()), want, place);
        }
        let shape = permute(&view.core, want);
        let tensor = if view.perm == want {
            view.tensor
        } else if long_axes(&view.core, &view.perm) == long_axes(&view.core, want) {
            self.reshape(view.tensor, shape, place)?
        } else {
            let from = self.reshape(view.tensor, permute(&view.core, &view.perm), place)?;
            let perm = want.iter().filter_map(|w| view.perm.iter().position(|p| p == w)).collect();
            self.transpose(from, perm, place)?
        };
        Ok(View::permuted(tensor, view.core.clone(), want.to_vec()))
    }

    /// Returns the view stored as the source sees it.
    pub(super) fn plain(&mut self, view: &View, place: &str) -> Res<View> {
        let identity: Vec<usize> = (0..view.shape.len()).collect();
        self.arrange(view, &identity, place)
    }

    /// Returns the view without a lazy reshape: as it is, or stored as the source sees it.
    pub(super) fn unreshaped(&mut self, view: &View, place: &str) -> Res<View> {
        if view.core == view.shape { Ok(view.clone()) } else { self.plain(view, place) }
    }

    /// Returns `[N, H, W, C]` of a view of `[N, C, H, W]`, or `[N, T, 1, C]` of one of `[N, C, T]`.
    pub(super) fn channels_last(&mut self, view: &View, place: &str) -> Res<TensorId> {
        match view.shape.as_slice() {
            &[n, c, t] => {
                let stored = self.arrange(view, &[0, 2, 1], place)?;
                self.reshape(stored.tensor, vec![n, t, 1, c], place)
            }
            _ => Ok(self.arrange(view, &[0, 2, 3, 1], place)?.tensor),
        }
    }

    /// Returns the view of `shape` (`[N, C, H, W]` or `[N, C, T]`) of a tensor stored channels last.
    pub(super) fn seen_channels_first(&mut self, tensor: TensorId, shape: &[usize], place: &str) -> Res<View> {
        match *shape {
            [n, c, t] => {
                let tensor = self.reshape(tensor, vec![n, t, c], place)?;
                Ok(View::permuted(tensor, shape.to_vec(), vec![0, 2, 1]))
            }
            _ => Ok(View::permuted(tensor, shape.to_vec(), vec![0, 2, 3, 1])),
        }
    }

    /// Returns the view after `step`. The caller has checked that the step fits the view's shape.
    pub(super) fn apply(&mut self, view: &View, step: &Move, place: &str) -> Res<View> {
        match step {
            Move::Reshape(shape) => self.apply_reshape(view, shape, place),
            Move::Transpose(perm) => {
                let view = self.unreshaped(view, place)?;
                let core = permute(&view.core, perm);
                let moved = view.perm.iter().filter_map(|p| perm.iter().position(|q| q == p)).collect();
                Ok(View::permuted(view.tensor, core, moved))
            }
            Move::Slice { begin, stride, count } => {
                let view = self.unreshaped(view, place)?;
                if view.shape == *count
                    && begin.iter().all(|&b| b == 0)
                    && stride.iter().zip(count).all(|(&s, &n)| s == 1 || n == 1)
                {
                    return Ok(view);
                }
                let op = NodeOp::Slice { begin: permute(begin, &view.perm), stride: permute(stride, &view.perm) };
                let name = format!("{}/slice", self.name(view.tensor));
                let shape = permute(count, &view.perm);
                let tensor = self.reshape(view.tensor, permute(&view.core, &view.perm), place)?;
                let tensor = self.node(place, &name, op, vec![tensor], shape, NewQuant::Of(tensor))?;
                Ok(View::permuted(tensor, count.clone(), view.perm))
            }
            Move::Pad { before, shape, border } => {
                let view = self.unreshaped(view, place)?;
                let value = match *border {
                    Border::Int(value) => value,
                    Border::Real(real) => match self.quant(view.tensor) {
                        Some(quant) => quant.quantize(real),
                        None => {
                            return Err(CompileError::new(
                                CompileErrorKind::Unsupported,
                                place,
                                "it pads a float input before it is quantized",
                                "put the model's first QuantizeLinear before the Pad",
                            ));
                        }
                    },
                };
                let op = NodeOp::Pad { before: permute(before, &view.perm), value };
                let name = format!("{}/pad", self.name(view.tensor));
                let tensor = self.reshape(view.tensor, permute(&view.core, &view.perm), place)?;
                let tensor =
                    self.node(place, &name, op, vec![tensor], permute(shape, &view.perm), NewQuant::Of(tensor))?;
                Ok(View::permuted(tensor, shape.clone(), view.perm))
            }
            Move::Gather { axis, indices, shape } => {
                let view = self.unreshaped(view, place)?;
                let stored = view.stored_axis(*axis).unwrap_or(*axis);
                let op = NodeOp::Gather { axis: stored, indices: Vec::clone(indices) };
                let name = format!("{}/gather", self.name(view.tensor));
                let tensor = self.reshape(view.tensor, permute(&view.core, &view.perm), place)?;
                let tensor =
                    self.node(place, &name, op, vec![tensor], permute(shape, &view.perm), NewQuant::Of(tensor))?;
                Ok(View::permuted(tensor, shape.clone(), view.perm))
            }
            Move::Reduce { axes, keep, greatest, shape } => {
                let (tensor, stored, perm) = self.reducible(view, axes, *keep, place)?;
                let op =
                    if *greatest { NodeOp::ReduceMax { axes: stored } } else { NodeOp::ReduceMin { axes: stored } };
                let name = format!("{}/reduce", self.name(tensor));
                let tensor = self.node(place, &name, op, vec![tensor], permute(shape, &perm), NewQuant::Of(tensor))?;
                Ok(View::permuted(tensor, shape.clone(), perm))
            }
            Move::MaxPool { window, shape } => {
                let input = self.channels_last(view, place)?;
                let name = format!("{}/max_pool", self.name(view.tensor));
                let op = NodeOp::MaxPool2d { window: *window, clamp: Clamp::INT8 };
                let output =
                    self.node(place, &name, op, vec![input], stored_channels_last(shape), NewQuant::Of(input))?;
                self.seen_channels_first(output, shape, place)
            }
        }
    }

    /// Returns the tensor of a view that is to be reduced over source axes `axes`, these axes as they are stored, and how
    /// the axes of the result will be.
    pub(super) fn reducible(
        &mut self,
        view: &View,
        axes: &[usize],
        keep: bool,
        place: &str,
    ) -> Res<(TensorId, Vec<usize>, Vec<usize>)> {
        let view = self.unreshaped(view, place)?;
        let mut stored: Vec<usize> = axes.iter().filter_map(|&a| view.stored_axis(a)).collect();
        stored.sort_unstable();
        let perm: Vec<usize> = if keep {
            view.perm.clone()
        } else {
            let left: Vec<usize> = (0..view.shape.len()).filter(|a| !axes.contains(a)).collect();
            view.perm.iter().filter_map(|p| left.iter().position(|l| l == p)).collect()
        };
        let tensor = self.reshape(view.tensor, permute(&view.core, &view.perm), place)?;
        Ok((tensor, stored, perm))
    }

    fn apply_reshape(&mut self, view: &View, shape: &[usize], place: &str) -> Res<View> {
        if shape == view.shape {
            return Ok(view.clone());
        }
        let long = |s: &[usize]| s.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
        if view.core == view.shape && long(&view.shape) == long(shape) {
            // Only axes of extent one come or go: the stored order of the others stays.
            let axes = |s: &[usize]| (0..s.len()).filter(|&i| s.get(i) != Some(&1)).collect::<Vec<_>>();
            let (old, new) = (axes(&view.shape), axes(shape));
            let kept = long_axes(&view.core, &view.perm)
                .into_iter()
                .filter_map(|p| old.iter().position(|&o| o == p).and_then(|i| new.get(i).copied()));
            let perm: Vec<usize> = (0..shape.len()).filter(|i| !new.contains(i)).chain(kept).collect();
            let tensor = self.reshape(view.tensor, permute(shape, &perm), place)?;
            return Ok(View::permuted(tensor, shape.to_vec(), perm));
        }
        let identity: Vec<usize> = (0..view.core.len()).collect();
        if long_axes(&view.core, &view.perm) == long_axes(&view.core, &identity) {
            let tensor = self.reshape(view.tensor, shape.to_vec(), place)?;
            return Ok(View::plain(tensor, shape.to_vec()));
        }
        Ok(View { shape: shape.to_vec(), ..view.clone() })
    }

    /// Joins views of equal quantization along a source axis.
    pub(super) fn concat(&mut self, name: &str, views: &[View], axis: usize, place: &str) -> Res<View> {
        let activation = views.iter().find(|view| !self.is_constant(view.tensor));
        let perm = match activation.or(views.first()) {
            Some(first) => self.unreshaped(first, place)?.perm,
            None => return Err(CompileError::new(CompileErrorKind::Malformed, place, "no inputs", "remove the node")),
        };
        let mut inputs = Vec::with_capacity(views.len());
        let mut shape = Vec::new();
        for view in views {
            let stored = self.arrange(view, &perm, place)?;
            inputs.push(self.reshape(stored.tensor, permute(&view.shape, &perm), place)?);
            if shape.is_empty() {
                shape.clone_from(&view.shape);
            } else if let (Some(sum), Some(extent)) = (shape.get_mut(axis), view.shape.get(axis)) {
                *sum = sum.saturating_add(*extent);
            }
        }
        if inputs.iter().zip(inputs.iter().skip(1)).any(|(&a, &b)| !self.unite(a, b)) {
            return Err(CompileError::new(
                CompileErrorKind::Inconsistent,
                place,
                "it joins integers of different scales",
                "put a DequantizeLinear before and a QuantizeLinear after it",
            ));
        }
        let quant = inputs.first().map_or(NewQuant::Open, |&first| NewQuant::Of(first));
        let stored_axis = perm.iter().position(|&p| p == axis).unwrap_or(axis);
        let op = NodeOp::Concat { axis: stored_axis };
        let tensor = self.node(place, name, op, inputs, permute(&shape, &perm), quant)?;
        Ok(View::permuted(tensor, shape, perm))
    }

    /// Returns the tensors and nodes. Scales that nothing in the model states become 1.
    pub(super) fn finish(mut self) -> (Vec<Tensor>, Vec<Node>, Vec<State>) {
        let quants: Vec<Option<Quant>> = (0..self.entries.len()).map(|t| self.quant(t)).collect();
        let tensors: Vec<Tensor> = self
            .entries
            .into_iter()
            .zip(quants)
            .map(|(entry, quant)| {
                let quant = quant.unwrap_or(Quant::int8(1.0, 0));
                Tensor {
                    name: entry.name,
                    shape: if entry.shape.is_empty() { vec![1] } else { entry.shape },
                    ty: quant.ty,
                    scale: quant.scale,
                    zero_point: quant.zero_point,
                    data: entry.data,
                }
            })
            .collect();
        for node in &mut self.nodes {
            // Only now is the type known of what was pooled before it was quantized.
            if let (NodeOp::MaxPool2d { clamp, .. }, Some(tensor)) = (&mut node.op, tensors.get(node.output)) {
                *clamp = Clamp::full(tensor.ty);
            }
        }
        let mut states = Vec::new();
        for (tensor, start) in self.states {
            let start = match start.first() {
                Some(&first) if start.iter().all(|&byte| byte == first) => StateStart::Fill(first),
                _ => StateStart::Image(start),
            };
            states.push(State { tensor, start });
        }
        (tensors, self.nodes, states)
    }
}

/// Returns `values[perm[0]], values[perm[1]], ...`.
pub(super) fn permute<T: Copy>(values: &[T], perm: &[usize]) -> Vec<T> {
    perm.iter().filter_map(|&p| values.get(p).copied()).collect()
}

/// Returns `[N, H, W, C]` of `[N, C, H, W]`, or `[N, T, 1, C]` of `[N, C, T]`.
pub(super) fn stored_channels_last(shape: &[usize]) -> Vec<usize> {
    match *shape {
        [n, c, t] => vec![n, t, 1, c],
        _ => permute(shape, &[0, 2, 3, 1]),
    }
}

/// Returns the axes longer than one, in stored order: what the order of elements depends on.
pub(super) fn long_axes(core: &[usize], perm: &[usize]) -> Vec<usize> {
    perm.iter().copied().filter(|&p| core.get(p) != Some(&1)).collect()
}
