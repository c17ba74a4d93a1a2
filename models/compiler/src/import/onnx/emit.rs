//! Float operators that meet their QuantizeLinear: the integer nodes they become, in the layout they need.

use std::borrow::Cow;
use std::rc::Rc;

use super::builder::{NewQuant, long_axes, permute, stored_channels_last};
use super::constant::{Dequantized, transposed_indices};
use super::quantize::{clip, clipped};
use super::value::{Bias, Binary, Kind, LinearWeights, Move, Operand, Pending, Quant, Table, View};
use super::{Importer, QUANTIZE_ALL, Res};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{self, Clamp, NodeOp, Normalization, TensorId, Weights, Window};
use tanbo_format::ElementType;

/// A bias may move by this much of an output step when it is rounded to an integer: the share of
/// outputs that then differ from ONNX Runtime's is at most this.
const BIAS_TOLERANCE: f64 = 1.0 / 16384.0;
/// The same where the model states the bias in float: it is then no part of the quantization, and whoever quantizes it
/// rounds it to this unit. PyTorch's exports are of this kind.
const FLOAT_BIAS_TOLERANCE: f64 = 1.0 / 16.0;
/// Scales this near (a few units in the last place of float32) are the same.
const SAME_SCALE: f64 = 1.0 / (1u64 << 22) as f64;

/// A bias of int16 activations leaves as much of the accumulator's range to the products.
const MAX_WIDE_BIAS: f64 = (1u64 << 46) as f64;

impl Importer {
    /// Emits an operator and the moves behind it.
    pub(super) fn materialize_pending(
        &mut self,
        pending: &Pending,
        quant: Quant,
        name: &str,
        op_place: &str,
    ) -> Res<View> {
        let place = pending.place.as_str();
        let clamp = Clamp { low: quant.quantize(pending.low), high: quant.quantize(pending.high) };
        let out = NewQuant::Is(quant);
        let mut view = match &pending.kind {
            Kind::Conv { input, quant: from, window, groups, transposed, weights } => {
                let geometry = (*window, *groups, *transposed);
                self.spend(weights.data.len(), place)?;
                let weights = &with_positive_scales(weights, place)?;
                let bias = integer_bias(weights, *from, quant, place)?;
                let stored = self.builder.channels_last(input, place)?;
                let op = conv_op(weights, bias, &pending.result, input, geometry, clamp, place)?;
                let shape = stored_channels_last(&pending.result);
                let tensor = self.builder.node(place, name, op, vec![stored], shape, out)?;
                self.builder.seen_channels_first(tensor, &pending.result, place)?
            }
            Kind::Dense { input, quant: from, weights } => {
                self.spend(weights.data.len(), place)?;
                let weights = &with_positive_scales(weights, place)?;
                let bias = integer_bias(weights, *from, quant, place)?;
                self.dense(input, weights, bias, clamp, &pending.result, quant, name, place)?
            }
            Kind::Product { inputs } => self.matrix_product(inputs, clamp, &pending.result, quant, name, place)?,
            Kind::AveragePool { input, window, count_include_pad } => {
                let stored = self.builder.channels_last(input, place)?;
                let op = NodeOp::AveragePool2d { window: *window, clamp, count_include_pad: *count_include_pad };
                let shape = stored_channels_last(&pending.result);
                let tensor = self.builder.node(place, name, op, vec![stored], shape, out)?;
                self.builder.seen_channels_first(tensor, &pending.result, place)?
            }
            Kind::Mean { input, axes, keep, divide } => {
                let (tensor, axes, perm) = self.builder.reducible(input, axes, *keep, place)?;
                let op = if *divide { NodeOp::Mean { axes, clamp } } else { NodeOp::Sum { axes, clamp } };
                let tensor = self.builder.node(place, name, op, vec![tensor], permute(&pending.result, &perm), out)?;
                View::permuted(tensor, pending.result.clone(), perm)
            }
            Kind::Resize { input, quant: from, rows, columns } => {
                let input = self.builder.with_quant(input, *from, place)?;
                let stored = self.builder.channels_last(&input, place)?;
                let op = NodeOp::ResizeBilinear { rows: rows.clone(), columns: columns.clone(), clamp };
                let shape = stored_channels_last(&pending.result);
                let tensor = self.builder.node(place, name, op, vec![stored], shape, out)?;
                self.builder.seen_channels_first(tensor, &pending.result, place)?
            }
            Kind::PRelu { input, quant: from, slope } => {
                // One of the two parts is zero in every element and an addition of equal scales is exact: the sum is what
                // rounding the value or its product gives.
                let above = Table::dequantized(input.clone(), *from).map(|real| real.max(0.0));
                let above = self.materialize_table(&above, quant, &format!("{name}/above"), place)?;
                let below = Table::dequantized(input.clone(), *from).map(|real| real.min(0.0));
                let below = self.materialize_table(&below, *from, &format!("{name}/below"), place)?;
                let product = [Operand::Activation(below, *from), Operand::Constant(slope.clone())];
                let part = format!("{name}/scaled");
                let scaled = self.binary(Binary::Mul, &product, Clamp::INT8, &pending.result, quant, &part, place)?;
                let sum = [Operand::Activation(above, quant), Operand::Activation(scaled, quant)];
                self.binary(Binary::Add, &sum, clamp, &pending.result, quant, name, place)?
            }
            Kind::LayerNorm { input, quant: from, norm, axes } => {
                self.spend(norm.gamma.len(), place)?;
                let input = self.builder.with_quant(input, *from, place)?;
                let input = self.builder.unreshaped(&input, place)?;
                let rank = input.shape.len();
                let want: Vec<usize> = if *axes == 1 && input.perm.last() == Some(&(rank - 1)) {
                    input.perm.clone()
                } else {
                    (0..rank).collect()
                };
                let stored = self.builder.arrange(&input, &want, place)?;
                let shape = permute(&stored.core, &want);
                let tensor = self.builder.reshape(stored.tensor, shape.clone(), place)?;
                let op = NodeOp::LayerNorm { norm: Normalization::clone(norm), clamp };
                let tensor = self.builder.node(place, name, op, vec![tensor], shape, out)?;
                View::permuted(tensor, pending.result.clone(), want)
            }
            Kind::Recurrent { input, quant: from, layer } => {
                if pending.low != f32::NEG_INFINITY || pending.high != f32::INFINITY {
                    return Err(CompileError::new(
                        CompileErrorKind::Unsupported,
                        place,
                        "its result is limited before it is quantized, and so would be what it keeps",
                        QUANTIZE_ALL,
                    ));
                }
                self.recurrent_node(input, *from, layer, quant, name, place)?
            }
            Kind::Extremum { parts, greatest } => {
                let mut views = Vec::with_capacity(2);
                for (i, part) in parts.iter().enumerate() {
                    // Rounding keeps the order, and so do limits.
                    let part = clipped(part, pending.low, pending.high);
                    views.push(self.materialize(&part, quant, &format!("{name}/operand{i}"), place)?);
                }
                let op = if *greatest { NodeOp::Maximum } else { NodeOp::Minimum };
                self.combined(op, &views, &pending.result, quant, name, place)?
            }
            Kind::Binary { op, inputs } => self.binary(*op, inputs, clamp, &pending.result, quant, name, place)?,
            Kind::Softmax { input, axis } => {
                if pending.low > 0.0 || pending.high < 1.0 {
                    return Err(CompileError::new(
                        CompileErrorKind::Unsupported,
                        place,
                        "its result is clipped within 0 to 1 before it is quantized",
                        QUANTIZE_ALL,
                    ));
                }
                let input = self.builder.unreshaped(input, place)?;
                let want: Vec<usize> = if input.perm.last() == Some(axis) {
                    input.perm.clone()
                } else {
                    input.perm.iter().copied().filter(|p| p != axis).chain([*axis]).collect()
                };
                let stored = self.builder.arrange(&input, &want, place)?;
                let shape = permute(&stored.core, &want);
                let tensor = self.builder.reshape(stored.tensor, shape.clone(), place)?;
                let tensor = self.builder.node(place, name, NodeOp::Softmax { beta: 1.0 }, vec![tensor], shape, out)?;
                View::permuted(tensor, pending.result.clone(), want)
            }
            Kind::Concat { parts, axis } => {
                let mut views = Vec::with_capacity(parts.len());
                for (i, part) in parts.iter().enumerate() {
                    let part = clipped(part, pending.low, pending.high);
                    views.push(self.materialize(&part, quant, &format!("{name}/part{i}"), place)?);
                }
                self.builder.concat(name, &views, *axis, place)?
            }
            Kind::Table(table) => {
                let table = table.map(|real| clip(real, pending.low, pending.high));
                self.materialize_table(&table, quant, name, place)?
            }
        };
        for step in &pending.moves {
            view = self.builder.apply(&view, step, op_place)?;
        }
        Ok(view)
    }

    /// Emits a matrix product. The columns of the weights follow the stored order of an input that
    /// is flattened, so that it need not be transposed.
    #[expect(clippy::too_many_arguments, reason = "the parts of one node")]
    fn dense(
        &mut self,
        input: &View,
        weights: &LinearWeights,
        bias: graph::Bias,
        clamp: Clamp,
        result: &[usize],
        quant: Quant,
        name: &str,
        place: &str,
    ) -> Res<View> {
        let mut data = Vec::clone(&weights.data);
        let flattened = match (input.shape.as_slice(), input.core.as_slice()) {
            ([n, k], [first, rest @ ..]) if input.core != input.shape => {
                n == first && rest.iter().product::<usize>() == *k && input.perm.first() == Some(&0)
            }
            _ => false,
        };
        let (tensor, perm) = if flattened {
            let core: Vec<usize> = input.core.iter().skip(1).copied().collect();
            let perm: Vec<usize> = input.perm.iter().skip(1).filter_map(|p| p.checked_sub(1)).collect();
            if let (Some((_, columns)), Some(&k)) = (transposed_indices(&core, &perm), input.shape.last()) {
                data = weights
                    .data
                    .chunks(k.max(1))
                    .flat_map(|row| columns.iter().filter_map(|&c| row.get(c).copied()))
                    .collect();
            }
            (self.builder.reshape(input.tensor, input.shape.clone(), place)?, vec![0, 1])
        } else {
            let view = self.builder.unreshaped(input, place)?;
            let last = view.shape.len().saturating_sub(1);
            let want: Vec<usize> =
                if view.perm.last() == Some(&last) { view.perm.clone() } else { (0..=last).collect() };
            let stored = self.builder.arrange(&view, &want, place)?;
            (self.builder.reshape(stored.tensor, permute(&view.core, &want), place)?, want)
        };
        let weights = Weights { data, scales: weights.scales.clone(), bias, four_bits: weights.four_bits };
        let op = NodeOp::FullyConnected { weights, clamp };
        let tensor = self.builder.node(place, name, op, vec![tensor], permute(result, &perm), NewQuant::Is(quant))?;
        Ok(View::permuted(tensor, result.to_vec(), perm))
    }

    /// Emits a sum, difference or product in the layout of its larger activation.
    #[expect(clippy::too_many_arguments, reason = "the parts of one node")]
    fn binary(
        &mut self,
        op: Binary,
        inputs: &[Operand; 2],
        clamp: Clamp,
        result: &[usize],
        quant: Quant,
        name: &str,
        place: &str,
    ) -> Res<View> {
        let size = |operand: &Operand| match operand {
            Operand::Activation(view, _) => view.shape.iter().product::<usize>(),
            Operand::Constant(_) => 0,
        };
        let [a, b] = inputs;
        let ((Operand::Activation(view, _), _) | (_, Operand::Activation(view, _))) =
            (if size(a) >= size(b) { (a, b) } else { (b, a) })
        else {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                place,
                "both operands are constants",
                "fold constants before quantizing (onnxruntime.quantization.shape_inference.quant_pre_process)",
            ));
        };
        let reference = self.full_rank(view, result.len(), place)?;
        let mut tensors = Vec::with_capacity(2);
        for (i, operand) in inputs.iter().enumerate() {
            tensors.push(match operand {
                Operand::Activation(view, quant) => {
                    let view = self.builder.with_quant(view, *quant, place)?;
                    let view = self.full_rank(&view, result.len(), place)?;
                    let stored = self.builder.arrange(&view, &reference.perm, place)?;
                    self.builder.reshape(stored.tensor, permute(&view.core, &reference.perm), place)?
                }
                Operand::Constant(constant) => {
                    self.operand_constant(constant, &reference.perm, quant.ty, &format!("{name}/operand{i}"), place)?
                }
            });
        }
        let op = match op {
            Binary::Add => NodeOp::Add { clamp },
            Binary::Sub => NodeOp::Sub { clamp },
            Binary::Mul => NodeOp::Mul { clamp },
            Binary::Div => NodeOp::Div { clamp },
        };
        let shape = permute(result, &reference.perm);
        let tensor = self.builder.node(place, name, op, tensors, shape, NewQuant::Is(quant))?;
        Ok(View::permuted(tensor, result.to_vec(), reference.perm))
    }

    /// Returns a constant operand as a tensor whose axes, made as many as `perm` has by ones, are in the order `perm`.
    /// Beside int16 activations it is int16 as well, less its zero point.
    fn operand_constant(
        &mut self,
        constant: &Dequantized,
        perm: &[usize],
        ty: ElementType,
        name: &str,
        place: &str,
    ) -> Res<TensorId> {
        self.spend(constant.centered.len(), place)?;
        let refuse =
            |reason: &str, remedy: &str| Err(CompileError::new(CompileErrorKind::Unsupported, place, reason, remedy));
        let ones = perm.len().saturating_sub(constant.shape.len());
        let full: Vec<usize> = std::iter::repeat_n(1, ones).chain(constant.shape.iter().copied()).collect();
        let stored = constant.reshaped(full).and_then(|c| c.transposed(perm));
        let ([scale], Some(stored)) = (constant.scales.as_slice(), stored) else {
            return refuse("its constant operand is quantized per channel", "quantize it per tensor");
        };
        let zero_point = if ty == ElementType::I16 { 0 } else { constant.zero_point };
        let quant = Quant { scale: *scale, zero_point, ty };
        let integers = stored.centered.iter().map(|&c| c + zero_point);
        if integers.clone().any(|q| !quant.integers().contains(&q)) {
            return refuse("its constant operand does not fit its activation's type", "quantize it so, per tensor");
        }
        self.builder.constant(name, stored.shape, quant, quant.bytes(integers), place)
    }

    /// Emits a product of two stacks of matrices, stored as the source sees it. An operand that is stored with rows and
    /// columns exchanged is read so.
    fn matrix_product(
        &mut self,
        inputs: &[Operand; 2],
        clamp: Clamp,
        result: &[usize],
        quant: Quant,
        name: &str,
        place: &str,
    ) -> Res<View> {
        let (mut tensors, mut transposed) = (Vec::with_capacity(2), [false; 2]);
        for (i, (operand, transposed)) in inputs.iter().zip(&mut transposed).enumerate() {
            tensors.push(match operand {
                Operand::Activation(view, quant) => {
                    let view = self.builder.with_quant(view, *quant, place)?;
                    let view = self.builder.unreshaped(&view, place)?;
                    let plain: Vec<usize> = (0..view.shape.len()).collect();
                    let mut exchanged = plain.clone();
                    if let Some((_, matrix)) = exchanged.split_last_chunk_mut::<2>() {
                        matrix.reverse();
                    }
                    let stored = long_axes(&view.core, &view.perm);
                    *transposed =
                        stored != long_axes(&view.core, &plain) && stored == long_axes(&view.core, &exchanged);
                    let want = if *transposed { exchanged } else { plain };
                    let stored = self.builder.arrange(&view, &want, place)?;
                    self.builder.reshape(stored.tensor, permute(&view.core, &want), place)?
                }
                Operand::Constant(constant) => {
                    let plain: Vec<usize> = (0..constant.shape.len()).collect();
                    self.operand_constant(constant, &plain, quant.ty, &format!("{name}/operand{i}"), place)?
                }
            });
        }
        let op = NodeOp::BatchMatmul { transposed, clamp };
        let tensor = self.builder.node(place, name, op, tensors, result.to_vec(), NewQuant::Is(quant))?;
        Ok(View::plain(tensor, result.to_vec()))
    }

    /// Emits an operator of two views in the layout of the larger one.
    fn combined(
        &mut self,
        op: NodeOp,
        views: &[View],
        result: &[usize],
        quant: Quant,
        name: &str,
        place: &str,
    ) -> Res<View> {
        let larger = views.iter().max_by_key(|view| view.shape.iter().product::<usize>());
        let Some(larger) = larger else {
            return Err(CompileError::new(CompileErrorKind::Malformed, place, "no inputs", "remove the node"));
        };
        let reference = self.full_rank(larger, result.len(), place)?;
        let mut tensors = Vec::with_capacity(views.len());
        for view in views {
            let view = self.full_rank(view, result.len(), place)?;
            let stored = self.builder.arrange(&view, &reference.perm, place)?;
            tensors.push(self.builder.reshape(stored.tensor, permute(&view.core, &reference.perm), place)?);
        }
        let shape = permute(result, &reference.perm);
        let tensor = self.builder.node(place, name, op, tensors, shape, NewQuant::Is(quant))?;
        Ok(View::permuted(tensor, result.to_vec(), reference.perm))
    }

    fn full_rank(&mut self, view: &View, rank: usize, place: &str) -> Res<View> {
        let view = self.builder.unreshaped(view, place)?;
        let ones = rank.saturating_sub(view.shape.len());
        let shape: Vec<usize> = std::iter::repeat_n(1, ones).chain(view.shape.iter().copied()).collect();
        self.builder.apply(&view, &Move::Reshape(shape), place)
    }
}

/// Returns the convolution as a node: depthwise where each group has one input channel.
fn conv_op(
    weights: &LinearWeights,
    bias: graph::Bias,
    result: &[usize],
    input: &View,
    (window, groups, transposed): (Window, usize, bool),
    clamp: Clamp,
    place: &str,
) -> Res<NodeOp> {
    let [kh, kw] = window.kernel;
    let out_channels = result.get(1).copied().unwrap_or(0);
    let in_channels = input.shape.get(1).copied().unwrap_or(0);
    let depthwise = groups == in_channels && groups > 1 && !transposed;
    let (shape, perm) = if depthwise {
        (vec![out_channels, kh, kw], [1, 2, 0].as_slice())
    } else {
        (vec![out_channels, in_channels / groups.max(1), kh, kw], [0, 2, 3, 1].as_slice())
    };
    let data: Option<Vec<i8>> = transposed_indices(&shape, perm)
        .and_then(|(_, indices)| indices.iter().map(|&i| weights.data.get(i).copied()).collect());
    let data = data.filter(|data| data.len() == weights.data.len()).ok_or_else(|| {
        CompileError::new(
            CompileErrorKind::Inconsistent,
            place,
            "its weights do not fit its shape",
            "check the model with onnx.checker.check_model(model, full_check=True)",
        )
    })?;
    let weights = Weights { data, scales: weights.scales.clone(), bias, four_bits: weights.four_bits };
    Ok(if transposed {
        NodeOp::TransposeConv2d { window, groups, weights, clamp }
    } else if depthwise {
        NodeOp::DepthwiseConv2d { window, weights, clamp }
    } else {
        NodeOp::Conv2d { window, groups, weights, clamp }
    })
}

/// Returns weights of which each channel with a negative scale has changed its signs.
fn with_positive_scales<'a>(weights: &'a LinearWeights, place: &str) -> Res<Cow<'a, LinearWeights>> {
    if weights.scales.iter().all(|&scale| scale > 0.0) {
        return Ok(Cow::Borrowed(weights));
    }
    let mut data = Vec::clone(&weights.data);
    let each = (data.len() / weights.scales.len().max(1)).max(1);
    for (channel, &scale) in data.chunks_mut(each).zip(&weights.scales) {
        if scale < 0.0 {
            for weight in channel {
                *weight = weight.checked_neg().ok_or_else(|| {
                    CompileError::new(
                        CompileErrorKind::Unsupported,
                        place,
                        "a weight of -128 is multiplied by a negative constant: it does not fit int8",
                        "fold the constant into the weights before quantizing",
                    )
                })?;
            }
        }
    }
    let scales = weights.scales.iter().map(|scale| scale.abs()).collect();
    // -8 becomes 8.
    let four_bits = weights.four_bits && data.iter().all(|weight| (-8..=7).contains(weight));
    Ok(Cow::Owned(LinearWeights { data: Rc::new(data), scales, bias: weights.bias.clone(), four_bits }))
}

/// Returns the bias as integers at scale input · weight.
///
/// ONNX Runtime adds the real bias in float. An integer bias of just that scale is that sum; any other
/// is rounded, and refused if the rounding could show.
fn integer_bias(weights: &LinearWeights, from: Quant, to: Quant, place: &str) -> Res<graph::Bias> {
    let channels = weights.scales.len();
    let wide = from.ty == ElementType::I16;
    let (most, bits) = if wide { (MAX_WIDE_BIAS, 46) } else { (f64::from(i32::MAX), 32) };
    let finish = |values: Vec<i64>| match wide {
        true => graph::Bias::I64(values),
        false => graph::Bias::I32(values.into_iter().map(|value| value as i32).collect()),
    };
    let Some(bias) = &weights.bias else { return Ok(finish(vec![0; channels])) };
    let mut out = Vec::with_capacity(channels);
    for (channel, &scale) in weights.scales.iter().enumerate() {
        let unit = f64::from(from.scale) * f64::from(scale);
        let exact = match bias {
            Bias::Quantized { integers, scales } => {
                let one = integers.get(channel).or(integers.first()).copied().unwrap_or(0);
                let bias_scale = f64::from(scales.get(channel).or(scales.first()).copied().unwrap_or(0.0));
                let ratio = bias_scale / unit;
                if (ratio - 1.0).abs() <= SAME_SCALE { f64::from(one) } else { f64::from(one) * ratio }
            }
            Bias::Real(reals) | Bias::Float(reals) => reals.get(channel).copied().unwrap_or(0.0) / unit,
        };
        let rounded = exact.round_ties_even();
        let tolerance = if matches!(bias, Bias::Float(_)) { FLOAT_BIAS_TOLERANCE } else { BIAS_TOLERANCE };
        if (exact - rounded).abs() * unit / f64::from(to.scale) > tolerance {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                place,
                format!("the bias of channel {channel} is no integer at the scale input · weight ({unit:e})"),
                "quantize the bias to int32 at that scale (quantize_static does, with extra option QuantizeBias on)",
            ));
        }
        if rounded.abs() > most {
            return Err(CompileError::new(
                CompileErrorKind::TooLarge,
                place,
                format!(
                    "the bias of channel {channel} does not fit {bits} bits at the scale input · weight ({unit:e})"
                ),
                "quantize again with a current ONNX Runtime, which adjusts the weight scales of such channels",
            ));
        }
        out.push(rounded as i64);
    }
    Ok(finish(out))
}
