//! Random graphs with what passes look for planted in them: dead, constant and equal channels, constants away from the zero
//! point, padding on any side, clamps, borders, moves that cancel.

use tanbo_quant::Rounding;

use super::builder::{Builder, Quantization};
use crate::graph::{Bias, Clamp, Graph, NodeOp, TensorId, Weights, Window};

/// Few, so that tensors of the same one meet.
const QUANTIZATIONS: [Quantization; 3] = [(0.05, -128), (0.0625, 3), (0.04, -20)];
/// Most elements of a tensor.
const MOST_ELEMENTS: usize = 1200;

/// Returns a random graph of int8 tensors with one or two inputs and one to three outputs.
pub fn random(random: &mut fastrand::Rng) -> Graph {
    let rounding = if random.bool() { Rounding::Single } else { Rounding::Tflite };
    let mut maker =
        Maker { builder: Builder::new("random", rounding), random, tensors: Vec::new(), count: 0, rounding };
    let image = maker.shape();
    for name in ["x1", "x2"].into_iter().take(maker.random.usize(1..=2)) {
        let quantization = maker.quantization();
        let input = maker.builder.input(name, &image, quantization);
        maker.tensors.push(input);
    }
    let nodes = maker.random.usize(3..12);
    let mut tries = 0;
    while maker.count < nodes && tries < 200 {
        maker.step();
        tries += 1;
    }
    let Maker { mut builder, random, tensors, .. } = maker;
    let mut outputs = 0;
    for tensor in tensors.into_iter().rev() {
        let written = builder.graph.nodes.iter().any(|node| node.output == tensor);
        let unread = !builder.graph.nodes.iter().any(|node| node.inputs.contains(&tensor));
        // What nothing reads, and now and then another, which then must stay whole.
        if written && outputs < 3 && (unread || random.u8(..12) == 0) {
            builder.output(tensor);
            outputs += 1;
        }
    }
    builder.finish()
}

struct Maker<'r> {
    builder: Builder,
    random: &'r mut fastrand::Rng,
    /// What later nodes may read.
    tensors: Vec<TensorId>,
    count: usize,
    rounding: Rounding,
}

impl Maker<'_> {
    fn one_in(&mut self, n: u8) -> bool {
        self.random.u8(..n) == 0
    }

    fn quantization(&mut self) -> Quantization {
        QUANTIZATIONS[self.random.usize(..QUANTIZATIONS.len())]
    }

    fn shape(&mut self) -> [usize; 4] {
        let batch = if self.one_in(8) { 2 } else { 1 };
        [batch, self.random.usize(1..8), self.random.usize(1..8), self.random.usize(1..7)]
    }

    /// Rather one of the last tensors, so that graphs grow long.
    fn any(&mut self) -> TensorId {
        let count = self.tensors.len();
        let back = self.random.usize(..count).min(self.random.usize(..count)).min(self.random.usize(..count));
        self.tensors[count - 1 - back]
    }

    fn push(&mut self, op: NodeOp, inputs: &[TensorId], shape: &[usize], quantization: Quantization) -> TensorId {
        let name = format!("n{}", self.count);
        self.count += 1;
        let tensor = self.builder.node(&name, op, inputs, shape, quantization);
        self.tensors.push(tensor);
        tensor
    }

    fn clamp(&mut self, (_, zero_point): Quantization) -> Clamp {
        match self.random.u8(..4) {
            0 | 1 => Clamp { low: zero_point, high: 127 },
            2 => Clamp { low: zero_point.max(-100), high: (zero_point + 60).max(-90) },
            _ => Clamp::INT8,
        }
    }

    /// Adds a node, or finds that what it wanted to read does not fit.
    fn step(&mut self) {
        let x = self.any();
        let shape = self.builder.shape(x);
        let image = <[usize; 4]>::try_from(shape.as_slice()).ok();
        match (self.random.u8(..27), image) {
            (0..=6, Some(image)) => {
                self.conv(x, image);
                self.clamped();
            }
            (7..=9, Some(image)) => {
                self.depthwise(x, image);
                self.clamped();
            }
            (10, Some(image)) => self.transposed(x, image),
            (11..=12, Some(image)) => self.pool(x, image),
            (13 | 24..=26, Some(image)) => {
                self.pad(x, image);
                let padded = *self.tensors.last().unwrap_or(&x);
                match (self.random.u8(..3), <[usize; 4]>::try_from(self.builder.shape(padded))) {
                    (0, Ok(image)) => self.conv(padded, image),
                    (1, Ok(image)) => self.pool(padded, image),
                    _ => {}
                }
                // Rather nothing else reads it.
                if self.random.bool() && padded != x {
                    self.tensors.retain(|&tensor| tensor != padded);
                }
            }
            (14, Some(image)) => self.mean(x, image),
            (15, _) => self.fully_connected(x, &shape),
            (16..=17, _) => self.pair(x, &shape),
            (18, _) => self.concat(x, &shape),
            (19, _) => self.slice(x, &shape),
            (20, _) => self.transpose(x, &shape),
            (21, _) => {
                self.function(x, &shape);
                let y = *self.tensors.last().unwrap_or(&x);
                if self.random.bool() {
                    self.function(y, &shape);
                }
            }
            (22, _) => self.again(),
            (_, _) => self.reshape(x, &shape),
        }
    }

    /// Now and then a clamp of what was written last.
    fn clamped(&mut self) {
        if let Some(&x) = self.tensors.last()
            && self.one_in(3)
        {
            let (shape, own) = (self.builder.shape(x), self.builder.quantization(x));
            let clamp = self.clamp(own);
            self.push(NodeOp::Requantize { clamp }, &[x], &shape, own);
        }
    }

    fn window(&mut self, image: [usize; 4]) -> Option<(Window, [usize; 2])> {
        let kernel = if self.one_in(3) { [1, 1] } else { [self.random.usize(1..4), self.random.usize(1..4)] };
        let stride = if self.one_in(3) { [2, self.random.usize(1..3)] } else { [1, 1] };
        let dilation = if self.one_in(6) { [self.random.usize(1..3), 2] } else { [1, 1] };
        let mut pad = [0, 0];
        let mut outputs = [0, 0];
        for axis in 0..2 {
            let span = (kernel[axis] - 1) * dilation[axis] + 1;
            let inputs = image[axis + 1];
            match self.random.u8(..3) {
                // Nothing beyond the edges.
                0 => outputs[axis] = (inputs.checked_sub(span)?) / stride[axis] + 1,
                // SAME.
                1 => {
                    outputs[axis] = inputs.div_ceil(stride[axis]);
                    pad[axis] = ((outputs[axis] - 1) * stride[axis] + span).saturating_sub(inputs) / 2;
                }
                // Anything, up to windows that meet nothing but padding.
                _ => {
                    pad[axis] = self.random.usize(..=span);
                    outputs[axis] = self.random.usize(1..=inputs.div_ceil(stride[axis]) + 1);
                }
            }
        }
        Some((Window { kernel, stride, dilation, pad }, outputs))
    }

    /// Weights `[outputs, per_output]` (or the other way round), some channels of which are dead, constant or equal, and
    /// some inputs of which have no weight.
    fn weights(&mut self, outputs: usize, per_output: usize, inputs: usize, tap_major: bool) -> Weights {
        let four_bits = self.one_in(12);
        let most = if four_bits { 7 } else { *self.random.choice(&[127, 127, 40, 3]).unwrap_or(&127) };
        let unread: Vec<bool> = (0..inputs).map(|_| self.one_in(5)).collect();
        let mut rows: Vec<Vec<i8>> = Vec::new();
        let mut bias = Vec::new();
        let mut scales = Vec::new();
        let per_channel = self.random.bool();
        let base = 0.4 / (most as f32 * (per_output as f32).sqrt());
        for output in 0..outputs {
            let unread = |at: usize| unread.get(at % inputs.max(1)) == Some(&true);
            let mut row: Vec<i8> =
                (0..per_output).map(|at| if unread(at) { 0 } else { self.random.i8(-most..=most) }).collect();
            let mut own_bias = self.random.i32(-4000..4000);
            let mut scale = if per_channel { base * (0.5 + self.random.f32()) } else { base };
            match self.random.u8(..12) {
                // Dead under a ReLU, saturated, or with no multiplier to speak of.
                0 | 1 => own_bias = -(1 << 28),
                2 => own_bias = 1 << 28,
                3 if per_channel => scale = 1e-14,
                // A constant away from the zero point, rather.
                4 => row.fill(0),
                5 if output > 0 => {
                    let twin = self.random.usize(..output);
                    (row, own_bias) = (rows[twin].clone(), bias[twin]);
                    scale = scales[twin];
                }
                _ => {}
            }
            rows.push(row);
            bias.push(own_bias);
            scales.push(scale);
        }
        scales.truncate(if per_channel { outputs } else { 1 });
        let data: Vec<i8> = if tap_major {
            (0..per_output).flat_map(|tap| rows.iter().map(move |row| row[tap])).collect()
        } else {
            rows.concat()
        };
        Weights { data, scales, bias: Bias::I32(bias), four_bits }
    }

    fn conv(&mut self, x: TensorId, image: [usize; 4]) {
        let Some((window, [oh, ow])) = self.window(image) else { return };
        let channels = image[3];
        let groups = if self.one_in(6) {
            (1..=channels).rev().find(|g| channels.is_multiple_of(*g) && *g < 4).unwrap_or(1)
        } else {
            1
        };
        let outputs = groups * self.random.usize(1..=8 / groups);
        let per_output = window.kernel.iter().product::<usize>() * (channels / groups);
        let weights = self.weights(outputs, per_output, channels / groups, false);
        let quantization = self.quantization();
        let clamp = self.clamp(quantization);
        self.push(NodeOp::Conv2d { window, groups, weights, clamp }, &[x], &[image[0], oh, ow, outputs], quantization);
    }

    fn depthwise(&mut self, x: TensorId, image: [usize; 4]) {
        let Some((window, [oh, ow])) = self.window(image) else { return };
        let outputs = image[3] * if self.one_in(4) { 2 } else { 1 };
        let weights = self.weights(outputs, window.kernel.iter().product(), 1, true);
        let quantization = self.quantization();
        let clamp = self.clamp(quantization);
        self.push(NodeOp::DepthwiseConv2d { window, weights, clamp }, &[x], &[image[0], oh, ow, outputs], quantization);
    }

    fn transposed(&mut self, x: TensorId, image: [usize; 4]) {
        let [n, h, w, channels] = image;
        if h * w > 16 {
            return;
        }
        let (kernel, stride) = (self.random.usize(1..4), self.random.usize(1..3));
        let window =
            Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pad: [self.random.usize(..2); 2] };
        let outputs = self.random.usize(1..6);
        let mut weights = self.weights(outputs, kernel * kernel * channels, channels, false);
        weights.four_bits = false;
        let quantization = self.quantization();
        let clamp = self.clamp(quantization);
        let shape = [n, h * stride, w * stride, outputs];
        self.push(NodeOp::TransposeConv2d { window, groups: 1, weights, clamp }, &[x], &shape, quantization);
    }

    fn pool(&mut self, x: TensorId, image: [usize; 4]) {
        let [n, h, w, channels] = image;
        let kernel = [self.random.usize(1..=h.min(3)), self.random.usize(1..=w.min(3))];
        let stride = [self.random.usize(1..3); 2];
        let pad = [self.random.usize(..kernel[0]), self.random.usize(..kernel[1])];
        let window = Window { kernel, stride, dilation: [1; 2], pad };
        // The last window begins inside.
        let outputs = [0, 1].map(|axis| (image[axis + 1] + pad[axis] - 1) / stride[axis] + 1);
        let outputs = [outputs[0].min(h), outputs[1].min(w)];
        let shape = [n, outputs[0], outputs[1], channels];
        let own = self.builder.quantization(x);
        if self.random.bool() {
            let clamp = self.clamp(own);
            self.push(NodeOp::MaxPool2d { window, clamp }, &[x], &shape, own);
        } else {
            let single = self.rounding == Rounding::Single;
            let quantization = if single { self.quantization() } else { own };
            let clamp = self.clamp(quantization);
            let count_include_pad = single && self.random.bool();
            self.push(NodeOp::AveragePool2d { window, clamp, count_include_pad }, &[x], &shape, quantization);
        }
    }

    fn pad(&mut self, x: TensorId, image: [usize; 4]) {
        let own = self.builder.quantization(x);
        let value = *self.random.choice(&[own.1, own.1, -128, 7]).unwrap_or(&0);
        let sides = [self.random.usize(..2), self.random.usize(..3)];
        let more = [self.random.usize(..2), self.random.usize(..2)];
        let channels = if self.one_in(5) { 1 } else { 0 };
        let [n, h, w, c] = image;
        let shape = [n, h + sides[0] + more[0], w + sides[1] + more[1], c + channels];
        if shape.iter().product::<usize>() <= MOST_ELEMENTS {
            let before = vec![0, sides[0], sides[1], channels];
            self.push(NodeOp::Pad { before, value }, &[x], &shape, own);
        }
    }

    fn mean(&mut self, x: TensorId, image: [usize; 4]) {
        let axes = if self.one_in(5) { vec![3] } else { vec![1, 2] };
        let shape: Vec<usize> = (0..4).map(|axis| if axes.contains(&axis) { 1 } else { image[axis] }).collect();
        let quantization = self.quantization();
        let clamp = self.clamp(quantization);
        self.push(NodeOp::Mean { axes, clamp }, &[x], &shape, quantization);
    }

    fn fully_connected(&mut self, x: TensorId, shape: &[usize]) {
        let elements: usize = shape.iter().product();
        let depth = if self.random.bool() { elements } else { *shape.last().unwrap_or(&1) };
        if depth > 300 || elements / depth > 40 {
            return;
        }
        let outputs = self.random.usize(1..8);
        let weights = self.weights(outputs, depth, *shape.last().unwrap_or(&1), false);
        let quantization = self.quantization();
        let clamp = self.clamp(quantization);
        let shape: Vec<usize> = if depth == elements {
            vec![1, outputs]
        } else {
            shape.iter().rev().skip(1).rev().copied().chain([outputs]).collect()
        };
        self.push(NodeOp::FullyConnected { weights, clamp }, &[x], &shape, quantization);
    }

    fn pair(&mut self, x: TensorId, shape: &[usize]) {
        let channels = *shape.last().unwrap_or(&1);
        let other = match self.random.u8(..3) {
            0 => {
                let all = self.one_in(3);
                let shape = if self.one_in(4) {
                    vec![1]
                } else if all {
                    shape.to_vec()
                } else {
                    vec![channels]
                };
                let length = shape.iter().product();
                let same = self.random.i8(..);
                let uniform = self.random.bool();
                let data: Vec<i8> = (0..length).map(|_| if uniform { same } else { self.random.i8(..) }).collect();
                let (name, quantization) = (format!("c{}", self.count), self.quantization());
                let constant = self.builder.constant(&name, &shape, quantization, &data);
                if self.one_in(3) {
                    let sum = NodeOp::Add { clamp: Clamp::INT8 };
                    self.count += 1;
                    self.builder.node(&format!("{name} twice"), sum, &[constant, constant], &shape, quantization)
                } else {
                    constant
                }
            }
            _ => match self.like(x, false) {
                Some(other) => other,
                None => return,
            },
        };
        let (own, theirs) = (self.builder.quantization(x), self.builder.quantization(other));
        let quantization = self.quantization();
        let clamp = self.clamp(quantization);
        let (op, quantization) = match self.random.u8(..6) {
            0 => (NodeOp::Sub { clamp }, quantization),
            1 => (NodeOp::Mul { clamp }, quantization),
            2 if own == theirs => (NodeOp::Maximum, own),
            3 if own == theirs => (NodeOp::Minimum, own),
            _ => (NodeOp::Add { clamp }, quantization),
        };
        let operands = if self.random.bool() { [x, other] } else { [other, x] };
        self.push(op, &operands, shape, quantization);
    }

    /// A tensor of the shape of `x`, or of its shape but for the channels.
    fn like(&mut self, x: TensorId, but_channels: bool) -> Option<TensorId> {
        let shape = self.builder.shape(x);
        let skip = usize::from(but_channels);
        let fits = |other: &TensorId| {
            let theirs = self.builder.shape(*other);
            theirs.len() == shape.len() && theirs.iter().rev().skip(skip).eq(shape.iter().rev().skip(skip))
        };
        let others: Vec<TensorId> = self.tensors.iter().copied().filter(fits).collect();
        self.random.choice(others)
    }

    fn concat(&mut self, x: TensorId, shape: &[usize]) {
        let by_channels = self.random.u8(..4) > 0;
        let mut operands = vec![x];
        for _ in 0..self.random.usize(..3) {
            operands.extend(self.like(x, by_channels));
        }
        let axis = if by_channels { shape.len() - 1 } else { 0 };
        let length: usize = operands.iter().map(|&operand| self.builder.shape(operand)[axis]).sum();
        let mut shape = shape.to_vec();
        shape[axis] = length;
        let alike = operands.iter().all(|&operand| self.builder.quantization(operand) == self.builder.quantization(x));
        if alike && shape.iter().product::<usize>() <= MOST_ELEMENTS && length <= 16 {
            let own = self.builder.quantization(x);
            self.push(NodeOp::Concat { axis }, &operands, &shape, own);
        }
    }

    fn slice(&mut self, x: TensorId, shape: &[usize]) {
        let (mut begin, mut stride, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let whole = self.one_in(5);
        for &length in shape {
            let first = if whole || self.random.bool() { 0 } else { self.random.usize(..length) };
            let step = if whole || !self.one_in(5) || length < 2 { 1 } else { 2 };
            let most = (length - first).div_ceil(step);
            begin.push(first);
            stride.push(step as isize);
            lengths.push(if whole { length } else { self.random.usize(1..=most) });
        }
        let own = self.builder.quantization(x);
        self.push(NodeOp::Slice { begin, stride }, &[x], &lengths, own);
    }

    fn transpose(&mut self, x: TensorId, shape: &[usize]) {
        let mut perm: Vec<usize> = (0..shape.len()).collect();
        self.random.shuffle(&mut perm);
        let turned: Vec<usize> = perm.iter().map(|&axis| shape[axis]).collect();
        let own = self.builder.quantization(x);
        let y = self.push(NodeOp::Transpose { perm: perm.clone() }, &[x], &turned, own);
        // Often back again, or into a fully connected node.
        match self.random.u8(..3) {
            0 => {
                let mut back = vec![0; perm.len()];
                perm.iter().enumerate().for_each(|(to, &from)| back[from] = to);
                self.push(NodeOp::Transpose { perm: back }, &[y], shape, own);
            }
            1 => {
                let flat = [1, shape.iter().product()];
                let flat_y = self.push(NodeOp::Reshape, &[y], &flat, own);
                self.fully_connected(flat_y, &flat);
            }
            _ => {}
        }
    }

    fn function(&mut self, x: TensorId, shape: &[usize]) {
        let own = self.builder.quantization(x);
        let quantization = if self.random.bool() { own } else { self.quantization() };
        let clamp = self.clamp(quantization);
        let op = match self.random.u8(..4) {
            0 => {
                let step = self.random.i32(1..4);
                let table = std::array::from_fn(|q| ((q as i32 - 128) / step).clamp(clamp.low, clamp.high) as i8);
                NodeOp::Lut { table: Box::new(table) }
            }
            1 => NodeOp::Lut { table: Box::new(std::array::from_fn(|_| self.random.i8(..))) },
            _ => NodeOp::Requantize { clamp },
        };
        self.push(op, &[x], shape, quantization);
    }

    /// The same node once more.
    fn again(&mut self) {
        let nodes = self.builder.graph.nodes.len();
        if nodes == 0 {
            return;
        }
        let node = self.builder.graph.nodes[self.random.usize(..nodes)].clone();
        let (shape, quantization) = (self.builder.shape(node.output), self.builder.quantization(node.output));
        self.push(node.op, &node.inputs, &shape, quantization);
    }

    fn reshape(&mut self, x: TensorId, shape: &[usize]) {
        let elements: usize = shape.iter().product();
        let own = self.builder.quantization(x);
        let shape = match self.random.u8(..3) {
            0 => vec![1, elements],
            1 if shape.len() == 4 => vec![shape[0], shape[1] * shape[2], shape[3]],
            _ => {
                let channels = (1..=8).rev().find(|c| elements.is_multiple_of(*c)).unwrap_or(1);
                vec![1, 1, elements / channels, channels]
            }
        };
        self.push(NodeOp::Reshape, &[x], &shape, own);
    }
}
