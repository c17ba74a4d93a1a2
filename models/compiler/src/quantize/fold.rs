//! Constants that nodes compute: what exporters leave of weights, normalisations and shapes.
//!
//! Computed in float32, as ONNX specifies. Shapes are left to the importer, which knows all of them.

use tract_onnx::pb::NodeProto;

use super::Res;
use super::network::{Network, OPSET};
use crate::import::onnx::constant::{Constant, Data, broadcast, strides, transposed_indices, walk};
use crate::import::onnx::proto::Op;

/// Most elements of all folded constants together.
const MAX_FOLDED: usize = 1 << 25;

/// Replaces nodes whose inputs are all constant floats.
pub(crate) fn fold_constants(network: &mut Network) -> Res<()> {
    let mut kept = Vec::with_capacity(network.nodes.len());
    let mut left = MAX_FOLDED;
    for (index, node) in std::mem::take(&mut network.nodes).into_iter().enumerate() {
        let folded = fold(network, &node, index, left)?;
        match (folded, node.output.as_slice()) {
            (Some(constant), [output]) if !network.outputs.contains(output) => {
                left = left.saturating_sub(constant.data.len());
                network.constants.insert(output.clone(), constant);
            }
            _ => kept.push(node),
        }
    }
    network.nodes = kept;
    Ok(())
}

fn fold(network: &Network, node: &NodeProto, index: usize, left: usize) -> Res<Option<Constant>> {
    let op = Op::new(node, index, OPSET);
    let Some(first) = node.input.first().and_then(|name| network.constants.get(name)) else { return Ok(None) };
    if first.data.len() > left {
        return Ok(None);
    }
    let integers = |i: usize| node.input.get(i).and_then(|name| network.constants.get(name))?.integers();
    let Data::F32(values) = &first.data else {
        // Shape arithmetic is the importer's; a cast gives floats.
        return Ok(match (&first.data, node.op_type.as_str(), op.int("to", 0)?) {
            (Data::I64(v), "Cast", 1) => {
                Some(Constant { shape: first.shape.clone(), data: Data::F32(v.iter().map(|&x| x as f32).collect()) })
            }
            (Data::I32(v), "Cast", 1) => {
                Some(Constant { shape: first.shape.clone(), data: Data::F32(v.iter().map(|&x| x as f32).collect()) })
            }
            _ => None,
        });
    };
    let map = |f: fn(f32) -> f32| {
        Some(Constant { shape: first.shape.clone(), data: Data::F32(values.iter().map(|&v| f(v)).collect()) })
    };
    Ok(match node.op_type.as_str() {
        "Identity" => Some(first.clone()),
        "Cast" if op.int("to", 0)? == 1 => Some(first.clone()),
        "Neg" => map(|v| -v),
        "Sqrt" => map(f32::sqrt),
        "Reciprocal" => map(|v| 1.0 / v),
        "Abs" => map(f32::abs),
        "Exp" => map(|v| libm::exp(f64::from(v)) as f32),
        "Transpose" => {
            let rank = first.shape.len();
            let perm: Vec<usize> = match op.ints("perm")? {
                Some(perm) => perm.iter().filter_map(|&p| usize::try_from(p).ok()).collect(),
                None => (0..rank).rev().collect(),
            };
            let mut sorted = perm.clone();
            sorted.sort_unstable();
            if !sorted.into_iter().eq(0..rank) {
                return Err(op.malformed(format!("permutation {perm:?} of {rank} axes")));
            }
            transposed_indices(&first.shape, &perm).and_then(|(shape, indices)| first.picked(shape, &indices))
        }
        "Reshape" => integers(1).and_then(|wanted| reshaped(first, &wanted, op.int("allowzero", 0).ok()? != 0)),
        "Squeeze" => {
            let axes = integers(1);
            let rank = first.shape.len() as i64;
            let drop = |(i, &extent): (usize, &usize)| match &axes {
                Some(axes) => axes.iter().any(|&a| a == i as i64 || a.saturating_add(rank) == i as i64),
                None => extent == 1,
            };
            let shape = first.shape.iter().enumerate().filter(|&e| !drop(e)).map(|(_, &extent)| extent).collect();
            first.reshaped(shape)
        }
        "Unsqueeze" => integers(1).and_then(|axes| {
            let rank = first.shape.len() + axes.len();
            let at = |i: usize| axes.iter().any(|&a| a == i as i64 || a.saturating_add(rank as i64) == i as i64);
            let mut rest = first.shape.iter();
            let shape: Option<Vec<usize>> =
                (0..rank).map(|i| if at(i) { Some(1) } else { rest.next().copied() }).collect();
            first.reshaped(shape?)
        }),
        "Add" | "Sub" | "Mul" | "Div" => {
            let second = node.input.get(1).and_then(|name| network.floats(name));
            let f: fn(f32, f32) -> f32 = match node.op_type.as_str() {
                "Add" => |a, b| a + b,
                "Sub" => |a, b| a - b,
                "Mul" => |a, b| a * b,
                _ => |a, b| a / b,
            };
            second.and_then(|(shape, others)| combine((&first.shape, values), (shape, others), f, left))
        }
        _ => None,
    })
}

fn reshaped(constant: &Constant, wanted: &[i64], allow_zero: bool) -> Option<Constant> {
    let total = constant.data.len();
    let mut shape = Vec::with_capacity(wanted.len().min(16));
    let mut open = None;
    for (i, &extent) in wanted.iter().enumerate().take(16) {
        shape.push(match extent {
            -1 => {
                open = Some(i);
                1
            }
            0 if !allow_zero => *constant.shape.get(i)?,
            extent => usize::try_from(extent).ok()?,
        });
    }
    if let Some(slot) = open.and_then(|i| shape.get_mut(i)) {
        *slot = 1;
        let rest = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n > 0)?;
        *shape.get_mut(open?)? = total / rest;
    }
    constant.reshaped(shape)
}

/// Returns `f` of two arrays, broadcast.
fn combine(
    (a_shape, a): (&[usize], &[f32]),
    (b_shape, b): (&[usize], &[f32]),
    f: fn(f32, f32) -> f32,
    left: usize,
) -> Option<Constant> {
    let shape = broadcast(a_shape, b_shape)?;
    if shape.iter().product::<usize>() > left {
        return None;
    }
    let indices = |own: &[usize]| -> Option<Vec<usize>> {
        let steps = strides(own);
        let missing = shape.len().checked_sub(own.len())?;
        let steps: Option<Vec<isize>> = (0..shape.len())
            .map(|i| match i.checked_sub(missing) {
                Some(j) if own.get(j) != Some(&1) => isize::try_from(*steps.get(j)?).ok(),
                _ => Some(0),
            })
            .collect();
        walk(&shape, 0, &steps?)
    };
    let (ia, ib) = (indices(a_shape)?, indices(b_shape)?);
    let values: Option<Vec<f32>> = ia.iter().zip(&ib).map(|(&i, &j)| Some(f(*a.get(i)?, *b.get(j)?))).collect();
    Some(Constant { shape, data: Data::F32(values?) })
}
