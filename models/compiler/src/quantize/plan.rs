//! Where a network is quantized: which tensors become integers, which weights belong to which scales.
//!
//! The importer of quantized models makes one integer node of DequantizeLinear, operators, QuantizeLinear. So a tensor is
//! quantized once: behind an operator with what is fused into it (bias, clamp, moves), or behind a chain of functions of
//! one tensor, which becomes one table. Each such tensor is a *point*.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::NodeProto;

use super::network::Network;

/// What a node does to the way its input is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// A product with constant weights.
    Linear,
    /// Values moved or picked: integers do as well.
    Move,
    /// Limits that can be fused.
    Clamp,
    /// A function of one value.
    Function,
    /// Arithmetic of two tensors.
    Arithmetic,
    /// Anything else on integers.
    Whole,
    /// A constant, whatever its input.
    Constant,
}

fn class(kind: &str) -> Class {
    match kind {
        "Conv" | "ConvTranspose" | "Gemm" | "MatMul" => Class::Linear,
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Transpose" | "Slice" | "Split" | "Gather" | "Pad"
        | "Expand" | "MaxPool" | "GlobalMaxPool" | "Identity" | "Dropout" | "Cast" | "DepthToSpace"
        | "SpaceToDepth" | "Tile" => Class::Move,
        "Relu" | "Clip" => Class::Clamp,
        "LeakyRelu" | "PRelu" | "ThresholdedRelu" | "HardSigmoid" | "HardSwish" | "Sigmoid" | "Tanh" | "Elu"
        | "Celu" | "Selu" | "Softplus" | "Softsign" | "Mish" | "Gelu" | "Erf" | "Exp" | "Log" | "Sin" | "Cos"
        | "Tan" | "Asin" | "Acos" | "Atan" | "Sinh" | "Cosh" | "Asinh" | "Acosh" | "Atanh" | "Sqrt" | "Reciprocal"
        | "Abs" | "Neg" | "Floor" | "Ceil" | "Round" | "Sign" | "Swish" | "Shrink" => Class::Function,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" => Class::Arithmetic,
        "Shape" | "Size" => Class::Constant,
        _ => Class::Whole,
    }
}

/// How a tensor stands while the nodes are walked.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Constant,
    /// The integers of a point, possibly moved: `view` tells moves apart.
    Integers {
        point: String,
        view: usize,
    },
    /// A function of the integers of a point.
    Function {
        point: String,
        view: usize,
    },
    /// Computed in float, not yet rounded; from which product, and whether nothing is fused into it yet.
    Open {
        linear: Option<usize>,
        bare: bool,
    },
}

/// A node with weights.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// Index of the node.
    pub node: usize,
    /// Point whose scale the input has.
    pub input: String,
    /// Point that rounds the result.
    pub output: String,
    /// Name of the constant weights.
    pub weights: String,
    /// Axis of the weights that is the output channel.
    pub axis: usize,
    /// Output channels, all groups together.
    pub channels: usize,
    /// Axes of the result behind the channels.
    pub behind: usize,
    /// Groups of a ConvTranspose: its weights hold the channels of one group on `axis`.
    pub groups: usize,
    /// Node and input that hold the constant bias, and its name.
    pub bias: Option<(usize, usize, String)>,
}

/// Which tensors are quantized and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Tensors that become integers, in order.
    pub points: Vec<String>,
    /// Products with constant weights.
    pub linears: Vec<Linear>,
    /// Recurrent layers, whose two weights become integers.
    pub recurrents: Vec<usize>,
    /// Constant operands that become integers: node and input.
    pub operands: Vec<(usize, usize)>,
    /// The point whose integers a tensor holds, for points and what is moved.
    pub point_of: HashMap<String, String>,
}

struct Walk<'a> {
    network: &'a Network,
    readers: HashMap<&'a str, Vec<(usize, usize)>>,
    outputs: HashSet<&'a str>,
    states: HashMap<String, State>,
    plan: Plan,
    views: usize,
}

/// Returns the plan of a network.
pub(crate) fn plan(network: &Network) -> Plan {
    let mut readers: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
    for (n, node) in network.nodes.iter().enumerate() {
        for (i, name) in node.input.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            readers.entry(name).or_default().push((n, i));
        }
    }
    let outputs = network.outputs.iter().map(String::as_str).collect();
    let mut walk = Walk { network, readers, outputs, states: HashMap::new(), plan: Plan::default(), views: 0 };
    for name in network.constants.keys() {
        walk.states.insert(name.clone(), State::Constant);
    }
    for port in &network.inputs {
        if walk.readers.contains_key(port.name.as_str()) || walk.outputs.contains(port.name.as_str()) {
            walk.point(&port.name, None);
        }
    }
    for (index, node) in network.nodes.iter().enumerate() {
        walk.node(index, node);
    }
    let Walk { mut plan, states, .. } = walk;
    for (name, state) in states {
        if let State::Integers { point, .. } = state {
            plan.point_of.insert(name, point);
        }
    }
    // What an earlier refusal of the importer leaves without a rounded result has nothing to quantize.
    plan.linears.retain(|linear| !linear.output.is_empty() && !linear.input.is_empty());
    plan
}

impl Walk<'_> {
    fn point(&mut self, name: &str, linear: Option<usize>) {
        self.plan.points.push(name.into());
        self.views += 1;
        self.states.insert(name.into(), State::Integers { point: name.into(), view: self.views });
        if let Some(linear) = linear.and_then(|l| self.plan.linears.get_mut(l)) {
            linear.output = name.into();
        }
    }

    fn state(&self, name: &str) -> Option<&State> {
        self.states.get(name)
    }

    fn is_constant(&self, name: &str) -> bool {
        name.is_empty() || self.state(name) == Some(&State::Constant)
    }

    /// Returns whether all inputs but `i` are constant.
    fn alone(&self, node: &NodeProto, i: usize) -> bool {
        node.input.iter().enumerate().all(|(j, name)| j == i || self.is_constant(name))
    }

    fn scalar(&self, name: &str) -> bool {
        self.network.floats(name).is_some_and(|(_, values)| values.len() == 1)
    }

    fn node(&mut self, index: usize, node: &NodeProto) {
        let class = class(&node.op_type);
        let constant = node.input.iter().all(|name| self.is_constant(name));
        if constant || class == Class::Constant {
            for output in &node.output {
                self.states.insert(output.clone(), State::Constant);
            }
            return;
        }
        let active = node.input.iter().position(|name| !self.is_constant(name)).unwrap_or(0);
        let input = node.input.get(active).and_then(|name| self.state(name)).cloned();
        if matches!(node.op_type.as_str(), "LSTM" | "GRU") {
            // The hidden state inside has the quantization of the result, so nothing is fused.
            self.plan.recurrents.push(index);
            for output in &node.output {
                if self.readers.contains_key(output.as_str()) || self.outputs.contains(output.as_str()) {
                    self.point(output, None);
                }
            }
            return;
        }
        let state = match class {
            Class::Linear => self.linear(index, node),
            Class::Move if active == 0 && self.alone(node, 0) => match input {
                Some(State::Integers { point, .. }) => {
                    self.views += 1;
                    State::Integers { point, view: self.views }
                }
                Some(State::Function { point, .. }) => {
                    self.views += 1;
                    State::Function { point, view: self.views }
                }
                Some(State::Open { linear, .. }) => State::Open { linear, bare: false },
                _ => State::Open { linear: None, bare: false },
            },
            Class::Clamp => match input {
                Some(State::Open { linear, .. }) => State::Open { linear, bare: false },
                other => function_of(other),
            },
            Class::Function if self.scalar_slope(node) => function_of(input),
            Class::Arithmetic => self.arithmetic(index, node),
            _ => State::Open { linear: None, bare: false },
        };
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            self.states.insert(output.clone(), state.clone());
            self.settle(output);
        }
    }

    /// Returns whether the further inputs of a function are scalars (the slope of a PRelu).
    fn scalar_slope(&self, node: &NodeProto) -> bool {
        node.input.iter().skip(1).all(|name| name.is_empty() || self.scalar(name))
    }

    fn linear(&mut self, index: usize, node: &NodeProto) -> State {
        let open = State::Open { linear: None, bare: false };
        let (Some(input), Some(weights)) = (node.input.first(), node.input.get(1)) else { return open };
        let Some((shape, _)) = self.network.floats(weights) else { return open };
        let op = crate::import::onnx::proto::Op::new(node, index, super::network::OPSET);
        let groups = usize::try_from(op.int("group", 1).unwrap_or(1)).unwrap_or(1).max(1);
        let axis = match node.op_type.as_str() {
            "Conv" => 0,
            "ConvTranspose" => 1,
            "Gemm" => usize::from(op.int("transB", 0).unwrap_or(0) == 0),
            _ => shape.len().saturating_sub(1),
        };
        let groups = if node.op_type == "ConvTranspose" { groups } else { 1 };
        let Some(channels) = shape.get(axis).and_then(|c| c.checked_mul(groups)) else { return open };
        let Some(State::Integers { point, .. }) = self.state(input) else { return open };
        let behind = match node.op_type.as_str() {
            "Conv" | "ConvTranspose" => shape.len().saturating_sub(2),
            _ => 0,
        };
        let bias = node.input.get(2).filter(|name| self.network.floats(name).is_some());
        let bias = bias.map(|name| (index, 2, name.clone()));
        self.plan.linears.push(Linear {
            node: index,
            input: point.clone(),
            output: String::new(),
            weights: weights.clone(),
            axis,
            channels,
            behind,
            groups,
            bias,
        });
        State::Open { linear: Some(self.plan.linears.len() - 1), bare: true }
    }

    /// Returns whether a constant can be the bias of an open product.
    fn is_bias(&self, linear: usize, constant: &str) -> bool {
        let (Some(linear), Some((shape, values))) = (self.plan.linears.get(linear), self.network.floats(constant))
        else {
            return false;
        };
        let channel = shape.len().checked_sub(linear.behind + 1).and_then(|axis| shape.get(axis));
        linear.bias.is_none()
            && (values.len() == 1 || (values.len() == linear.channels && channel == Some(&values.len())))
    }

    fn arithmetic(&mut self, index: usize, node: &NodeProto) -> State {
        let open = State::Open { linear: None, bare: false };
        let [a, b] = node.input.as_slice() else { return open };
        let (constant, other, at) = match (self.is_constant(a), self.is_constant(b)) {
            (true, false) => (a, b, 0),
            (false, true) => (b, a, 1),
            _ => {
                let same = match (self.state(a), self.state(b)) {
                    (Some(x), Some(y)) => point_and_view(x).is_some_and(|x| Some(x) == point_and_view(y)),
                    _ => false,
                };
                return if same { function_of(self.state(a).cloned()) } else { open };
            }
        };
        match self.state(other).cloned() {
            Some(State::Open { linear: Some(linear), bare: true })
                if node.op_type == "Add" && self.is_bias(linear, constant) =>
            {
                let name = constant.clone();
                if let Some(linear) = self.plan.linears.get_mut(linear) {
                    linear.bias = Some((index, at, name));
                }
                State::Open { linear: Some(linear), bare: false }
            }
            Some(State::Open { linear, .. }) => State::Open { linear, bare: false },
            state if self.scalar(constant) => function_of(state),
            _ => {
                self.plan.operands.push((index, at));
                open
            }
        }
    }

    /// Makes the tensor a point unless every reader can do without.
    fn settle(&mut self, name: &str) {
        let Some(state) = self.state(name).cloned() else { return };
        let readers = self.readers.get(name).cloned().unwrap_or_default();
        let is_output = self.outputs.contains(name);
        match state {
            State::Constant | State::Integers { .. } => {}
            State::Open { linear, bare } => {
                let fused = match readers.as_slice() {
                    &[(reader, i)] => !is_output && self.fuses(reader, i, linear, bare),
                    _ => false,
                };
                if !fused {
                    self.point(name, linear);
                }
            }
            State::Function { .. } => {
                let all = readers.iter().all(|&(reader, i)| self.takes_function(reader, i, &state));
                if is_output || !all {
                    self.point(name, None);
                }
            }
        }
    }

    /// Returns whether the reader is fused into the operator that computes its input `i` in float.
    fn fuses(&self, reader: usize, i: usize, linear: Option<usize>, bare: bool) -> bool {
        let Some(node) = self.network.nodes.get(reader) else { return false };
        // Constants that are computed are not known yet.
        let rest_constant = node.input.iter().enumerate().all(|(j, name)| j == i || self.will_be_constant(name));
        let other = node.input.get(1 - i.min(1)).map_or("", String::as_str);
        match class(&node.op_type) {
            Class::Move => i == 0 && rest_constant && node.output.len() == 1,
            Class::Clamp => i == 0 && rest_constant,
            Class::Arithmetic => match node.op_type.as_str() {
                "Add" => bare && linear.is_some_and(|linear| self.is_bias(linear, other)),
                "Min" | "Max" => node.input.len() == 2 && self.scalar(other),
                _ => false,
            },
            _ => false,
        }
    }

    fn will_be_constant(&self, name: &str) -> bool {
        self.is_constant(name) || !self.states.contains_key(name)
    }

    fn takes_function(&self, reader: usize, i: usize, state: &State) -> bool {
        let Some(node) = self.network.nodes.get(reader) else { return false };
        let rest_constant = node.input.iter().enumerate().all(|(j, name)| j == i || self.is_constant(name));
        match class(&node.op_type) {
            Class::Move => {
                i == 0
                    && rest_constant
                    && !matches!(node.op_type.as_str(), "MaxPool" | "GlobalMaxPool" | "Pad" | "ReduceMax" | "ReduceMin")
            }
            Class::Clamp => i == 0 && rest_constant,
            Class::Function => i == 0 && self.scalar_slope(node),
            Class::Arithmetic => match node.input.as_slice() {
                [a, b] => {
                    let other = if i == 0 { b } else { a };
                    let same = self
                        .state(other)
                        .is_some_and(|s| point_and_view(s).is_some() && point_and_view(s) == point_and_view(state));
                    same || self.scalar(other)
                }
                _ => false,
            },
            _ => false,
        }
    }
}

fn point_and_view(state: &State) -> Option<(&str, usize)> {
    match state {
        State::Integers { point, view } | State::Function { point, view } => Some((point, *view)),
        _ => None,
    }
}

fn function_of(state: Option<State>) -> State {
    match state {
        Some(State::Integers { point, view } | State::Function { point, view }) => State::Function { point, view },
        _ => State::Open { linear: None, bare: false },
    }
}
