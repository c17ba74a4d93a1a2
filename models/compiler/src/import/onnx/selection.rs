//! Operators that pick elements by position or by size: gathers, tiles, blocks, reductions, resizes.

use std::rc::Rc;

use super::constant::Data;
use super::moves::normalized;
use super::proto::Op;
use super::value::{Kind, Move, Value};
use super::{Importer, MAX_ELEMENTS, QUANTIZE_ALL, Res};
use crate::resize::{OnnxNearest, OnnxPlacing, Ratio};

impl Importer {
    /// Returns what `indices` pick along an axis: a slice where they are evenly spaced, else a selection by a list.
    pub(super) fn picked(&mut self, op: &Op, input: &Value, axis: usize, indices: Vec<usize>) -> Res<Value> {
        let mut count = input.shape().to_vec();
        let step = match indices.as_slice() {
            &[first, second, ..] => second as isize - first as isize,
            _ => 1,
        };
        let even = indices.iter().zip(indices.iter().skip(1)).all(|(&a, &b)| b as isize - a as isize == step);
        if let Some(extent) = count.get_mut(axis) {
            *extent = indices.len();
        }
        if !even {
            self.spend(indices.len(), &op.place)?;
            let step = Move::Gather { axis, indices: Rc::new(indices), shape: count.clone() };
            return self.moved(op, input, step, count);
        }
        let mut begin = vec![0; count.len()];
        let mut stride = vec![1; count.len()];
        if let (Some(b), Some(s), Some(&first)) = (begin.get_mut(axis), stride.get_mut(axis), indices.first()) {
            (*b, *s) = (first, step);
        }
        self.moved(op, input, Move::Slice { begin, stride, count: count.clone() }, count)
    }

    /// Gather with constant indices.
    pub(super) fn gather(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let shape = input.shape().to_vec();
        let axes = normalized(op, &[op.int("axis", 0)?], shape.len())?;
        let axis = axes.first().copied().unwrap_or(0);
        let extent = shape.get(axis).copied().unwrap_or(0);
        let constant = match self.input(op, 1)? {
            Value::Constant(constant) => constant,
            _ => {
                return Err(op.unsupported(
                    "its indices are computed by the model",
                    "gather with constant indices; look embeddings up on the host and give them as the input",
                ));
            }
        };
        let indices = constant.integers().ok_or_else(|| op.malformed("its indices are not of integers"))?;
        let indices: Option<Vec<usize>> = indices
            .iter()
            .map(|&i| usize::try_from(if i < 0 { i.saturating_add(extent as i64) } else { i }).ok())
            .map(|i| i.filter(|&i| i < extent))
            .collect();
        let indices = indices.ok_or_else(|| op.inconsistent("an index is out of range"))?;
        if indices.is_empty() {
            return Err(op.unsupported("it gathers nothing", "remove the node"));
        }
        let picked = self.picked(op, &input, axis, indices)?;
        if constant.shape.len() == 1 {
            return Ok(picked);
        }
        let (outer, inner) = shape.split_at(axis);
        let shape: Vec<usize> = [outer, &constant.shape, inner.get(1..).unwrap_or_default()].concat();
        self.moved(op, &picked, Move::Reshape(shape.clone()), shape)
    }

    /// Tile: each axis repeated as a whole.
    pub(super) fn tile(&mut self, op: &Op) -> Res<Value> {
        let mut value = self.input(op, 0)?;
        let shape = value.shape().to_vec();
        let repeats = self.constant(op, 1)?.integers().ok_or_else(|| op.malformed("its repeats are not integers"))?;
        if repeats.len() != shape.len() {
            return Err(op.malformed(format!("{} repeats for {} axes", repeats.len(), shape.len())));
        }
        for (axis, (&extent, &times)) in shape.iter().zip(&repeats).enumerate() {
            let total = usize::try_from(times).ok().and_then(|times| extent.checked_mul(times));
            let total = total.filter(|&n| n > 0 && n <= MAX_ELEMENTS).ok_or_else(|| {
                op.unsupported(format!("it repeats {extent} elements {times} times"), "repeat fewer, at least once")
            })?;
            if total != extent {
                self.spend(total, &op.place)?;
                value = self.picked(op, &value, axis, (0..total).map(|i| i % extent).collect())?;
            }
        }
        Ok(value)
    }

    /// Reshape, Transpose, Reshape: what the block operators are.
    fn rearranged(&mut self, op: &Op, from: Vec<usize>, perm: Vec<usize>, shape: Vec<usize>) -> Res<Value> {
        let input = self.input(op, 0)?;
        let moved = super::builder::permute(&from, &perm);
        let value = self.moved(op, &input, Move::Reshape(from.clone()), from)?;
        let value = self.moved(op, &value, Move::Transpose(perm), moved)?;
        self.moved(op, &value, Move::Reshape(shape.clone()), shape)
    }

    fn blocks(&self, op: &Op) -> Res<([usize; 4], usize)> {
        let input = self.input(op, 0)?;
        let Ok(shape) = <[usize; 4]>::try_from(input.shape()) else {
            return Err(op.malformed(format!("an input of {} axes", input.shape().len())));
        };
        let size = op.int("blocksize", 0)?;
        let block = usize::try_from(size).ok().filter(|&b| b > 0 && b < 1 << 14);
        Ok((shape, block.ok_or_else(|| op.malformed(format!("blocksize = {size}")))?))
    }

    /// DepthToSpace: channels become blocks of pixels.
    pub(super) fn depth_to_space(&mut self, op: &Op) -> Res<Value> {
        let ([n, c, h, w], b) = self.blocks(op)?;
        let mode = op.string("mode", "DCR")?;
        if !c.is_multiple_of(b * b) {
            return Err(op.inconsistent(format!("{c} channels are not blocks of {b} times {b}")));
        }
        let channels = c / (b * b);
        let shape = vec![n, channels, h * b, w * b];
        match mode {
            "DCR" => self.rearranged(op, vec![n, b, b, channels, h, w], vec![0, 3, 4, 1, 5, 2], shape),
            "CRD" => self.rearranged(op, vec![n, channels, b, b, h, w], vec![0, 1, 4, 2, 5, 3], shape),
            other => Err(op.malformed(format!("mode = {other}"))),
        }
    }

    /// SpaceToDepth: blocks of pixels become channels.
    pub(super) fn space_to_depth(&mut self, op: &Op) -> Res<Value> {
        let ([n, c, h, w], b) = self.blocks(op)?;
        if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
            return Err(op.inconsistent(format!("{h} rows of {w} are not blocks of {b} times {b}")));
        }
        let shape = vec![n, c * b * b, h / b, w / b];
        self.rearranged(op, vec![n, c, h / b, b, w / b, b], vec![0, 3, 5, 1, 2, 4], shape)
    }

    /// Returns the axes of a reduction, and the shape that is left; no axes if nothing is reduced.
    pub(super) fn reduction(&self, op: &Op, shape: &[usize], since: i64) -> Res<(Vec<usize>, bool, Vec<usize>)> {
        let axes = match self.axes(op, 1, since)? {
            Some(axes) if !axes.is_empty() => normalized(op, &axes, shape.len())?,
            _ if op.int("noop_with_empty_axes", 0)? != 0 => Vec::new(),
            _ => (0..shape.len()).collect(),
        };
        let keep = op.int("keepdims", 1)? != 0;
        let left = shape.iter().enumerate().filter_map(|(i, &extent)| match (axes.contains(&i), keep) {
            (false, _) => Some(extent),
            (true, true) => Some(1),
            (true, false) => None,
        });
        let left = left.collect();
        Ok((axes, keep, left))
    }

    /// ReduceMax and ReduceMin: the order of integers is that of the reals.
    pub(super) fn reduce_extremum(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let (axes, keep, shape) = self.reduction(op, input.shape(), 18)?;
        if axes.is_empty() {
            return Ok(input);
        }
        if let Value::Constant(_) | Value::Dequantized(_) = input {
            return Err(op.unsupported("its input is constant", "fold constants before quantizing"));
        }
        let greatest = op.proto.op_type == "ReduceMax";
        self.moved(op, &input, Move::Reduce { axes, keep, greatest, shape: shape.clone() }, shape)
    }

    /// ReduceSum.
    pub(super) fn reduce_sum(&mut self, op: &Op) -> Res<Value> {
        let (input, _) = self.activation(op, 0)?;
        let (axes, keep, shape) = self.reduction(op, &input.shape, 13)?;
        if axes.is_empty() {
            return self.input(op, 0);
        }
        self.pending(op, Kind::Mean { input, axes, keep, divide: false }, shape)
    }

    /// Resize: nearest as a selection along each axis, linear as an interpolation over one or two.
    pub(super) fn resize(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let shape = input.shape().to_vec();
        let (sizes, ratios) = self.resized(op, &shape)?;
        for (name, wanted) in [("antialias", 0), ("exclude_outside", 0)] {
            if op.int(name, 0)? != wanted {
                return Err(op.unsupported(format!("{name} is on"), "resize without it"));
            }
        }
        let placing = match op.string("coordinate_transformation_mode", "half_pixel")? {
            "half_pixel" => OnnxPlacing::HalfPixel,
            "pytorch_half_pixel" => OnnxPlacing::PytorchHalfPixel,
            "align_corners" => OnnxPlacing::AlignCorners,
            "asymmetric" => OnnxPlacing::Asymmetric,
            "half_pixel_symmetric" if ratios.iter().all(|ratio| ratio.is_whole()) => OnnxPlacing::HalfPixel,
            other => {
                return Err(op.unsupported(
                    format!("its coordinate transformation is {other}"),
                    "use half_pixel, pytorch_half_pixel, align_corners or asymmetric",
                ));
            }
        };
        if sizes == shape {
            return Ok(input);
        }
        match op.string("mode", "nearest")? {
            "nearest" => {
                let rounding = match op.string("nearest_mode", "round_prefer_floor")? {
                    "round_prefer_floor" => OnnxNearest::RoundPreferFloor,
                    "round_prefer_ceil" => OnnxNearest::RoundPreferCeil,
                    "floor" => OnnxNearest::Floor,
                    "ceil" => OnnxNearest::Ceil,
                    other => return Err(op.malformed(format!("nearest_mode = {other}"))),
                };
                // The axis that shrinks most, or grows least, first: what lies between is smallest so.
                let mut axes: Vec<usize> = (0..shape.len()).filter(|&a| sizes.get(a) != shape.get(a)).collect();
                axes.sort_by_key(|&a| sizes.get(a).zip(shape.get(a)).map(|(to, from)| to * 1024 / from.max(&1)));
                let mut value = input;
                for axis in axes {
                    let Some(ratio) = ratios.get(axis) else { continue };
                    self.spend(ratio.outputs, &op.place)?;
                    value = self.picked(op, &value, axis, placing.nearest(rounding, ratio))?;
                }
                Ok(value)
            }
            "linear" => self.resize_linear(op, placing, &ratios, sizes),
            other => Err(op.unsupported(format!("its mode is {other}"), "use mode nearest or linear")),
        }
    }

    fn resize_linear(&mut self, op: &Op, placing: OnnxPlacing, ratios: &[Ratio], sizes: Vec<usize>) -> Res<Value> {
        let (input, quant) = self.activation(op, 0)?;
        let (leading, spatial) = ratios.split_at(ratios.len().min(2));
        if leading.iter().any(|ratio| ratio.inputs != ratio.outputs) || !(1..=2).contains(&spatial.len()) {
            return Err(op.unsupported(
                format!("it interpolates from {:?} to {sizes:?}", input.shape),
                "interpolate over one or two axes behind batch and channels",
            ));
        }
        let mut axes = vec![];
        for ratio in spatial {
            self.spend(2 * ratio.outputs, &op.place)?;
            axes.push(placing.interpolation(ratio));
        }
        if spatial.len() == 1 {
            axes.push(OnnxPlacing::Asymmetric.interpolation(&Ratio::of(1, 1)));
        }
        let units = axes.iter().flatten().fold(1i64, |product, axis| product.saturating_mul(axis.unit.into()));
        let (Ok([Some(rows), Some(columns)]), true) = (<[_; 2]>::try_from(axes), units <= 1 << 23) else {
            return Err(op.unsupported(
                format!("its weights from {:?} to {sizes:?} are no simple fractions", input.shape),
                "resize by simple ratios, or give sizes instead of scales",
            ));
        };
        self.pending(op, Kind::Resize { input, quant, rows, columns }, sizes)
    }

    /// Returns the shape that a Resize gives, and the ratio of each axis.
    fn resized(&self, op: &Op, shape: &[usize]) -> Res<(Vec<usize>, Vec<Ratio>)> {
        let axes = match op.ints("axes")? {
            Some(axes) => normalized(op, axes, shape.len())?,
            None => (0..shape.len()).collect(),
        };
        if op.string("keep_aspect_ratio_policy", "stretch")? != "stretch" {
            return Err(op.unsupported("it keeps the aspect ratio", "give the exact sizes"));
        }
        let given = |i: usize| -> Res<Option<Rc<super::constant::Constant>>> {
            if op.input_name(i).is_none() {
                return Ok(None);
            }
            self.constant(op, i).map(|constant| (constant.data.len() > 0).then_some(constant))
        };
        let (scales, sizes) = (given(2)?, given(3)?);
        let mut ratios: Vec<Ratio> = shape.iter().map(|&n| Ratio::of(n, n)).collect();
        let wrong = |count: usize| op.malformed(format!("{count} scales or sizes for {} axes", axes.len()));
        if let Some(sizes) = sizes {
            let sizes = sizes.integers().ok_or_else(|| op.malformed("its sizes are not integers"))?;
            if sizes.len() != axes.len() {
                return Err(wrong(sizes.len()));
            }
            for (&axis, &size) in axes.iter().zip(&sizes) {
                let size = usize::try_from(size).ok().filter(|&n| n > 0 && n <= MAX_ELEMENTS);
                let size = size.ok_or_else(|| op.malformed(format!("sizes {sizes:?}")))?;
                if let Some(ratio) = ratios.get_mut(axis) {
                    *ratio = Ratio::of(ratio.inputs, size);
                }
            }
        } else if let Some(scales) = scales {
            let Data::F32(scales) = &scales.data else { return Err(op.malformed("its scales are not float32")) };
            if scales.len() != axes.len() {
                return Err(wrong(scales.len()));
            }
            for (&axis, &scale) in axes.iter().zip(scales) {
                if let Some(ratio) = ratios.get_mut(axis) {
                    *ratio =
                        Ratio::scaled(ratio.inputs, scale).filter(|r| r.outputs <= MAX_ELEMENTS).ok_or_else(|| {
                            op.unsupported(
                                format!("scale {scale} is no simple fraction"),
                                "give sizes instead of scales",
                            )
                        })?;
                }
            }
        } else {
            return Err(op.unsupported("it has neither scales nor sizes that are constant", QUANTIZE_ALL));
        }
        Ok((ratios.iter().map(|ratio| ratio.outputs).collect(), ratios))
    }
}
