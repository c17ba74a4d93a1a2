//! Graphs of windows of a signal: random ones for streaming, and a detector of one keyword.

use tanbo_quant::Rounding;

use super::builder::{Builder, Quantization, weights};
use crate::graph::{Clamp, Graph, NodeOp, TensorId, Weights, Window};

const QUANTIZATIONS: [Quantization; 3] = [(0.05, -128), (0.0625, 3), (0.04, -20)];
/// Fine enough that a wrong row is seen behind a mean.
const SCORE: Quantization = (0.02, 0);

/// Returns a random graph of one input, time x 1 x channels or time x features x channels, and the hop that it is to be streamed
/// with. Time is an axis of its own, or flattened with the features.
pub fn temporal(random: &mut fastrand::Rng) -> (Graph, usize) {
    let rounding = if random.bool() { Rounding::Single } else { Rounding::Tflite };
    let builder = Builder::new("temporal", rounding);
    let rows = random.usize(6..40);
    let (features, channels) = if random.bool() { (1, random.usize(1..6)) } else { (random.usize(2..7), 1) };
    let hop = [1, 2, 3, 4, 6][random.usize(..5)].min(rows - 1);
    let padded = random.u8(..3);
    let mut net = Net { builder, random, count: 0, padded, rounding };
    let input = net.quantization();
    let flat = net.one_in(4);
    let image = [1, rows, features, channels];
    let mut x = if flat {
        let x = net.builder.input("x", &[1, rows * features * channels], input);
        net.push(NodeOp::Reshape, &[x], &image, input)
    } else {
        net.builder.input("x", &image, input)
    };
    let mut earlier = vec![x];
    for _ in 0..net.random.usize(2..8) {
        x = net.layer(x, &earlier);
        earlier.push(x);
    }
    let y = net.head(x);
    net.builder.output(y);
    if net.one_in(5) {
        // Rows of an intermediate tensor are an output too.
        let tensor = net.random.choice(&earlier).copied().unwrap_or(x);
        if net.builder.graph.nodes.iter().any(|node| node.output == tensor && !matches!(node.op, NodeOp::Reshape)) {
            net.builder.output(tensor);
        }
    }
    (net.builder.finish(), hop)
}

/// Returns a detector of one keyword: 1-D convolutions without padding over `windows` spectra, as many layers as leave a row or two
/// of context, then their mean and one score.
pub fn wake_word(windows: usize, random: &mut fastrand::Rng) -> Graph {
    let builder = Builder::new("wake word", Rounding::Single);
    let mut net = Net { builder, random, count: 0, padded: 0, rounding: Rounding::Single };
    let mut x = net.builder.input("spectra", &[1, windows, 1, 40], (0.1, -128));
    // Separable layers: along time, then across channels.
    for (taps, outputs) in [(5, 48), (5, 48), (7, 64), (9, 64)] {
        let [_, rows, _, channels] = net.image(x);
        let window = Window { kernel: [taps, 1], stride: [1, 1], dilation: [1; 2], pad: [0; 2] };
        let op = NodeOp::DepthwiseConv2d { window, weights: net.weights(channels, taps), clamp: Clamp::INT8 };
        let left = rows + 1 - taps;
        x = net.push(op, &[x], &[1, left, 1, channels], (0.05, -10));
        let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1; 2], pad: [0; 2] };
        let op = NodeOp::Conv2d { window, groups: 1, weights: net.weights(outputs, channels), clamp: Clamp::INT8 };
        x = net.push(op, &[x], &[1, left, 1, outputs], (0.05, -128));
    }
    let y = net.mean(x);
    let [_, _, _, channels] = net.image(y);
    let flat = net.push(NodeOp::Reshape, &[y], &[1, channels], (0.05, -128));
    let op = NodeOp::FullyConnected { weights: net.weights(1, channels), clamp: Clamp::INT8 };
    let y = net.push(op, &[flat], &[1, 1], SCORE);
    net.builder.output(y);
    net.builder.finish()
}

struct Net<'r> {
    builder: Builder,
    random: &'r mut fastrand::Rng,
    count: usize,
    /// 0: no padding in time; 1: now and then; 2: mostly.
    padded: u8,
    rounding: Rounding,
}

impl Net<'_> {
    fn one_in(&mut self, n: u8) -> bool {
        self.random.u8(..n) == 0
    }

    fn quantization(&mut self) -> Quantization {
        QUANTIZATIONS[self.random.usize(..QUANTIZATIONS.len())]
    }

    fn image(&self, x: TensorId) -> [usize; 4] {
        self.builder.shape(x).try_into().unwrap_or([1; 4])
    }

    fn push(&mut self, op: NodeOp, inputs: &[TensorId], shape: &[usize], quantization: Quantization) -> TensorId {
        self.count += 1;
        self.builder.node(&format!("n{}", self.count), op, inputs, shape, quantization)
    }

    fn weights(&mut self, outputs: usize, per_output: usize) -> Weights {
        let data: Vec<i8> = (0..outputs * per_output).map(|_| self.random.i8(-127..)).collect();
        let bias: Vec<i32> = (0..outputs).map(|_| self.random.i32(-4000..4000)).collect();
        // Outputs spread over the whole range: a wrong row is seen.
        let scale = 0.02 / (per_output as f32).sqrt();
        let scales: Vec<f32> = (0..outputs).map(|_| scale * (0.5 + self.random.f32())).collect();
        weights(&data, &bias, &scales)
    }

    /// Kernel, stride, dilation and padding along time and features, and the rows and columns that they give.
    fn window(&mut self, image: [usize; 4], dilated: bool) -> Option<(Window, [usize; 2])> {
        let kernel = [self.random.usize(1..6), self.random.usize(1..4).min(image[2])];
        let stride = [if self.one_in(4) { 2 } else { 1 }, self.random.usize(1..3)];
        let dilation = [if dilated && self.one_in(4) { 2 } else { 1 }, 1];
        let (mut pad, mut outputs) = ([0; 2], [0; 2]);
        for axis in 0..2 {
            let span = (kernel[axis] - 1) * dilation[axis] + 1;
            let inputs = image[axis + 1];
            let padded = if axis == 1 { self.random.bool() } else { self.random.u8(..3) < self.padded };
            if padded {
                outputs[axis] = inputs.div_ceil(stride[axis]);
                let total = ((outputs[axis] - 1) * stride[axis] + span).saturating_sub(inputs);
                // All of it before: causal.
                pad[axis] = if self.one_in(4) { total } else { total / 2 };
            } else {
                outputs[axis] = inputs.checked_sub(span)? / stride[axis] + 1;
            }
        }
        Some((Window { kernel, stride, dilation, pad }, outputs))
    }

    /// Returns a tensor that a layer computes of `x`, or `x` if the layer does not fit.
    fn layer(&mut self, x: TensorId, earlier: &[TensorId]) -> TensorId {
        let image = self.image(x);
        let [n, rows, columns, channels] = image;
        let own = self.builder.quantization(x);
        let quantization = self.quantization();
        match self.random.u8(..16) {
            0..=4 => {
                let Some((window, [h, w])) = self.window(image, true) else { return x };
                let outputs = self.random.usize(1..8);
                let weights = self.weights(outputs, window.kernel.iter().product::<usize>() * channels);
                let op = NodeOp::Conv2d { window, groups: 1, weights, clamp: Clamp::INT8 };
                self.push(op, &[x], &[n, h, w, outputs], quantization)
            }
            5..=7 => {
                let Some((window, [h, w])) = self.window(image, true) else { return x };
                let weights = self.weights(channels, window.kernel.iter().product());
                let op = NodeOp::DepthwiseConv2d { window, weights, clamp: Clamp::INT8 };
                self.push(op, &[x], &[n, h, w, channels], quantization)
            }
            8 => {
                let Some((window, [h, w])) = self.window(image, false) else { return x };
                let shape = [n, h, w, channels];
                if self.random.bool() {
                    return self.push(NodeOp::MaxPool2d { window, clamp: Clamp::INT8 }, &[x], &shape, own);
                }
                let single = self.rounding == Rounding::Single;
                let count_include_pad = single && self.random.bool();
                let op = NodeOp::AveragePool2d { window, clamp: Clamp::INT8, count_include_pad };
                self.push(op, &[x], &shape, own)
            }
            9..=10 => {
                // With an earlier tensor, the rows that both have: those of the longer one that lie in its middle.
                let others: Vec<TensorId> = (earlier.iter().copied())
                    .filter(|&other| {
                        let [_, h, w, c] = self.image(other);
                        (w, c) == (columns, channels) && h >= rows
                    })
                    .collect();
                let Some(other) = self.random.choice(others) else { return x };
                let cut = self.cut(other, rows);
                let operands = if self.random.bool() { [x, cut] } else { [cut, x] };
                if self.builder.quantization(cut) == own && self.random.bool() {
                    let shape = [n, rows, columns, 2 * channels];
                    return self.push(NodeOp::Concat { axis: 3 }, &operands, &shape, own);
                }
                self.push(NodeOp::Add { clamp: Clamp::INT8 }, &operands, &image, quantization)
            }
            11 => {
                let before = vec![0, self.random.usize(..3), self.random.usize(..2), 0];
                let after = self.random.usize(..3);
                if self.padded == 0 {
                    return x;
                }
                let shape = [n, rows + before[1] + after, columns + before[2], channels];
                self.push(NodeOp::Pad { before, value: own.1 }, &[x], &shape, own)
            }
            12 => {
                let table = std::array::from_fn(|_| self.random.i8(..));
                self.push(NodeOp::Lut { table: Box::new(table) }, &[x], &image, quantization)
            }
            13 => {
                let data: Vec<i8> = (0..channels).map(|_| self.random.i8(..)).collect();
                let name = format!("c{}", self.count);
                let constant = self.builder.constant(&name, &[channels], quantization, &data);
                self.push(NodeOp::Mul { clamp: Clamp::INT8 }, &[x, constant], &image, quantization)
            }
            14 => {
                // Time to another axis and back.
                let turned =
                    self.push(NodeOp::Transpose { perm: vec![0, 3, 1, 2] }, &[x], &[n, channels, rows, columns], own);
                let table = std::array::from_fn(|_| self.random.i8(..));
                let op = NodeOp::Lut { table: Box::new(table) };
                let y = self.push(op, &[turned], &[n, channels, rows, columns], own);
                self.push(NodeOp::Transpose { perm: vec![0, 2, 3, 1] }, &[y], &image, own)
            }
            _ => {
                let outputs = self.random.usize(1..8);
                let weights = self.weights(outputs, channels);
                let op = NodeOp::FullyConnected { weights, clamp: Clamp::INT8 };
                self.push(op, &[x], &[n, rows, columns, outputs], quantization)
            }
        }
    }

    /// Returns `rows` rows of `x`, from its middle or its end.
    fn cut(&mut self, x: TensorId, rows: usize) -> TensorId {
        let [n, length, columns, channels] = self.image(x);
        if length == rows {
            return x;
        }
        let first = if self.random.bool() { (length - rows) / 2 } else { length - rows };
        let op = NodeOp::Slice { begin: vec![0, first, 0, 0], stride: vec![1; 4] };
        let own = self.builder.quantization(x);
        self.push(op, &[x], &[n, rows, columns, channels], own)
    }

    fn mean(&mut self, x: TensorId) -> TensorId {
        let [n, _, _, channels] = self.image(x);
        let quantization = self.builder.quantization(x);
        self.push(NodeOp::Mean { axes: vec![1, 2], clamp: Clamp::INT8 }, &[x], &[n, 1, 1, channels], quantization)
    }

    /// What makes a score of rows: their mean, all of them, the last one, or nothing: every row is an output.
    fn head(&mut self, x: TensorId) -> TensorId {
        let image = self.image(x);
        let [n, rows, columns, channels] = image;
        let own = self.builder.quantization(x);
        let (flat, length) = match self.random.u8(..5) {
            0 | 1 => (self.mean(x), channels),
            2 => (x, rows * columns * channels),
            3 => {
                let op = NodeOp::Slice { begin: vec![0, rows - 1, 0, 0], stride: vec![1; 4] };
                (self.push(op, &[x], &[n, 1, columns, channels], own), columns * channels)
            }
            _ => return self.push(NodeOp::Softmax { beta: 1.0 }, &[x], &image, (1.0 / 256.0, -128)),
        };
        let flat = self.push(NodeOp::Reshape, &[flat], &[1, length], own);
        let outputs = self.random.usize(1..5);
        let op = NodeOp::FullyConnected { weights: self.weights(outputs, length), clamp: Clamp::INT8 };
        self.push(op, &[flat], &[1, outputs], SCORE)
    }
}
