//! Passes that are exact in real numbers: a network becomes one with fewer places to round.
//!
//! | pass | what |
//! |---|---|
//! | [`simplify`] | constants folded; Identity, Dropout and Casts to float32 removed; transposes merged |
//! | [`fold`] | BatchNormalization, and sums and products with one constant per channel, folded into the product before; where there is none they become a 1×1 depthwise convolution; products of matrices with their sum become Gemm; zero Pads become a convolution's own |
//!
//! A tensor that stays keeps its name.

use std::collections::HashMap;

use tract_onnx::pb::NodeProto;

use super::Res;
use super::fold::fold_constants;
use super::network::{Network, OPSET, int_attribute, ints_attribute, node};
use super::upgrade::{FLATTENS, drop_attribute};
use crate::import::onnx::constant::{Constant, Data};
use crate::import::onnx::proto::Op;

impl Network {
    /// Returns the network of an ONNX file, checked and prepared, and the multiply-accumulates of one inference.
    pub(crate) fn prepared(bytes: &[u8], name: &str) -> Res<(Self, u64)> {
        let mut network = Self::simplified(bytes, name)?;
        let checked = network.check()?;
        network.shapes = checked.shapes;
        fold(&mut network)?;
        network.drop_unread_constants();
        Ok((network, checked.macs))
    }

    /// Returns the network of an ONNX file without what only costs.
    pub(crate) fn simplified(bytes: &[u8], name: &str) -> Res<Self> {
        let mut network = Self::read(bytes, name)?;
        simplify(&mut network)?;
        Ok(network)
    }
}

/// Removes what computes nothing.
fn simplify(network: &mut Network) -> Res<()> {
    fold_constants(network)?;
    let mut stands_for: HashMap<String, String> = HashMap::new();
    let mut kept: Vec<NodeProto> = Vec::with_capacity(network.nodes.len());
    let mut renamed: HashMap<String, String> = HashMap::new();
    for (index, mut node) in std::mem::take(&mut network.nodes).into_iter().enumerate() {
        for input in &mut node.input {
            if let Some(own) = stands_for.get(input) {
                *input = own.clone();
            }
        }
        if !is_nothing(network, &node, index)? {
            kept.push(node);
            continue;
        }
        let (Some(input), Some(output)) = (node.input.first().cloned(), node.output.first().cloned()) else { continue };
        if !network.outputs.contains(&output) {
            stands_for.insert(output, input);
            continue;
        }
        // An output of the model keeps its name: the node before takes it, unless it writes an output as well.
        let writer = kept.iter_mut().find(|n| n.output.contains(&input));
        match writer {
            Some(writer) if !network.outputs.contains(&input) && !renamed.contains_key(&input) => {
                for name in writer.output.iter_mut().filter(|name| **name == input) {
                    *name = output.clone();
                }
                renamed.insert(input, output);
            }
            _ => kept.push(node),
        }
    }
    for node in &mut kept {
        for input in &mut node.input {
            if let Some(own) = renamed.get(input) {
                *input = own.clone();
            }
        }
    }
    network.nodes = kept;
    multiply_by_reciprocals(network);
    normal_gemms(network)?;
    merge_transposes(network)
}

/// Makes a division by several constants a product: a division of tensors has no integer form.
fn multiply_by_reciprocals(network: &mut Network) {
    for index in 0..network.nodes.len() {
        let Some(node) = network.nodes.get(index).filter(|node| node.op_type == "Div") else { continue };
        let Some(divisor) = node.input.get(1).cloned() else { continue };
        let Some((shape, values)) = network.floats(&divisor).filter(|(_, values)| values.len() > 1) else { continue };
        let reciprocals: Vec<f32> = values.iter().map(|v| 1.0 / v).collect();
        if reciprocals.iter().all(|v| v.is_finite()) {
            let constant = Constant { shape: shape.to_vec(), data: Data::F32(reciprocals) };
            let name = network.add_constant(&format!("{divisor}/reciprocal"), constant);
            if let Some(node) = network.nodes.get_mut(index) {
                node.op_type = "Mul".into();
                set_input(node, 1, name);
            }
        }
    }
}

fn is_nothing(network: &Network, node: &NodeProto, index: usize) -> Res<bool> {
    let op = Op::new(node, index, OPSET);
    let constant = node.input.first().is_none_or(|name| network.constants.contains_key(name));
    Ok(!constant
        && match node.op_type.as_str() {
            "Identity" => true,
            "Dropout" => {
                let training = node.input.get(2).filter(|name| !name.is_empty());
                let off = training
                    .is_none_or(|name| network.constants.get(name).and_then(Constant::integers) == Some(vec![0]));
                if !off {
                    return Err(op.unsupported("it is in training mode", "export the model for inference"));
                }
                let mask = node.output.get(1).filter(|name| !name.is_empty());
                if mask.is_some_and(|mask| network.outputs.contains(mask)) {
                    return Err(op.unsupported("it gives its mask", "export the model for inference"));
                }
                true
            }
            // Everything that is not constant is float32.
            "Cast" => op.int("to", 0)? == 1,
            _ => false,
        })
}

/// Makes one of two transposes in a row, none of one that changes nothing.
fn merge_transposes(network: &mut Network) -> Res<()> {
    let uses = network.uses();
    let mut perms: HashMap<String, (String, Vec<usize>)> = HashMap::new();
    let mut stands_for: HashMap<String, String> = HashMap::new();
    let mut kept: Vec<NodeProto> = Vec::with_capacity(network.nodes.len());
    for (index, mut node) in std::mem::take(&mut network.nodes).into_iter().enumerate() {
        for input in &mut node.input {
            if let Some(own) = stands_for.get(input) {
                *input = own.clone();
            }
        }
        if node.op_type == "Transpose" {
            let op = Op::new(&node, index, OPSET);
            let perm: Option<Vec<usize>> =
                op.ints("perm")?.and_then(|perm| perm.iter().map(|&p| usize::try_from(p).ok()).collect());
            if let (Some(mut perm), Some(mut input), Some(output)) =
                (perm, node.input.first().cloned(), node.output.first().cloned())
            {
                if let Some((source, first)) = perms.get(&input)
                    && first.len() == perm.len()
                {
                    perm = perm.iter().filter_map(|&p| first.get(p).copied()).collect();
                    input = source.clone();
                }
                if perm.iter().copied().eq(0..perm.len()) && !network.outputs.contains(&output) {
                    stands_for.insert(output, input);
                    continue;
                }
                let values: Vec<i64> = perm.iter().map(|&p| p as i64).collect();
                drop_attribute(&mut node, "perm");
                node.attribute.push(ints_attribute("perm", &values));
                node.input = vec![input.clone()];
                perms.insert(output, (input, perm));
            }
        }
        kept.push(node);
    }
    network.nodes = kept;
    // Transposes that only another one read.
    loop {
        let after = network.uses();
        let before = network.nodes.len();
        network.nodes.retain(|node| {
            let unread = node.output.iter().all(|name| !after.contains_key(name));
            let was_read = node.output.iter().any(|name| uses.contains_key(name));
            !(node.op_type == "Transpose" && unread && was_read)
        });
        if network.nodes.len() == before {
            return Ok(());
        }
    }
}

/// A factor and a summand per channel, or one of each.
struct Affine {
    factor: Vec<f64>,
    summand: Vec<f64>,
}

impl Affine {
    fn at(values: &[f64], channel: usize) -> f64 {
        values.get(channel).or(values.first()).copied().unwrap_or(0.0)
    }
}

/// Folds what is linear per channel.
fn fold(network: &mut Network) -> Res<()> {
    for (index, node) in network.nodes.iter_mut().enumerate() {
        let op = Op::new(node, index, OPSET);
        if op.int(FLATTENS, 0)? == 0 {
            continue;
        }
        let shape = node.input.first().and_then(|name| network.shapes.get(name)).cloned().unwrap_or_default();
        let axis = op.int("axis", 1)?;
        let axis = usize::try_from(if axis < 0 { axis.saturating_add(shape.len() as i64) } else { axis }).unwrap_or(0);
        let long: Vec<usize> = (axis..shape.len()).filter(|&i| shape.get(i) != Some(&1)).collect();
        let own = match long.as_slice() {
            [] => axis,
            [one] => *one,
            _ => {
                return Err(op.unsupported(
                    "it works over several axes (operator sets before 13)",
                    "flatten its input first, or convert the model to operator set 13",
                ));
            }
        };
        drop_attribute(node, FLATTENS);
        drop_attribute(node, "axis");
        node.attribute.push(int_attribute("axis", i64::try_from(own).unwrap_or(0)));
    }
    normal_gemms(network)?;
    let mut index = 0;
    while index < network.nodes.len() {
        if let Some((node, affine)) = affine_of(network, index)? {
            apply(network, index, &node, &affine)?;
            continue;
        }
        index += 1;
    }
    fold_pads(network)
}

/// Makes products of two-axis matrices Gemms with `alpha` and `beta` of 1, so that they can have a bias.
fn normal_gemms(network: &mut Network) -> Res<()> {
    for index in 0..network.nodes.len() {
        let Some(node) = network.nodes.get(index).cloned() else { break };
        let (Some(input), Some(weights)) = (node.input.first(), node.input.get(1)) else { continue };
        let two_axes = network.shapes.get(input).is_some_and(|shape| shape.len() == 2);
        let Some((shape, values)) = network.floats(weights) else { continue };
        let op = Op::new(&node, index, OPSET);
        let mut new = node.clone();
        match node.op_type.as_str() {
            "MatMul" if two_axes && shape.len() == 2 => new.op_type = "Gemm".into(),
            "Gemm" => {
                let (alpha, beta) = (op.float("alpha", 1.0)?, op.float("beta", 1.0)?);
                if alpha != 1.0 {
                    let scaled = values.iter().map(|v| v * alpha).collect();
                    let constant = Constant { shape: shape.to_vec(), data: Data::F32(scaled) };
                    let name = network.add_constant(&format!("{weights}_scaled"), constant);
                    set_input(&mut new, 1, name);
                    drop_attribute(&mut new, "alpha");
                }
                if beta != 1.0
                    && let Some(bias) = node.input.get(2)
                    && let Some((shape, values)) = network.floats(bias)
                {
                    let scaled = values.iter().map(|v| v * beta).collect();
                    let constant = Constant { shape: shape.to_vec(), data: Data::F32(scaled) };
                    let name = network.add_constant(&format!("{bias}_scaled"), constant);
                    set_input(&mut new, 2, name);
                    drop_attribute(&mut new, "beta");
                }
            }
            _ => continue,
        }
        if let Some(slot) = network.nodes.get_mut(index) {
            *slot = new;
        }
    }
    Ok(())
}

/// Returns the node and what it does to each channel, if it is linear per channel.
fn affine_of(network: &Network, index: usize) -> Res<Option<(NodeProto, Affine)>> {
    let Some(node) = network.nodes.get(index) else { return Ok(None) };
    let op = Op::new(node, index, OPSET);
    let Some(shape) = node.input.first().and_then(|name| network.shapes.get(name)) else { return Ok(None) };
    if node.op_type == "BatchNormalization" {
        let parameter = |i: usize| {
            let values = node.input.get(i).and_then(|name| network.floats(name)).map(|(_, values)| values);
            values.filter(|values| shape.get(1) == Some(&values.len())).ok_or_else(|| {
                op.unsupported(format!("its input {i} is not a constant per channel"), "export for inference")
            })
        };
        let (scale, summand, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        if op.int("training_mode", 0)? != 0 || node.output.iter().skip(1).any(|name| !name.is_empty()) {
            return Err(op.unsupported("it is in training mode", "export the model for inference"));
        }
        let epsilon = f64::from(op.float("epsilon", 1e-5)?);
        let factor: Vec<f64> =
            scale.iter().zip(variance).map(|(&s, &v)| f64::from(s) / (f64::from(v) + epsilon).sqrt()).collect();
        let summand: Vec<f64> =
            factor.iter().zip(summand).zip(mean).map(|((f, &b), &m)| f64::from(b) - f64::from(m) * f).collect();
        if factor.iter().chain(&summand).any(|v| !v.is_finite()) {
            return Err(op.inconsistent("its variance is negative or not a number"));
        }
        return Ok(Some((node.clone(), Affine { factor, summand })));
    }
    let (true, [a, b]) = (matches!(node.op_type.as_str(), "Add" | "Sub" | "Mul" | "Div"), node.input.as_slice()) else {
        return Ok(None);
    };
    let (input, constant, swapped) = match (network.floats(a), network.floats(b)) {
        (None, Some(constant)) => (a, constant, false),
        (Some(constant), None) => (b, constant, true),
        _ => return Ok(None),
    };
    let Some(shape) = network.shapes.get(input) else { return Ok(None) };
    let behind = shape.len().saturating_sub(2);
    let channels = shape.get(1).copied().unwrap_or(0);
    let (own, values) = constant;
    let channel = own.len().checked_sub(behind + 1).and_then(|axis| own.get(axis));
    let per_channel = values.len() == channels && channel == Some(&channels) && own.len() <= shape.len();
    let one = values.len() == 1 && own.len() <= shape.len();
    if shape.len() < 2 || !(per_channel || one) || (swapped && node.op_type == "Div") {
        return Ok(None);
    }
    // A scalar alone is a function of one value, which costs nothing, and two axes have no convolution: there only what
    // stands behind a product is folded.
    if (one || shape.len() == 2) && product_before(network, input).is_none() {
        return Ok(None);
    }
    let reals: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
    let (factor, summand) = match node.op_type.as_str() {
        "Add" => (vec![1.0], reals),
        "Sub" if swapped => (vec![-1.0], reals),
        "Sub" => (vec![1.0], reals.iter().map(|v| -v).collect()),
        "Mul" => (reals, vec![0.0]),
        _ => (reals.iter().map(|v| 1.0 / v).collect(), vec![0.0]),
    };
    if factor.iter().any(|v| !v.is_finite()) {
        return Ok(None);
    }
    let mut node = node.clone();
    node.input = vec![input.clone()];
    Ok(Some((node, Affine { factor, summand })))
}

/// Returns the product that computes a tensor which nothing else reads.
fn product_before(network: &Network, input: &str) -> Option<usize> {
    let alone = network.uses().get(input) == Some(&1);
    let at = network.nodes.iter().position(|node| node.output.first().is_some_and(|name| name == input))?;
    let node = network.nodes.get(at)?;
    let linear = matches!(node.op_type.as_str(), "Conv" | "ConvTranspose" | "Gemm");
    let weights = node.input.get(1).is_some_and(|name| network.floats(name).is_some());
    let bias = node.input.get(2).is_none_or(|name| name.is_empty() || network.floats(name).is_some());
    (alone && linear && weights && bias).then_some(at)
}

/// Replaces node `index` by `affine` of its input: in the product before, or as a convolution of one tap.
fn apply(network: &mut Network, index: usize, source: &NodeProto, affine: &Affine) -> Res<()> {
    let op = Op::new(source, index, OPSET);
    let (Some(input), Some(output)) = (source.input.first().cloned(), source.output.first().cloned()) else {
        return Err(op.malformed("it has no input or output"));
    };
    let shape = network.shapes.get(&input).cloned().unwrap_or_default();
    let channels = shape.get(1).copied().unwrap_or(0);
    if let Some(at) = product_before(network, &input) {
        fold_into(network, at, affine, &output)?;
        network.nodes.remove(index);
        return Ok(());
    }
    let constant = |values: Vec<f64>, shape: Vec<usize>| Constant {
        shape,
        data: Data::F32(values.into_iter().map(|v| v as f32).collect()),
    };
    let all = |values: &[f64]| (0..channels).map(|c| Affine::at(values, c)).collect::<Vec<f64>>();
    let (factor, summand) = (all(&affine.factor), all(&affine.summand));
    let taps: Vec<usize> = std::iter::repeat_n(1, shape.len().saturating_sub(2)).collect();
    let new = match shape.len() {
        // Two axes: a product with the factors on the diagonal would cost more than two nodes.
        2 => {
            let product = network.fresh(&format!("{output}/scaled"));
            let factor = network.add_constant(&format!("{output}/factor"), constant(factor, vec![channels]));
            let summand = network.add_constant(&format!("{output}/summand"), constant(summand, vec![channels]));
            network.shapes.insert(product.clone(), shape);
            let first = node("Mul", &format!("{}/scale", source.name), &[&input, &factor], &product, vec![]);
            let second = node("Add", &source.name, &[&product, &summand], &output, vec![]);
            network.nodes.splice(index..=index, [first, second]);
            return Ok(());
        }
        3 | 4 => {
            let weights: Vec<usize> = [channels, 1].into_iter().chain(taps).collect();
            let factor = network.add_constant(&format!("{output}/weights"), constant(factor, weights));
            let summand = network.add_constant(&format!("{output}/bias"), constant(summand, vec![channels]));
            let group = int_attribute("group", i64::try_from(channels).unwrap_or(0));
            node("Conv", &source.name, &[&input, &factor, &summand], &output, vec![group])
        }
        rank => {
            return Err(op.unsupported(
                format!("it works per channel on {rank} axes with no product before it to be folded into"),
                "use tensors of up to four axes",
            ));
        }
    };
    if let Some(slot) = network.nodes.get_mut(index) {
        *slot = new;
    }
    Ok(())
}

/// Folds `affine` into product `at`, which then computes `output`.
fn fold_into(network: &mut Network, at: usize, affine: &Affine, output: &str) -> Res<()> {
    let Some(mut product) = network.nodes.get(at).cloned() else { return Ok(()) };
    let op = Op::new(&product, at, OPSET);
    let malformed = || op.inconsistent("its weights do not fit their shape");
    let weights_name = product.input.get(1).cloned().unwrap_or_default();
    let (shape, values) = network.floats(&weights_name).ok_or_else(malformed)?;
    let transposed = product.op_type == "ConvTranspose";
    let groups = usize::try_from(op.int("group", 1)?).unwrap_or(1).max(1);
    let axis = match product.op_type.as_str() {
        "Conv" => 0,
        "ConvTranspose" => 1,
        _ => usize::from(op.int("transB", 0)? == 0),
    };
    let own = *shape.get(axis).ok_or_else(malformed)?;
    let inner = shape.iter().skip(axis + 1).product::<usize>().max(1);
    // Of a transposed convolution, each group of input channels has output channels of its own.
    let inputs_per_group = shape.first().copied().unwrap_or(1) / groups;
    let channel = |i: usize| {
        let within = i / inner % own.max(1);
        let group = if transposed { i / (inner * own.max(1)) / inputs_per_group.max(1) } else { 0 };
        group * own + within
    };
    let channels = if transposed { own * groups } else { own };
    let scaled = |(i, &v): (usize, &f32)| (f64::from(v) * Affine::at(&affine.factor, channel(i))) as f32;
    let weights = Constant { shape: shape.to_vec(), data: Data::F32(values.iter().enumerate().map(scaled).collect()) };
    let old: Vec<f64> = match product.input.get(2).filter(|name| !name.is_empty()).and_then(|name| network.floats(name))
    {
        Some((_, bias)) => {
            let bias: Vec<f64> = bias.iter().map(|&b| f64::from(b)).collect();
            (0..channels).map(|c| Affine::at(&bias, c)).collect()
        }
        None => vec![0.0; channels],
    };
    let bias = old
        .iter()
        .enumerate()
        .map(|(c, b)| (b * Affine::at(&affine.factor, c) + Affine::at(&affine.summand, c)) as f32)
        .collect();
    let bias = Constant { shape: vec![channels], data: Data::F32(bias) };
    let weights = network.add_constant(&format!("{output}/weights"), weights);
    let bias = network.add_constant(&format!("{output}/bias"), bias);
    set_input(&mut product, 1, weights);
    set_input(&mut product, 2, bias);
    if let Some(name) = product.output.first_mut() {
        *name = output.into();
    }
    if let Some(slot) = network.nodes.get_mut(at) {
        *slot = product;
    }
    Ok(())
}

/// Makes zeros that a Pad puts around an image the padding of the convolution that alone reads them.
fn fold_pads(network: &mut Network) -> Res<()> {
    let mut index = 0;
    while index < network.nodes.len() {
        if let Some((conv, pads)) = pads_of(network, index)? {
            let input = network.nodes.get(index).and_then(|pad| pad.input.first().cloned()).unwrap_or_default();
            if let Some(conv) = network.nodes.get_mut(conv) {
                set_input(conv, 0, input);
                drop_attribute(conv, "pads");
                conv.attribute.push(ints_attribute("pads", &pads));
            }
            network.nodes.remove(index);
        } else {
            index += 1;
        }
    }
    Ok(())
}

/// Returns the convolution that reads Pad `index`, and the sum of their pads.
fn pads_of(network: &Network, index: usize) -> Res<Option<(usize, Vec<i64>)>> {
    let Some(pad) = network.nodes.get(index).filter(|node| node.op_type == "Pad") else { return Ok(None) };
    let op = Op::new(pad, index, OPSET);
    let output = op.output_name(0)?;
    let value = pad.input.get(2).filter(|name| !name.is_empty());
    let zero = value.is_none_or(|name| network.floats(name).is_some_and(|(_, v)| v == [0.0]));
    let axes = pad.input.get(3).is_none_or(String::is_empty);
    let rank = network.shapes.get(output).map_or(0, Vec::len);
    let pads = pad.input.get(1).and_then(|name| network.constants.get(name)).and_then(Constant::integers);
    let (true, true, "constant", Some(pads)) = (zero, axes, op.string("mode", "constant")?, pads) else {
        return Ok(None);
    };
    if rank < 3 || pads.len() != 2 * rank || network.uses().get(output) != Some(&1) {
        return Ok(None);
    }
    let (before, after) = pads.split_at(rank);
    let (channels, image): (Vec<_>, Vec<_>) = (
        before.iter().take(2).chain(after.iter().take(2)).collect(),
        before.iter().skip(2).chain(after.iter().skip(2)).copied().collect(),
    );
    if channels.iter().any(|&&p| p != 0) || image.iter().any(|&p| p < 0) {
        return Ok(None);
    }
    let reader = network.nodes.iter().position(|node| node.input.first().is_some_and(|name| name == output));
    let Some((at, conv)) = reader.and_then(|at| Some((at, network.nodes.get(at)?))) else { return Ok(None) };
    let conv_op = Op::new(conv, at, OPSET);
    if conv.op_type != "Conv" || conv_op.string("auto_pad", "NOTSET")? != "NOTSET" {
        return Ok(None);
    }
    let own = conv_op.ints("pads")?.map_or_else(|| vec![0; image.len()], <[i64]>::to_vec);
    if own.len() != image.len() {
        return Ok(None);
    }
    Ok(Some((at, own.iter().zip(&image).map(|(a, b)| a.saturating_add(*b)).collect())))
}

fn set_input(node: &mut NodeProto, i: usize, name: String) {
    while node.input.len() <= i {
        node.input.push(String::new());
    }
    if let Some(slot) = node.input.get_mut(i) {
        *slot = name;
    }
}
