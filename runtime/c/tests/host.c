/* What the library refuses, and that what it accepts runs: a program on this machine. Prints what failed; exit code 0 if nothing did. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "tanbo.h"

static int failures;

static void expect(int line, const char *what, long long found, long long expected) {
    if (found != expected) {
        printf("line %d: %s: %lld, not %lld\n", line, what, found, expected);
        failures++;
    }
}

#define EXPECT(what, expected) expect(__LINE__, #what, (long long)(what), (long long)(expected))

TANBO_ARENA(arena, MODEL_ARENA_BYTES + 32);
static TANBO_ALIGNED(16) uint8_t damaged[sizeof model + 16];
static const tanbo_operator *const operators[] = {MODEL_OPERATORS};
static const tanbo_operator *const others[] = {&tanbo_reference_softmax};
static const tanbo_operator *const holes[] = {&tanbo_reference_fully_connected, NULL};
static const tanbo_operator *const foreign[] = {&tanbo_mve_fully_connected};
#define COUNT(list) (sizeof list / sizeof list[0])

static tanbo_model parsed, empty_model;
static tanbo_engine engine, empty_engine, moved;
static tanbo_fault fault;
static tanbo_slot slots[MODEL_STEPS];
static tanbo_tensor input, output;

static tanbo_status parse(const void *artifact, size_t bytes) {
    return tanbo_model_parse(&parsed, artifact, bytes, operators, COUNT(operators), &fault);
}

static void artifacts(void) {
    char text[200];
    size_t length = tanbo_fault_text(&fault, text, sizeof text);
    EXPECT(length, strlen(text));
    EXPECT(strcmp(text, tanbo_status_text(TANBO_STATUS_NOT_READY)), 0);

    EXPECT(tanbo_model_parse(NULL, model, sizeof model, operators, COUNT(operators), NULL), TANBO_STATUS_NULL);
    EXPECT(tanbo_model_parse((tanbo_model *)((char *)&parsed + 1), model, sizeof model, operators, COUNT(operators), NULL),
           TANBO_STATUS_MISALIGNED);
    EXPECT(parse(NULL, sizeof model), TANBO_STATUS_NULL);
    EXPECT(parse(model, SIZE_MAX), TANBO_STATUS_LENGTH);
    EXPECT(parse(model, 0), TANBO_STATUS_NOT_AN_ARTIFACT);
    EXPECT(parse(model, sizeof model - 1), TANBO_STATUS_NOT_AN_ARTIFACT);
    EXPECT(parse(&parsed, 64), TANBO_STATUS_OVERLAP);
    EXPECT(tanbo_model_parse(&parsed, model, sizeof model, NULL, 1, NULL), TANBO_STATUS_NULL);
    EXPECT(tanbo_model_parse(&parsed, model, sizeof model, operators, 1 << 20, NULL), TANBO_STATUS_OPERATOR_LIST);
    EXPECT(tanbo_model_parse(&parsed, model, sizeof model, holes, COUNT(holes), NULL), TANBO_STATUS_OPERATOR_LIST);
    EXPECT(tanbo_model_parse(&parsed, model, sizeof model, others, COUNT(others), &fault), TANBO_STATUS_MISSING_OPERATOR);
    length = tanbo_fault_text(&fault, text, sizeof text);
    EXPECT(length, strlen(text));
    EXPECT(strncmp(text, "step 0: ", 8), 0);
    EXPECT(tanbo_fault_text(&fault, text, 5), strlen("step 0: unknown operator or kernel variant"));
    EXPECT(strcmp(text, "step"), 0);
    EXPECT(tanbo_fault_text(&fault, NULL, 5), 0);

    memcpy(damaged + 4, model, sizeof model);
    EXPECT(parse(damaged + 4, sizeof model), TANBO_STATUS_ARTIFACT_MISALIGNED);
    /* Whatever byte is wrong: accepted or refused, and nothing else. */
    memcpy(damaged, model, sizeof model);
    for (size_t at = 0; at < sizeof model; at++) {
        damaged[at] ^= 0x41;
        tanbo_status status = parse(damaged, sizeof model);
        EXPECT(status == TANBO_STATUS_DONE || status <= TANBO_STATUS_NOT_AN_ARTIFACT, 1);
        damaged[at] ^= 0x41;
    }
    /* A refusal leaves no model behind that looks like one. */
    EXPECT(tanbo_model_arena_bytes(&empty_model, &(size_t){0}), TANBO_STATUS_NOT_READY);
}

static void engines(void) {
    size_t needed = 0;
    EXPECT(parse(model, sizeof model), TANBO_STATUS_DONE);
    EXPECT(tanbo_model_arena_bytes(&parsed, NULL), TANBO_STATUS_NULL);
    EXPECT(tanbo_model_arena_bytes(&parsed, &needed), TANBO_STATUS_DONE);
    EXPECT(needed, MODEL_ARENA_BYTES);

    EXPECT(tanbo_engine_new(NULL, &parsed, arena, needed, NULL), TANBO_STATUS_NULL);
    EXPECT(tanbo_engine_new(&engine, NULL, arena, needed, NULL), TANBO_STATUS_NULL);
    EXPECT(tanbo_engine_new(&engine, &empty_model, arena, needed, NULL), TANBO_STATUS_NOT_READY);
    EXPECT(tanbo_engine_new(&engine, &parsed, NULL, needed, NULL), TANBO_STATUS_NULL);
    EXPECT(tanbo_engine_new(&engine, &parsed, arena, needed - 1, &fault), TANBO_STATUS_ARENA_TOO_SMALL);
    EXPECT(tanbo_engine_new(&engine, &parsed, arena + 4, needed, NULL), TANBO_STATUS_ARENA_MISALIGNED);
    EXPECT(tanbo_engine_new(&engine, &parsed, arena, SIZE_MAX / 2 + 2, NULL), TANBO_STATUS_LENGTH);
    EXPECT(tanbo_engine_new(&engine, &parsed, &engine, sizeof engine, NULL), TANBO_STATUS_OVERLAP);
    EXPECT(tanbo_engine_new(&engine, &parsed, (void *)model, sizeof model, NULL), TANBO_STATUS_OVERLAP);
    EXPECT(tanbo_engine_run(&engine), TANBO_STATUS_NOT_READY);
    EXPECT(tanbo_engine_new(&engine, &parsed, arena, sizeof arena, NULL), TANBO_STATUS_DONE);

    /* Kernels that this machine does not have. */
    EXPECT(tanbo_model_parse(&parsed, model, sizeof model, foreign, COUNT(foreign), NULL), TANBO_STATUS_DONE);
    EXPECT(tanbo_engine_new(&empty_engine, &parsed, arena, sizeof arena, NULL), TANBO_STATUS_UNAVAILABLE);

    memcpy(&moved, &engine, sizeof engine);
    EXPECT(tanbo_engine_run(&moved), TANBO_STATUS_NOT_READY);
    EXPECT(tanbo_engine_run(NULL), TANBO_STATUS_NULL);
    EXPECT(tanbo_engine_run(&empty_engine), TANBO_STATUS_NOT_READY);
    EXPECT(tanbo_engine_step(&empty_engine, 1), TANBO_STATUS_NOT_READY);
    EXPECT(tanbo_engine_reset(&empty_engine), TANBO_STATUS_NOT_READY);
    EXPECT(tanbo_engine_restart(&empty_engine), TANBO_STATUS_NOT_READY);
    EXPECT(tanbo_engine_input(&engine, 1, &input), TANBO_STATUS_NO_SUCH_TENSOR);
    EXPECT(tanbo_engine_output(&engine, SIZE_MAX, &output), TANBO_STATUS_NO_SUCH_TENSOR);
    EXPECT(tanbo_engine_input(&engine, 0, NULL), TANBO_STATUS_NULL);
    EXPECT(tanbo_engine_input(&engine, 0, (tanbo_tensor *)((char *)&input + 1)), TANBO_STATUS_MISALIGNED);
    EXPECT(tanbo_engine_set_cache(&engine, NULL, 1), TANBO_STATUS_NULL);
    EXPECT(tanbo_engine_set_cache(&engine, slots, SIZE_MAX / 4), TANBO_STATUS_LENGTH);
    EXPECT(tanbo_engine_set_cache(&engine, (tanbo_slot *)(void *)arena, 1), TANBO_STATUS_OVERLAP);
}

/* Bytes that look random, the same everywhere. */
static uint32_t state;

static int8_t next(void) {
    state = state * 1664525u + 1013904223u;
    return (int8_t)(state >> 24);
}

/* Writes the outputs of as many inputs as the test compares with the engine's own. */
static void runs(FILE *file) {
    EXPECT(tanbo_engine_input(&engine, 0, &input), TANBO_STATUS_DONE);
    EXPECT(tanbo_engine_output(&engine, 0, &output), TANBO_STATUS_DONE);
    EXPECT(input.element_type, TANBO_TYPE_I8);
    EXPECT(input.elements, input.bytes);
    EXPECT((uintptr_t)input.data >= (uintptr_t)arena && (uintptr_t)input.data + input.bytes <= (uintptr_t)arena + sizeof arena, 1);
    size_t elements = 1;
    for (size_t axis = 0; axis < input.rank; axis++) {
        elements *= input.shape[axis];
    }
    EXPECT(elements, input.elements);
    for (int number = 0; number < 100; number++) {
        int8_t *values = input.data;
        if (number == 50) {
            EXPECT(tanbo_engine_set_cache(&engine, slots, MODEL_STEPS), TANBO_STATUS_DONE);
        }
        for (size_t i = 0; i < input.bytes; i++) {
            values[i] = next();
        }
        if (number % 2 == 0) {
            EXPECT(tanbo_engine_run(&engine), TANBO_STATUS_DONE);
        } else {
            tanbo_status status;
            /* What was begun and dropped leaves nothing behind. */
            EXPECT(tanbo_engine_step(&engine, 1) >= 0, 1);
            EXPECT(tanbo_engine_restart(&engine), TANBO_STATUS_DONE);
            while ((status = tanbo_engine_step(&engine, 1)) == TANBO_STATUS_MORE) {
            }
            EXPECT(status, TANBO_STATUS_DONE);
        }
        fwrite(output.data, 1, output.bytes, file);
    }
    EXPECT(tanbo_engine_input_row(&engine, input.data, 1), TANBO_STATUS_OVERLAP);
    EXPECT(tanbo_engine_input_row(&engine, (int8_t[1]){0}, 1), TANBO_STATUS_INPUT_IS_WHOLE);
    EXPECT(tanbo_engine_input_row(&engine, NULL, 1), TANBO_STATUS_NULL);
}

int main(void) {
    FILE *file = fopen("output.bin", "wb");
    EXPECT(strcmp(tanbo_version(), VERSION), 0);
    EXPECT(strcmp(tanbo_status_text(TANBO_STATUS_DONE), "done"), 0);
    EXPECT(strcmp(tanbo_status_text(99), "not a status of this library"), 0);
    artifacts();
    engines();
    runs(file);
    fclose(file);
    return failures != 0;
}
