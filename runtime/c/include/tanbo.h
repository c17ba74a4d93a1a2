#ifndef TANBO_H
#define TANBO_H

/* Made of runtime/c/src by its tests. Do not edit. */

#include <stddef.h>
#include <stdint.h>
#if !defined(TANBO_ALIGNED)
#define TANBO_ALIGNED(n) __attribute__((aligned(n)))
#endif

/* An arena of so many bytes (the compiler tells them; tanbo_model_arena_bytes does too). */
#define TANBO_ARENA(name, bytes) static TANBO_ALIGNED(16) uint8_t name[bytes]

/* One operator in the kernels of one family: only its address is of use. */
typedef struct tanbo_operator tanbo_operator;

/* The operators of each kernel family: tanbo_<family>_<operator>, and with constants packed for the family
   tanbo_<family>_<operator>_packed. What a program does not name is not linked, if the linker is told --gc-sections. */
#define TANBO_DECLARE_OPERATOR(family, name) extern const tanbo_operator tanbo_##family##_##name;
#define TANBO_DECLARE_FAMILY(family) \
  TANBO_DECLARE_OPERATOR(family, conv2d) \
  TANBO_DECLARE_OPERATOR(family, depthwise_conv2d) \
  TANBO_DECLARE_OPERATOR(family, fully_connected) \
  TANBO_DECLARE_OPERATOR(family, average_pool2d) \
  TANBO_DECLARE_OPERATOR(family, max_pool2d) \
  TANBO_DECLARE_OPERATOR(family, mean) \
  TANBO_DECLARE_OPERATOR(family, add) \
  TANBO_DECLARE_OPERATOR(family, sub) \
  TANBO_DECLARE_OPERATOR(family, mul) \
  TANBO_DECLARE_OPERATOR(family, lut) \
  TANBO_DECLARE_OPERATOR(family, softmax) \
  TANBO_DECLARE_OPERATOR(family, pad) \
  TANBO_DECLARE_OPERATOR(family, concat) \
  TANBO_DECLARE_OPERATOR(family, slice) \
  TANBO_DECLARE_OPERATOR(family, transpose) \
  TANBO_DECLARE_OPERATOR(family, requantize) \
  TANBO_DECLARE_OPERATOR(family, conv2d_i16) \
  TANBO_DECLARE_OPERATOR(family, depthwise_conv2d_i16) \
  TANBO_DECLARE_OPERATOR(family, fully_connected_i16) \
  TANBO_DECLARE_OPERATOR(family, average_pool2d_i16) \
  TANBO_DECLARE_OPERATOR(family, max_pool2d_i16) \
  TANBO_DECLARE_OPERATOR(family, mean_i16) \
  TANBO_DECLARE_OPERATOR(family, add_i16) \
  TANBO_DECLARE_OPERATOR(family, sub_i16) \
  TANBO_DECLARE_OPERATOR(family, mul_i16) \
  TANBO_DECLARE_OPERATOR(family, lut_i16) \
  TANBO_DECLARE_OPERATOR(family, sigmoid_i16) \
  TANBO_DECLARE_OPERATOR(family, softmax_i16) \
  TANBO_DECLARE_OPERATOR(family, svdf) \
  TANBO_DECLARE_OPERATOR(family, lstm) \
  TANBO_DECLARE_OPERATOR(family, gru) \
  TANBO_DECLARE_OPERATOR(family, lstm_i16) \
  TANBO_DECLARE_OPERATOR(family, gru_i16) \
  TANBO_DECLARE_OPERATOR(family, conv2d_i4) \
  TANBO_DECLARE_OPERATOR(family, depthwise_conv2d_i4) \
  TANBO_DECLARE_OPERATOR(family, fully_connected_i4) \
  TANBO_DECLARE_OPERATOR(family, transpose_conv2d) \
  TANBO_DECLARE_OPERATOR(family, transpose_conv2d_i16) \
  TANBO_DECLARE_OPERATOR(family, batch_matmul) \
  TANBO_DECLARE_OPERATOR(family, batch_matmul_i16) \
  TANBO_DECLARE_OPERATOR(family, gather) \
  TANBO_DECLARE_OPERATOR(family, resize_bilinear) \
  TANBO_DECLARE_OPERATOR(family, minimum) \
  TANBO_DECLARE_OPERATOR(family, maximum) \
  TANBO_DECLARE_OPERATOR(family, reduce_max) \
  TANBO_DECLARE_OPERATOR(family, reduce_min) \
  TANBO_DECLARE_OPERATOR(family, squared_difference) \
  TANBO_DECLARE_OPERATOR(family, layer_norm) \
  TANBO_DECLARE_OPERATOR(family, l2_norm) \
  TANBO_DECLARE_OPERATOR(family, div)
#define TANBO_DECLARE_PACKED(family) \
  TANBO_DECLARE_OPERATOR(family, conv2d_packed) \
  TANBO_DECLARE_OPERATOR(family, depthwise_conv2d_packed) \
  TANBO_DECLARE_OPERATOR(family, fully_connected_packed)

#if defined(__cplusplus)
extern "C" {
#endif
TANBO_DECLARE_FAMILY(reference)
TANBO_DECLARE_FAMILY(m0)
TANBO_DECLARE_PACKED(m0)
TANBO_DECLARE_FAMILY(m3)
TANBO_DECLARE_PACKED(m3)
TANBO_DECLARE_FAMILY(dsp)
TANBO_DECLARE_PACKED(dsp)
TANBO_DECLARE_FAMILY(mve)
TANBO_DECLARE_PACKED(mve)
TANBO_DECLARE_FAMILY(rv32)
TANBO_DECLARE_PACKED(rv32)
TANBO_DECLARE_FAMILY(armv7)
TANBO_DECLARE_PACKED(armv7)
TANBO_DECLARE_FAMILY(neon)
TANBO_DECLARE_PACKED(neon)
TANBO_DECLARE_FAMILY(dotprod)
TANBO_DECLARE_PACKED(dotprod)
TANBO_DECLARE_FAMILY(avx2)
TANBO_DECLARE_PACKED(avx2)
TANBO_DECLARE_FAMILY(vnni)
TANBO_DECLARE_PACKED(vnni)
TANBO_DECLARE_OPERATOR(dsp, conv2d_winograd)
#if defined(__cplusplus)
}
#endif


/*
 Words (of a pointer's size) of a `tanbo_model`.
 */
#define TANBO_MODEL_WORDS 32

/*
 Words (of a pointer's size) of a `tanbo_engine`.
 */
#define TANBO_ENGINE_WORDS 160

/*
 Words (of a pointer's size) of a `tanbo_slot`.
 */
#define TANBO_SLOT_WORDS 54

/*
 Words (of a pointer's size) of a `tanbo_fault`.
 */
#define TANBO_FAULT_WORDS 6

/*
 What a function returns: 0 and above is fine, below 0 nothing was done.
 */
enum tanbo_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Done; of a step or a row, the outputs are ready.
   */
  TANBO_STATUS_DONE = 0,
  /*
   There is more to do: call `tanbo_engine_step` again.
   */
  TANBO_STATUS_MORE = 1,
  /*
   The next row of the first input is wanted: call `tanbo_engine_input_row`.
   */
  TANBO_STATUS_INPUT = 2,
  /*
   A pointer is null.
   */
  TANBO_STATUS_NULL = -1,
  /*
   A pointer is not aligned as its type asks.
   */
  TANBO_STATUS_MISALIGNED = -2,
  /*
   A length that no object can have.
   */
  TANBO_STATUS_LENGTH = -3,
  /*
   The storage holds nothing: make it with `tanbo_model_parse` or `tanbo_engine_new` first. A copy of it holds nothing either.
   */
  TANBO_STATUS_NOT_READY = -4,
  /*
   Two memories overlap that must not: arena, artifact, storage.
   */
  TANBO_STATUS_OVERLAP = -5,
  /*
   The list of operators holds a null pointer, or has more entries than there are operators.
   */
  TANBO_STATUS_OPERATOR_LIST = -6,
  /*
   The bytes are no artifact, or not all of one.
   */
  TANBO_STATUS_NOT_AN_ARTIFACT = -7,
  /*
   The artifact has another version of the format: compile the model again.
   */
  TANBO_STATUS_OTHER_VERSION = -8,
  /*
   The artifact does not begin at a 16-byte boundary.
   */
  TANBO_STATUS_ARTIFACT_MISALIGNED = -9,
  /*
   The artifact is damaged: `tanbo_fault_text` tells where.
   */
  TANBO_STATUS_BAD_ARTIFACT = -10,
  /*
   An operator of the model is not in the list: `tanbo_fault_text` tells which step needs it.
   */
  TANBO_STATUS_MISSING_OPERATOR = -11,
  /*
   The constants of a step are packed for other kernels than those listed.
   */
  TANBO_STATUS_MISSING_PACKING = -12,
  /*
   The list has kernels that this library or CPU does not have.
   */
  TANBO_STATUS_UNAVAILABLE = -13,
  /*
   The arena has fewer bytes than `tanbo_model_arena_bytes`.
   */
  TANBO_STATUS_ARENA_TOO_SMALL = -14,
  /*
   The arena does not begin at a 16-byte boundary.
   */
  TANBO_STATUS_ARENA_MISALIGNED = -15,
  /*
   The model has no such input or output.
   */
  TANBO_STATUS_NO_SUCH_TENSOR = -16,
  /*
   The first input comes row by row: `tanbo_engine_input_row`.
   */
  TANBO_STATUS_INPUT_BY_ROWS = -17,
  /*
   The first input is a whole tensor: `tanbo_engine_input`.
   */
  TANBO_STATUS_INPUT_IS_WHOLE = -18,
  /*
   The row has another length than rows of the first input.
   */
  TANBO_STATUS_ROW_LENGTH = -19,
  /*
   Rows are of int8 inputs only.
   */
  TANBO_STATUS_NOT_INT8 = -20,
  /*
   A step cannot go on. No artifact that was parsed gives it.
   */
  TANBO_STATUS_STEP = -21,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tanbo_status tanbo_status;
#else
typedef int32_t tanbo_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 Element type of a tensor.
 */
enum tanbo_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   `int8_t`.
   */
  TANBO_TYPE_I8 = 0,
  /*
   `uint8_t`.
   */
  TANBO_TYPE_U8 = 1,
  /*
   `int16_t`.
   */
  TANBO_TYPE_I16 = 2,
  /*
   `int32_t`.
   */
  TANBO_TYPE_I32 = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum tanbo_type tanbo_type;
#else
typedef int32_t tanbo_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 Place for the reason of a refusal.
 */
typedef struct tanbo_fault {
  size_t words[TANBO_FAULT_WORDS];
} tanbo_fault;

/*
 Place for a parsed artifact. Its content is the library's; it must not be copied or moved.
 */
typedef struct tanbo_model {
  size_t words[TANBO_MODEL_WORDS];
} tanbo_model;

/*
 Place for an engine. Its content is the library's; it must not be copied or moved.
 */
typedef struct tanbo_engine {
  size_t words[TANBO_ENGINE_WORDS];
} tanbo_engine;

/*
 Place for one step made ready to run.
 */
typedef struct TANBO_ALIGNED(8) tanbo_slot {
  size_t words[TANBO_SLOT_WORDS];
} tanbo_slot;

/*
 An input or an output of a model: real value = scale * (integer - zero_point).
 */
typedef struct tanbo_tensor {
  /*
   The values, in the order of `shape`, the last axis fastest; null for an input that comes row by row. Of an output, to be read only.
   They hold until the engine is made anew; a run overwrites inputs.
   */
  void *data;
  /*
   Length of `data`, bytes.
   */
  size_t bytes;
  /*
   Number of values.
   */
  size_t elements;
  /*
   Axes, `rank` of them: images are height by width by channels behind their batch. They lie in the artifact.
   */
  const uint32_t *shape;
  /*
   Number of axes.
   */
  size_t rank;
  /*
   Values of one row of an input that comes row by row, else 0.
   */
  size_t row_elements;
  /*
   Element type.
   */
  tanbo_type element_type;
  /*
   Real distance between two neighbouring integers.
   */
  float scale;
  /*
   The integer that stands for zero.
   */
  int32_t zero_point;
} tanbo_tensor;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Returns the version of the library, such as "0.1.0".
 */
const char *tanbo_version(void);

/*
 Returns the text of a status.
 */
const char *tanbo_status_text(int32_t status);

/*
 Writes what `fault` tells, with the place in the artifact and the remedy, and a zero byte to `buffer`, as much as there is
 room for; returns the length of the whole text in bytes, without the zero byte. Links the formatting of numbers, some kilobytes.

 # Safety
 `fault` was given to a call that refused; `buffer` has `bytes` bytes.
 */
size_t tanbo_fault_text(struct tanbo_fault *fault,
                        char *buffer,
                        size_t bytes);

/*
 Verifies the artifact of `artifact_bytes` bytes, which must begin at a 16-byte boundary and stay as it is while the model or an engine of it
 is used, with `operator_count` operators, and leaves what was found in `model`. Whatever the bytes are, nothing but a refusal
 comes of them. `fault` may be null.

 # Safety
 Every pointer that is not null points to as much as is said; each operator is one of this library's.
 */
tanbo_status tanbo_model_parse(struct tanbo_model *model,
                               const void *artifact,
                               size_t artifact_bytes,
                               const tanbo_operator *const *operators,
                               size_t operator_count,
                               struct tanbo_fault *fault);

/*
 Writes how many arena bytes an engine of `model` needs, exactly.

 # Safety
 Every pointer that is not null points to what its type says.
 */
tanbo_status tanbo_model_arena_bytes(struct tanbo_model *model, size_t *bytes);

/*
 Makes an engine of `model` in `engine`, with an arena at a 16-byte boundary, and gives states their first content. The model may
 be thrown away then. `fault` may be null.

 # Safety
 Every pointer that is not null points to as much as is said; the arena is the engine's as long as the engine is used,
 but for what `tanbo_engine_input` hands out.
 */
tanbo_status tanbo_engine_new(struct tanbo_engine *engine,
                              struct tanbo_model *model,
                              void *arena,
                              size_t arena_bytes,
                              struct tanbo_fault *fault);

/*
 Gives `engine` room to keep what it decoded of the first `count` steps; without it every run decodes every step again, about a
 thousand instructions each.

 # Safety
 Every pointer that is not null points to as much as is said; the slots are the engine's as long as it is used.
 */
tanbo_status tanbo_engine_set_cache(struct tanbo_engine *engine,
                                    struct tanbo_slot *slots,
                                    size_t count);

/*
 Describes input `index`, counted from 0; `TANBO_STATUS_NO_SUCH_TENSOR` behind the last. Inputs must be written before every run: the
 arena is reused.

 # Safety
 Every pointer that is not null points to what its type says.
 */
tanbo_status tanbo_engine_input(struct tanbo_engine *engine,
                                size_t index,
                                struct tanbo_tensor *tensor);

/*
 Describes output `index`, counted from 0; `TANBO_STATUS_NO_SUCH_TENSOR` behind the last. Its values hold from the end of a run to the
 beginning of the next.

 # Safety
 Every pointer that is not null points to what its type says.
 */
tanbo_status tanbo_engine_output(struct tanbo_engine *engine,
                                 size_t index,
                                 struct tanbo_tensor *tensor);

/*
 Runs one inference from the beginning, with the states as they are.

 # Safety
 If `engine` is not null, it points to what its type says.
 */
tanbo_status tanbo_engine_run(struct tanbo_engine *engine);

/*
 Goes on with the inference until `budget` rows (at least one) are written or a chain of steps is finished: `TANBO_STATUS_MORE`, or
 `TANBO_STATUS_DONE` when the outputs are ready; the next call then begins the next inference.

 # Safety
 If `engine` is not null, it points to what its type says.
 */
tanbo_status tanbo_engine_step(struct tanbo_engine *engine,
                               uint32_t budget);

/*
 Gives the next row of the first input, `elements` int8 values, where it comes row by row, and runs what can be run with it:
 `TANBO_STATUS_INPUT` until the last row, with which the inference ends, `TANBO_STATUS_DONE`.

 # Safety
 Every pointer that is not null points to as much as is said.
 */
tanbo_status tanbo_engine_input_row(struct tanbo_engine *engine,
                                    const int8_t *row,
                                    size_t elements);

/*
 Forgets how far the current inference has come; states stay as they are.

 # Safety
 If `engine` is not null, it points to what its type says.
 */
tanbo_status tanbo_engine_restart(struct tanbo_engine *engine);

/*
 Returns to the beginning of the first inference: every state holds its first content again.

 # Safety
 If `engine` is not null, it points to what its type says.
 */
tanbo_status tanbo_engine_reset(struct tanbo_engine *engine);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TANBO_H */
