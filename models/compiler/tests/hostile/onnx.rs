//! Models of ONNX for tests, and what spoils them.

use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, ModelProto, NodeProto, StringStringEntryProto, TensorShapeProto, TypeProto, ValueInfoProto,
    type_proto,
};

use crate::hostile::Random;

/// ONNX's numbers of element types.
pub const FLOAT: i32 = 1;
pub const INT8: i32 = 3;

pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 2, i: value, ..Default::default() }
}

pub fn make(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        attribute,
        ..Default::default()
    }
}

pub fn port(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = dims.iter().map(|&d| Dimension { value: Some(dimension::Value::DimValue(d)), ..Default::default() });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let value = Some(type_proto::Value::TensorType(type_proto::Tensor { elem_type, shape }));
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value, ..Default::default() }), ..Default::default() }
}

const EXTREMES: [i64; 12] = [i64::MIN, -(1 << 31), -3, -1, 0, 1, 2, 5, 255, 1 << 20, 1 << 31, i64::MAX];
/// Changes one thing of a model that its operators look at.
pub fn damage(model: &mut ModelProto, operators: &[String], random: &mut Random) {
    let graph = model.graph.as_mut().unwrap();
    let names: Vec<String> = graph
        .initializer
        .iter()
        .map(|t| t.name.clone())
        .chain(graph.node.iter().flat_map(|n| n.output.clone()))
        .collect();
    let index = random.below(graph.node.len());
    let node = &mut graph.node[index];
    match random.below(14) {
        0 => {
            let name = random.pick(operators);
            let (domain, op_type) = name.rsplit_once('.').unwrap_or(("", name));
            (node.domain, node.op_type) = (domain.into(), op_type.into());
        }
        1 => {
            if let Some(attribute) = node.attribute.get_mut(random.below(4)) {
                attribute.i = *random.pick(&EXTREMES);
                attribute.f = *random.pick(&[f32::NAN, f32::INFINITY, -1.0, 0.0, 1e30]);
                let at = random.below(attribute.ints.len());
                if let Some(slot) = attribute.ints.get_mut(at) {
                    *slot = *random.pick(&EXTREMES);
                }
            }
        }
        2 => {
            let name = *random.pick(&["axis", "axes", "pads", "strides", "kernel_shape", "dilations", "group", "perm"]);
            node.attribute.retain(|a| a.name != name);
            let ints = (0..random.below(6)).map(|_| *random.pick(&EXTREMES)).collect();
            let kind = *random.pick(&[2, 7]);
            let i = *random.pick(&EXTREMES);
            node.attribute.push(AttributeProto { name: name.into(), r#type: kind, i, ints, ..Default::default() });
        }
        3 => {
            let at = random.below(node.input.len());
            if let Some(input) = node.input.get_mut(at) {
                *input = random.pick(&names).clone();
            }
        }
        4 => drop(node.input.pop()),
        5 => node.input.push(random.pick(&names).clone()),
        // Duplicate, forward and circular references.
        7 => {
            if let Some(output) = node.output.first_mut() {
                *output = random.pick(&names).clone();
            }
        }
        8 => {
            let other = random.below(graph.node.len());
            graph.node.swap(index, other);
        }
        9 => {
            let again = graph.node[index].clone();
            graph.node.insert(index, again);
        }
        // A node that makes more of something, and is read in its place.
        10 => {
            let name = random.pick(&names).clone();
            let grown = format!("{name}/grown{}", random.below(1000));
            let op = *random.pick(&["Concat", "Expand", "Pad", "Tile", "Unsqueeze", "Gather", "Add", "Mul", "Resize"]);
            let inputs = [name.as_str(), random.pick(&names).as_str(), random.pick(&names).as_str()];
            let new = make(op, &inputs[..1 + random.below(3)], &grown, vec![int("axis", *random.pick(&EXTREMES))]);
            for node in &mut graph.node[index..] {
                for input in node.input.iter_mut().filter(|input| **input == name) {
                    input.clone_from(&grown);
                }
            }
            graph.node.insert(index, new);
        }
        // A graph in an attribute.
        11 => {
            let inner = graph.clone();
            let attribute = AttributeProto { name: "body".into(), r#type: 5, g: Some(inner), ..Default::default() };
            graph.node[index].attribute.push(attribute);
        }
        12 => {
            let elem_type = *random.pick(&[FLOAT, INT8, 2, 6, 5, 16, 99]);
            let dims: Vec<i64> = (0..random.below(7)).map(|_| *random.pick(&EXTREMES)).collect();
            let at = random.below(graph.input.len());
            if let Some(input) = graph.input.get_mut(at) {
                *input = port(&input.name.clone(), elem_type, &dims);
            }
        }
        6 => {
            let at = random.below(graph.initializer.len());
            if let Some(tensor) = graph.initializer.get_mut(at) {
                let count = tensor.dims.iter().product::<i64>();
                let values: Vec<i64> = (0..count).map(|_| *random.pick(&EXTREMES)).collect();
                match tensor.data_type {
                    1 => {
                        let values = values.iter().map(|_| *random.pick(&[f32::NAN, -1.0, 0.0, 1e-38, 1e38, 0.5]));
                        tensor.raw_data = values.flat_map(f32::to_le_bytes).collect();
                    }
                    6 => tensor.raw_data = values.iter().flat_map(|&v| (v as i32).to_le_bytes()).collect(),
                    7 => tensor.raw_data = values.iter().flat_map(|&v| v.to_le_bytes()).collect(),
                    _ => tensor.raw_data = values.iter().map(|&v| v as u8).collect(),
                }
            }
        }
        _ => {
            let at = random.below(graph.initializer.len());
            if let Some(tensor) = graph.initializer.get_mut(at) {
                match random.below(7) {
                    3 => tensor.dims.iter_mut().for_each(|d| *d = *random.pick(&EXTREMES)),
                    4 => tensor.dims = vec![0, 1 << 40, 1 << 40],
                    5 => tensor.data_type = random.below(24) as i32,
                    6 => {
                        tensor.data_location = Some(1);
                        let entry = StringStringEntryProto { key: "location".into(), value: "/dev/zero".into() };
                        tensor.external_data.push(entry);
                    }
                    0 => tensor.dims.reverse(),
                    1 => tensor.dims.insert(0, 1),
                    _ => tensor.dims = vec![tensor.dims.iter().product()],
                }
            }
        }
    }
}
