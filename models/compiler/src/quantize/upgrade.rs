//! Nodes of older operator sets in the form of operator set 20.
//!
//! Only what the taken operators changed: attributes that became inputs. Specification: the operators' version
//! history, <https://onnx.ai/onnx/operators/>.

use tract_onnx::pb::NodeProto;

use super::Res;
use super::network::Network;
use crate::import::onnx::constant::{Constant, Data};
use crate::import::onnx::proto::Op;

/// Rewrites `node` from operator set `opset`; constants that it needs are added to `network`.
pub(crate) fn upgrade(node: &mut NodeProto, index: usize, opset: i64, network: &mut Network) -> Res<()> {
    let kind = node.op_type.clone();
    let axes_since = match kind.as_str() {
        "Squeeze" | "Unsqueeze" | "ReduceSum" => 13,
        "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare"
        | "ReduceLogSum" | "ReduceLogSumExp" => 18,
        _ => 0,
    };
    if opset < axes_since {
        let axes = Op::new(node, index, opset).ints("axes")?.map(<[i64]>::to_vec);
        if let Some(axes) = axes {
            let input = integers(network, node, "axes", axes);
            set_input(node, 1, input);
            drop_attribute(node, "axes");
        }
    }
    match kind.as_str() {
        "Split" if opset < 13 => {
            let sizes = Op::new(node, index, opset).ints("split")?.map(<[i64]>::to_vec);
            if let Some(sizes) = sizes {
                let input = integers(network, node, "split", sizes);
                set_input(node, 1, input);
                drop_attribute(node, "split");
            }
        }
        "Clip" if opset < 11 => {
            let op = Op::new(node, index, opset);
            let (low, high) = (op.float("min", f32::MIN)?, op.float("max", f32::MAX)?);
            let low = scalar(network, node, "min", low);
            let high = scalar(network, node, "max", high);
            set_input(node, 1, low);
            set_input(node, 2, high);
            drop_attribute(node, "min");
            drop_attribute(node, "max");
        }
        "Pad" if opset < 11 => {
            let op = Op::new(node, index, opset);
            let pads = op.ints("pads")?.map(<[i64]>::to_vec).ok_or_else(|| op.malformed("it has no pads"))?;
            let value = op.float("value", 0.0)?;
            let pads = integers(network, node, "pads", pads);
            let value = scalar(network, node, "value", value);
            set_input(node, 1, pads);
            set_input(node, 2, value);
            drop_attribute(node, "pads");
            drop_attribute(node, "value");
        }
        "Slice" if opset < 10 => {
            for (i, name) in ["starts", "ends", "axes"].into_iter().enumerate() {
                let values = Op::new(node, index, opset).ints(name)?.map(<[i64]>::to_vec);
                if let Some(values) = values {
                    let input = integers(network, node, name, values);
                    set_input(node, i + 1, input);
                    drop_attribute(node, name);
                }
            }
        }
        // Until operator set 12 it worked on the array flattened to two axes; the same if the axis is the last, which
        // `network` finds out once it knows shapes.
        "Softmax" | "LogSoftmax" | "Hardmax" if opset < 13 => {
            let axis = Op::new(node, index, opset).int("axis", 1)?;
            drop_attribute(node, "axis");
            node.attribute.push(super::network::int_attribute("axis", axis));
            node.attribute.push(super::network::int_attribute(FLATTENS, 1));
        }
        "Resize" | "Upsample" if opset < 11 => {
            return Err(Op::new(node, index, opset).unsupported(
                "its form of operator set 10 is not read",
                "convert it: onnx.version_converter, to 13 or more",
            ));
        }
        _ => {}
    }
    Ok(())
}

/// Attribute that marks an operator which flattens the axes from its axis on; removed by [`super::prepare`].
pub(crate) const FLATTENS: &str = "tanbo.flattens";

pub(crate) fn drop_attribute(node: &mut NodeProto, name: &str) {
    node.attribute.retain(|a| a.name != name);
}

fn set_input(node: &mut NodeProto, i: usize, name: String) {
    while node.input.len() <= i {
        node.input.push(String::new());
    }
    if let Some(slot) = node.input.get_mut(i) {
        *slot = name;
    }
}

fn base(node: &NodeProto, what: &str) -> String {
    format!("{}/{what}", node.output.first().map_or("", String::as_str))
}

fn integers(network: &mut Network, node: &NodeProto, what: &str, values: Vec<i64>) -> String {
    network.add_constant(&base(node, what), Constant::from_i64(values))
}

fn scalar(network: &mut Network, node: &NodeProto, what: &str, value: f32) -> String {
    network.add_constant(&base(node, what), Constant { shape: vec![], data: Data::F32(vec![value]) })
}
