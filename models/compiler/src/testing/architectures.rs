//! Architectures whose costs are known in closed form.

use tanbo_quant::Rounding;

use super::builder::{Builder, Quantization, weights};
use crate::graph::{Clamp, Graph, NodeOp, TensorId, Window};

/// Input and activations: [-1, 1) and [0, 6).
const INPUT: Quantization = (1.0 / 128.0, -1);
const RELU6: Quantization = (6.0 / 255.0, -128);

/// A MobileNet v1 and what it costs without the channels that were planted dead.
#[derive(Clone, Debug)]
pub struct MobileNet {
    /// The graph.
    pub graph: Graph,
    /// Multiply-accumulates without the dead channels, padding taps counted.
    pub live_macs: u64,
    /// Bytes of weights and biases without the dead channels.
    pub live_weights_bytes: u64,
    /// Number of channels that can go: pairs of a pointwise and the depthwise channel after it count as two.
    pub dead_channels: u64,
}

/// Returns a MobileNet v1 of width 1/4 with SAME padding and ReLU6 everywhere, `size` pixels high and wide, in whose blocks
/// about `dead` of 256 channels never leave zero: their bias lies below what the weights can make up for, in the
/// convolution, in the depthwise one after it, or in both.
pub fn mobilenet(size: usize, dead: u8, rounding: Rounding, random: &mut fastrand::Rng) -> MobileNet {
    let blocks = [(1, 16), (2, 32), (1, 32), (2, 64), (1, 64), (2, 128)];
    let blocks = blocks.into_iter().chain([(1, 128); 5]).chain([(2, 256), (1, 256)]);
    let mut net = Net { builder: Builder::new("mobilenet", rounding), random, macs: 0, bytes: 0, gone: 0 };
    let mut x = net.builder.input("image", &[1, size, size, 3], INPUT);
    // What reads the channels of `x`: the dead ones among them cost nothing.
    let mut live = vec![true; 3];
    let (mut name, mut kernel, mut stride, mut outputs) = ("first".to_string(), 3, 2, 8);
    for (number, (next_stride, next_outputs)) in blocks.enumerate() {
        // One stays, for the next layer to read.
        let dead: Vec<bool> = (0..outputs).map(|output| output > 0 && net.random.u8(..) < dead).collect();
        let before = net.random.u8(..3);
        // Dead where it is computed, where it is smoothed, or in both places.
        let (first, second) = (before != 1, before != 0);
        let alive: Vec<bool> = dead.iter().map(|&dead| !dead).collect();
        x = net.conv(&name, x, kernel, stride, &live, &alive, first);
        x = net.depthwise(&format!("depthwise {number}"), x, next_stride, &alive, second);
        live = alive;
        (name, kernel, stride, outputs) = (format!("pointwise {number}"), 1, 1, next_outputs);
    }
    let all = vec![true; outputs];
    x = net.conv(&name, x, 1, 1, &live, &all, false);
    let shape = net.builder.shape(x);
    let mean = NodeOp::AveragePool2d {
        window: Window { kernel: [shape[1], shape[2]], stride: [1; 2], dilation: [1; 2], pad: [0; 2] },
        clamp: Clamp::INT8,
        count_include_pad: false,
    };
    x = net.builder.node("mean", mean, &[x], &[1, 1, 1, outputs], RELU6);
    x = net.builder.node("flat", NodeOp::Reshape, &[x], &[1, outputs], RELU6);
    let data: Vec<i8> = (0..2 * outputs).map(|_| net.random.i8(-127..)).collect();
    let op = NodeOp::FullyConnected { weights: weights(&data, &[100, -100], &[0.01]), clamp: Clamp::INT8 };
    x = net.builder.node("classes", op, &[x], &[1, 2], (0.1, 0));
    net.count(2 * outputs, 2 * outputs, 2);
    net.builder.output(x);
    let Net { builder, macs, bytes, gone, .. } = net;
    MobileNet { graph: builder.finish(), live_macs: macs, live_weights_bytes: bytes, dead_channels: gone }
}

struct Net<'r> {
    builder: Builder,
    random: &'r mut fastrand::Rng,
    macs: u64,
    bytes: u64,
    gone: u64,
}

impl Net<'_> {
    fn count(&mut self, macs: usize, weights: usize, outputs: usize) {
        self.macs += macs as u64;
        self.bytes += (weights + 4 * outputs) as u64;
    }

    /// Half the padding before, as TensorFlow Lite has it.
    fn window(kernel: usize, stride: usize, inputs: usize) -> (Window, usize) {
        let outputs = inputs.div_ceil(stride);
        let total = ((outputs - 1) * stride + kernel).saturating_sub(inputs);
        let window = Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pad: [total / 2; 2] };
        (window, outputs)
    }

    /// Biases far below zero for the channels that are to be dead.
    fn bias(&mut self, alive: &[bool], plant: bool) -> Vec<i32> {
        let dead = |alive: bool| plant && !alive;
        alive.iter().map(|&alive| if dead(alive) { -(1 << 29) } else { self.random.i32(-500..2000) }).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "a convolution with what is known of its channels")]
    fn conv(
        &mut self,
        name: &str,
        x: TensorId,
        kernel: usize,
        stride: usize,
        live: &[bool],
        alive: &[bool],
        plant: bool,
    ) -> TensorId {
        let (size, inputs, outputs) = (self.builder.shape(x)[1], live.len(), alive.len());
        let (window, out) = Self::window(kernel, stride, size);
        let mut data: Vec<i8> = (0..outputs * kernel * kernel * inputs).map(|_| self.random.i8(-127..)).collect();
        // The middle tap of a channel that is read is positive: no other channel is dead by chance.
        let first = live.iter().position(|&live| live).unwrap_or(0);
        let middle = kernel * kernel / 2 * inputs + first;
        data.iter_mut().skip(middle).step_by(kernel * kernel * inputs).for_each(|weight| *weight = 100);
        let bias = self.bias(alive, plant);
        let scales = vec![0.0008; outputs];
        let op = NodeOp::Conv2d { window, groups: 1, weights: weights(&data, &bias, &scales), clamp: Clamp::INT8 };
        let [left, kept] = [live, alive].map(|flags| flags.iter().filter(|&&flag| flag).count());
        self.count(out * out * kept * kernel * kernel * left, kept * kernel * kernel * left, kept);
        self.gone += (outputs - kept) as u64;
        self.builder.node(name, op, &[x], &[1, out, out, outputs], RELU6)
    }

    fn depthwise(&mut self, name: &str, x: TensorId, stride: usize, alive: &[bool], plant: bool) -> TensorId {
        let (size, channels) = (self.builder.shape(x)[1], alive.len());
        let (window, out) = Self::window(3, stride, size);
        let mut data: Vec<i8> = (0..9 * channels).map(|_| self.random.i8(-127..)).collect();
        data.iter_mut().skip(4 * channels).take(channels).for_each(|weight| *weight = 100);
        let bias = self.bias(alive, plant);
        let scales = vec![0.004; channels];
        let op = NodeOp::DepthwiseConv2d { window, weights: weights(&data, &bias, &scales), clamp: Clamp::INT8 };
        let kept = alive.iter().filter(|&&flag| flag).count();
        self.count(out * out * kept * 9, kept * 9, kept);
        self.gone += (channels - kept) as u64;
        self.builder.node(name, op, &[x], &[1, out, out, channels], RELU6)
    }
}
