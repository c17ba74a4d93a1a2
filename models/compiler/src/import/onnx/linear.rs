//! Conv, Gemm, MatMul, and the bias an Add brings.

use std::rc::Rc;

use super::constant::{Data, Dequantized, transposed_indices};
use super::pool::{Geometry, spatial_window};
use super::proto::Op;
use super::value::{Bias, Kind, LinearWeights, Pending, Value, View};
use super::{Importer, QUANTIZE_ALL, Res};

impl Importer {
    pub(super) fn conv(&mut self, op: &Op) -> Res<Value> {
        let (input, quant) = self.activation(op, 0)?;
        let weights = self.weights(op, 1)?;
        let shape = input.shape.clone();
        let (&[batch, channels, ref spatial @ ..], &[out_channels, group_channels, ref kernel @ ..]) =
            (shape.as_slice(), weights.shape.as_slice())
        else {
            return Err(op.inconsistent("its input or weights have fewer than two axes"));
        };
        if spatial.len() != kernel.len() || spatial.is_empty() {
            return Err(op.inconsistent(format!(
                "an input of {} axes and weights of {}",
                shape.len(),
                weights.shape.len()
            )));
        }
        if spatial.len() > 2 {
            return Err(
                op.unsupported("it has more than two spatial axes", "use a one- or two-dimensional convolution")
            );
        }
        if op
            .ints("kernel_shape")?
            .is_some_and(|k| !k.iter().eq(kernel.iter().map(|&k| k as i64).collect::<Vec<_>>().iter()))
        {
            return Err(op.inconsistent("kernel_shape is not that of its weights"));
        }
        let groups = usize::try_from(op.int("group", 1)?).unwrap_or(0);
        if groups == 0 || group_channels.checked_mul(groups) != Some(channels) || out_channels % groups != 0 {
            return Err(op.inconsistent(format!(
                "{channels} channels in, {out_channels} out, {group_channels} per group, {groups} groups"
            )));
        }
        let geometry: Geometry = spatial_window(op, spatial, kernel, false)?;
        let (data, scales) = self.int8_weights(op, &weights, 0, out_channels)?;
        let bias = self.bias(op, 2, out_channels, 1.0)?;
        let result: Vec<usize> = [batch, out_channels].into_iter().chain(geometry.out).collect();
        let weights = LinearWeights { data: Rc::new(data), scales, bias, four_bits: weights.four_bits };
        let kind = Kind::Conv { input, quant, window: geometry.window, groups, transposed: false, weights };
        self.pending(op, kind, result)
    }

    pub(super) fn gemm(&mut self, op: &Op) -> Res<Value> {
        let (mut input, quant) = self.activation(op, 0)?;
        let alpha = op.float("alpha", 1.0)?;
        if alpha <= 0.0 {
            return Err(op.unsupported(format!("alpha = {alpha}"), "fold alpha into the weights before quantizing"));
        }
        let beta = op.float("beta", 1.0)?;
        if op.int("transA", 0)? != 0 {
            input = self.builder.apply(&input, &super::value::Move::Transpose(vec![1, 0]), &op.place)?;
        }
        let weights = self.weights(op, 1)?;
        let &[first, second] = weights.shape.as_slice() else {
            return Err(op.inconsistent(format!("its weights have {} axes, not 2", weights.shape.len())));
        };
        let trans_b = op.int("transB", 0)? != 0;
        let (inner, outer) = if trans_b { (second, first) } else { (first, second) };
        let &[rows, columns] = input.shape.as_slice() else {
            return Err(op.inconsistent(format!("its input has {} axes, not 2", input.shape.len())));
        };
        if columns != inner {
            return Err(op.inconsistent(format!("{columns} columns times {inner} rows")));
        }
        let (data, mut scales) = self.dense_weights(op, &weights, trans_b, outer)?;
        for scale in &mut scales {
            *scale *= alpha;
        }
        let bias = self.bias(op, 2, outer, beta)?;
        let weights = LinearWeights { data: Rc::new(data), scales, bias, four_bits: weights.four_bits };
        self.pending(op, Kind::Dense { input, quant, weights }, vec![rows, outer])
    }

    pub(super) fn mat_mul(&mut self, op: &Op) -> Res<Value> {
        if !self.has_constant_matrix(op)? {
            return self.product(op);
        }
        let (input, quant) = self.activation(op, 0)?;
        let mut weights = self.weights(op, 1)?;
        while let [1, rest @ ..] = weights.shape.as_slice()
            && rest.len() >= 2
            && weights.shape.len() <= input.shape.len()
        {
            let rest = rest.to_vec();
            let squeezed = weights.reshaped(rest);
            weights = Rc::new(squeezed.ok_or_else(|| op.inconsistent("its weights have a scale per batch"))?);
        }
        let &[inner, outer] = weights.shape.as_slice() else {
            return Err(op.unsupported(
                format!("its weights have shape {:?}", weights.shape),
                "use constant weights of two axes",
            ));
        };
        let Some((&columns, leading)) = input.shape.split_last() else {
            return Err(op.inconsistent("its input has no axes"));
        };
        if columns != inner {
            return Err(op.inconsistent(format!("{columns} columns times {inner} rows")));
        }
        if leading.is_empty() {
            return Err(op.unsupported("its input is a vector", "give it a leading axis of extent 1"));
        }
        let (data, scales) = self.dense_weights(op, &weights, false, outer)?;
        let result: Vec<usize> = leading.iter().copied().chain([outer]).collect();
        let weights = LinearWeights { data: Rc::new(data), scales, bias: None, four_bits: weights.four_bits };
        self.pending(op, Kind::Dense { input, quant, weights }, result)
    }

    /// Returns the sum of a convolution or matrix product and one constant per output channel, with
    /// the constant as its bias; `None` if `value` and `constant` are nothing of the kind.
    pub(super) fn add_bias(&self, op: &Op, value: &Value, constant: &Value) -> Res<Option<Value>> {
        let Value::Pending(pending) = value else { return Ok(None) };
        let Some(channels) = self.open_channels(pending, constant.shape()) else { return Ok(None) };
        let Some(new) = as_bias(constant, channels, 1.0) else { return Ok(None) };
        let (Kind::Conv { weights, .. } | Kind::Dense { weights, .. }) = &pending.kind else { return Ok(None) };
        let known = &weights.bias;
        let bias = match known {
            None => new,
            Some(old) => old.plus(&new, channels),
        };
        let mut pending = Pending::clone(pending);
        pending.place = format!("{} with {}", pending.place, op.place);
        match &mut pending.kind {
            Kind::Conv { weights, .. } | Kind::Dense { weights, .. } => weights.bias = Some(bias),
            _ => return Ok(None),
        }
        Ok(Some(Value::Pending(Rc::new(pending))))
    }

    /// Returns a convolution or matrix product times a constant (divided by it if `inverse`), one or one per output
    /// channel, with the constant in its weight scales; `None` if `value` and `constant` are nothing of the kind.
    pub(super) fn scaled(&self, op: &Op, value: &Value, constant: &Value, inverse: bool) -> Option<Value> {
        let Value::Pending(pending) = value else { return None };
        let channels = self.open_channels(pending, constant.shape())?;
        let mut factors = as_bias(constant, channels, 1.0)?.reals(channels);
        if inverse {
            factors.iter_mut().for_each(|f| *f = 1.0 / *f);
        }
        times(op, pending, &factors, None)
    }

    /// BatchNormalization of a convolution or matrix product: a factor and a bias per output channel.
    pub(super) fn batch_normalization(&mut self, op: &Op) -> Res<Value> {
        if op.int("training_mode", 0)? != 0 || op.optional_output(1).is_some() {
            return Err(op.unsupported("it is in training mode", "export the model for inference"));
        }
        let unfit = || {
            op.unsupported(
                "it does not follow a convolution or matrix product, or its factors are zero or not finite",
                "fold it into the convolution before it: run \
                 onnxruntime.quantization.shape_inference.quant_pre_process, then quantize again",
            )
        };
        let Value::Pending(pending) = self.input(op, 0)? else { return Err(unfit()) };
        let channels = self.open_channels(&pending, &[]).ok_or_else(unfit)?;
        if pending.result.get(1) != Some(&channels)
            || (pending.result.len() != 2 && !matches!(pending.kind, Kind::Conv { .. }))
        {
            return Err(unfit());
        }
        let epsilon = f64::from(op.float("epsilon", 1e-5)?);
        let parameters = (1..5).map(|i| self.constant(op, i)).collect::<Res<Vec<_>>>()?;
        let reals = |i: usize| match parameters.get(i).map(|constant| &constant.data) {
            Some(Data::F32(reals)) if reals.len() == channels => Ok(reals.iter().map(|&r| f64::from(r)).collect()),
            _ => Err(op.inconsistent(format!("its input {} is not {channels} float32 values", i + 1))),
        };
        let [gamma, beta, mean, variance]: [Vec<f64>; 4] = [reals(0)?, reals(1)?, reals(2)?, reals(3)?];
        let factors: Vec<f64> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let bias = beta.iter().zip(mean.iter().zip(&factors)).map(|(b, (m, f))| b - m * f).collect();
        times(op, &pending, &factors, Some(Bias::Float(bias))).ok_or_else(unfit)
    }

    /// Returns the output channels of a product that nothing has changed yet, if a constant of `shape` holds
    /// one value or one per channel of it.
    fn open_channels(&self, pending: &Pending, shape: &[usize]) -> Option<usize> {
        let (channel_axis, channels) = match &pending.kind {
            Kind::Conv { weights, .. } => (1, weights.scales.len()),
            Kind::Dense { weights, .. } => (pending.result.len().saturating_sub(1), weights.scales.len()),
            _ => return None,
        };
        let open = pending.moves.is_empty() && pending.low == f32::NEG_INFINITY && pending.high == f32::INFINITY;
        let ones = pending.result.len().checked_sub(shape.len())?;
        let mut full = std::iter::repeat_n(&1, ones).chain(shape).enumerate();
        (open && full.all(|(i, &extent)| extent == 1 || (i == channel_axis && extent == channels))).then_some(channels)
    }

    /// Returns the dequantized activation that is input `i`: its int8 tensor and quantization.
    pub(super) fn activation(&mut self, op: &Op, i: usize) -> Res<(View, super::value::Quant)> {
        match self.input(op, i)? {
            Value::Table(table) => self.linear(&table, &op.place),
            Value::Pending(pending) => Err(op.unsupported(
                format!("its input is computed in float: no QuantizeLinear stands after {}", pending.place),
                QUANTIZE_ALL,
            )),
            Value::Real(_) => Err(op.unsupported("it works on a float input of the model", QUANTIZE_ALL)),
            Value::Integer { .. } => Err(op.inconsistent("it computes with integers that no DequantizeLinear scales")),
            Value::Constant(_) | Value::Dequantized(_) => Err(op.unsupported(
                format!("its input {i} is a constant"),
                "fold constants before quantizing (onnxruntime.quantization.shape_inference.quant_pre_process)",
            )),
        }
    }

    pub(super) fn weights(&self, op: &Op, i: usize) -> Res<Rc<Dequantized>> {
        match self.input(op, i)? {
            Value::Dequantized(weights) => Ok(weights),
            Value::Constant(_) => Err(op.unsupported("its weights are in float", QUANTIZE_ALL)),
            _ => Err(op.unsupported(
                "its second input is no constant",
                "use constant weights, or MatMul for a product of two activations",
            )),
        }
    }

    /// Returns weights as symmetric int8 and one scale per index of `axis`.
    pub(super) fn int8_weights(
        &mut self,
        op: &Op,
        weights: &Dequantized,
        axis: usize,
        channels: usize,
    ) -> Res<(Vec<i8>, Vec<f32>)> {
        self.spend(weights.centered.len(), &op.place)?;
        let mut scales = weights.channel_scales(axis, channels).ok_or_else(|| {
            op.unsupported(
                format!("its weights are quantized along axis {}, not per output channel", weights.axis),
                "quantize weights per tensor or per output channel",
            )
        })?;
        let mut data: Option<Vec<i8>> = weights.centered.iter().map(|&c| i8::try_from(c).ok()).collect();
        if data.is_none() {
            // Weights of a channel that share a factor fit without it.
            let inner = weights.shape.iter().skip(axis + 1).product::<usize>().max(1);
            let mut factors = vec![0; channels];
            for (i, &c) in weights.centered.iter().enumerate() {
                if let Some(factor) = factors.get_mut(i / inner % channels.max(1)) {
                    *factor = common_factor(*factor, c.unsigned_abs());
                }
            }
            let factor_of = |i: usize| factors.get(i).copied().unwrap_or(1).max(1);
            let reduced = |(i, &c): (usize, &i32)| {
                let factor = i32::try_from(factor_of(i / inner % channels.max(1))).ok()?;
                i8::try_from(c / factor).ok()
            };
            data = weights.centered.iter().enumerate().map(reduced).collect();
            for (i, scale) in scales.iter_mut().enumerate() {
                *scale *= factor_of(i) as f32;
            }
        }
        let data = data.ok_or_else(|| {
            op.unsupported(
                "its weights less their zero point do not fit int8",
                "quantize weights symmetrically: weight_type=QuantType.QInt8, extra option WeightSymmetric",
            )
        })?;
        Ok((data, scales))
    }

    /// Returns `[in, out]` weights (`[out, in]` if `transposed`) as `[out, in]`.
    fn dense_weights(
        &mut self,
        op: &Op,
        weights: &Dequantized,
        transposed: bool,
        channels: usize,
    ) -> Res<(Vec<i8>, Vec<f32>)> {
        let (data, scales) = self.int8_weights(op, weights, usize::from(!transposed), channels)?;
        if transposed {
            return Ok((data, scales));
        }
        let turned = transposed_indices(&weights.shape, &[1, 0])
            .and_then(|(_, indices)| indices.iter().map(|&i| data.get(i).copied()).collect::<Option<Vec<_>>>());
        Ok((turned.ok_or_else(|| op.inconsistent("its weights do not fit their shape"))?, scales))
    }

    pub(super) fn bias(&self, op: &Op, i: usize, channels: usize, beta: f32) -> Res<Option<Bias>> {
        if op.input_name(i).is_none() || beta == 0.0 {
            return Ok(None);
        }
        let value = self.input(op, i)?;
        let leading_ones = value.shape().split_last().is_none_or(|(_, leading)| leading.iter().all(|&d| d == 1));
        match as_bias(&value, channels, beta).filter(|_| leading_ones) {
            Some(bias) => Ok(Some(bias)),
            None => Err(op.unsupported(
                format!("its bias is not a constant of {channels} elements"),
                "use one constant bias per output channel, or add it behind its own QuantizeLinear",
            )),
        }
    }
}

/// Returns the greatest common divisor, by Euclid's algorithm.
fn common_factor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Returns a product with each output channel times `factors`, and `bias` added then.
fn times(op: &Op, pending: &Pending, factors: &[f64], bias: Option<Bias>) -> Option<Value> {
    let mut pending = Pending::clone(pending);
    pending.place = format!("{} with {}", pending.place, op.place);
    let (Kind::Conv { weights, .. } | Kind::Dense { weights, .. }) = &mut pending.kind else { return None };
    let scaled = weights.bias.as_ref().map(|bias| bias.times(factors));
    weights.bias = match (scaled, bias) {
        (Some(old), Some(new)) => Some(old.plus(&new, factors.len())),
        (old, new) => old.or(new),
    };
    for (scale, &factor) in weights.scales.iter_mut().zip(factors) {
        *scale = (f64::from(*scale) * factor) as f32;
    }
    // Negative until another factor, or until the weights change their signs.
    weights.scales.iter().all(|s| *s != 0.0 && s.is_finite()).then(|| Value::Pending(Rc::new(pending)))
}

impl Bias {
    fn reals(&self, channels: usize) -> Vec<f64> {
        match self {
            Self::Real(reals) | Self::Float(reals) => reals.clone(),
            Self::Quantized { integers, scales } => (0..channels)
                .map(|i| {
                    let integer = integers.get(i).or(integers.first()).copied().unwrap_or(0);
                    f64::from(integer) * f64::from(scales.get(i).or(scales.first()).copied().unwrap_or(0.0))
                })
                .collect(),
        }
    }

    fn plus(&self, other: &Self, channels: usize) -> Self {
        let sum = self.reals(channels).iter().zip(other.reals(channels)).map(|(a, b)| a + b).collect();
        if matches!((self, other), (Self::Float(_), _) | (_, Self::Float(_))) {
            Self::Float(sum)
        } else {
            Self::Real(sum)
        }
    }

    /// Returns the bias times one factor per channel.
    fn times(&self, factors: &[f64]) -> Self {
        let product = |reals: &[f64]| reals.iter().zip(factors).map(|(r, f)| r * f).collect();
        match self {
            Self::Real(reals) => Self::Real(product(reals)),
            Self::Float(reals) => Self::Float(product(reals)),
            Self::Quantized { integers, scales } => {
                let each = |i: usize| integers.get(i).or(integers.first()).copied().unwrap_or(0);
                let scale = |i: usize| f64::from(scales.get(i).or(scales.first()).copied().unwrap_or(0.0));
                Self::Quantized {
                    integers: (0..factors.len()).map(each).collect(),
                    scales: factors.iter().enumerate().map(|(i, f)| (scale(i) * f) as f32).collect(),
                }
            }
        }
    }
}

/// Returns a constant of one element, or one per channel, as `factor` times a bias.
fn as_bias(value: &Value, channels: usize, factor: f32) -> Option<Bias> {
    let fits = |n: usize| n == channels || n == 1;
    match value {
        Value::Dequantized(d) if fits(d.centered.len()) && factor == 1.0 => {
            Some(Bias::Quantized { integers: d.centered.clone(), scales: d.scales.clone() })
        }
        Value::Dequantized(d) if fits(d.centered.len()) => {
            Some(Bias::Real(per_channel(&d.exact_reals(), channels, factor)))
        }
        Value::Constant(c) => match &c.data {
            Data::F32(reals) if fits(reals.len()) => {
                let reals: Vec<f64> = reals.iter().map(|&r| r.into()).collect();
                Some(Bias::Float(per_channel(&reals, channels, factor)))
            }
            // Added to the int32 sums of an integer product.
            Data::I32(integers) if fits(integers.len()) => {
                let reals: Vec<f64> = integers.iter().map(|&i| i.into()).collect();
                Some(Bias::Real(per_channel(&reals, channels, factor)))
            }
            _ => None,
        },
        _ => None,
    }
}

fn per_channel(reals: &[f64], channels: usize, factor: f32) -> Vec<f64> {
    let one = |i: usize| reals.get(i).or(reals.first()).copied().unwrap_or(0.0) * f64::from(factor);
    (0..channels).map(one).collect()
}
