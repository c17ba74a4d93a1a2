//! Bias correction: rounding weights shifts the mean of a product; its bias takes the shift back.
//!
//! E[float] − E[quantized] per output channel, over the calibration samples. A product is linear, so the mean of its error
//! is the product of the error of the weights with the mean input. (M. Nagel et al., 2019, section 4.2, with measured means.)

use std::collections::{BTreeMap, HashMap};

use super::Res;
use super::network::Network;
use super::plan::Plan;
use super::rewrite::Numbers;
use crate::float::{FloatModel, FloatPort};
use crate::import::onnx::constant::{Constant, Data};

/// Returns the tensors whose means [`corrections`] needs.
pub(crate) fn inputs(network: &Network, plan: &Plan) -> Vec<String> {
    plan.linears.iter().filter_map(|l| network.nodes.get(l.node)?.input.first().cloned()).collect()
}

/// Returns what to add to the bias of each product, by its index in the plan, for the means of the elements of [`inputs`].
pub(crate) fn corrections(
    network: &Network,
    plan: &Plan,
    numbers: &Numbers,
    seen: &HashMap<&str, &[f32]>,
) -> Res<BTreeMap<usize, Vec<f32>>> {
    let mut errors = Network {
        nodes: Vec::new(),
        constants: BTreeMap::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        name: network.name.clone(),
        shapes: HashMap::new(),
    };
    let mut means: Vec<&[f32]> = Vec::new();
    let mut products = Vec::new();
    for (index, linear) in plan.linears.iter().enumerate() {
        let Some(node) = network.nodes.get(linear.node) else { continue };
        if node.op_type == "MatMul" && linear.bias.is_none() {
            continue;
        }
        let (Some(input), Some((shape, reals))) = (node.input.first(), network.floats(&linear.weights)) else {
            continue;
        };
        let (Some(&mean), Some(weights)) = (seen.get(input.as_str()), numbers.weights(network, plan, index)) else {
            continue;
        };
        let Some(input_shape) = network.shapes.get(input) else { continue };
        let inner = shape.iter().skip(linear.axis + 1).product::<usize>().max(1);
        let channels = weights.axis_scales.len().max(1);
        let error = |(i, (&q, &real)): (usize, (&i8, &f32))| {
            let scale = weights.axis_scales.get(i / inner % channels).copied().unwrap_or(0.0);
            (f64::from(q) * f64::from(scale) - f64::from(real)) as f32
        };
        let data = Data::F32(weights.data.iter().zip(reals).enumerate().map(error).collect());
        let name = errors.add_constant(&format!("error_{index}"), Constant { shape: shape.to_vec(), data });
        let mut product = node.clone();
        product.input = vec![format!("mean_{index}"), name];
        product.output = vec![format!("shift_{index}")];
        errors.inputs.push(FloatPort { name: format!("mean_{index}"), shape: input_shape.clone() });
        errors.outputs.push(format!("shift_{index}"));
        errors.nodes.push(product);
        means.push(mean);
        products.push(index);
    }
    if products.is_empty() {
        return Ok(BTreeMap::new());
    }
    let model = FloatModel::of_network(&errors, &[])?;
    let shifts = model.run(&means)?;
    let mut out = BTreeMap::new();
    for (index, shift) in products.into_iter().zip(shifts) {
        let Some(linear) = plan.linears.get(index) else { continue };
        let places = (shift.len() / linear.channels.max(1)).max(1);
        let convolution = linear.behind > 0;
        let mut sums = vec![0.0f64; linear.channels];
        for (i, &v) in shift.iter().enumerate() {
            let channel = if convolution { i / places } else { i } % linear.channels.max(1);
            if let Some(sum) = sums.get_mut(channel) {
                *sum += f64::from(v);
            }
        }
        out.insert(index, sums.iter().map(|sum| (-sum / places as f64) as f32).collect());
    }
    Ok(out)
}
