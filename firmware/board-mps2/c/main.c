/* A C firmware that runs a model with the library of runtime/c: it reads inputs from input.bin on the host, one after the other,
   and writes the outputs to output.bin. Exit code 0 if all was well, 2 if not. */

#include "model.h"
#include "semihosting.h"
#include "tanbo.h"

/* Nothing is allocated: what the engine needs stands here. */
TANBO_ARENA(arena, MODEL_ARENA_BYTES);
static tanbo_model parsed;
static tanbo_engine engine;
static tanbo_slot slots[MODEL_STEPS];
static const tanbo_operator *const operators[] = {MODEL_OPERATORS};

static int refused(const char *what, tanbo_status status) {
    semihosting_print(what);
    semihosting_print(": ");
    semihosting_print(tanbo_status_text(status));
    semihosting_print("\n");
    return 2;
}

/* Runs one inference a few rows at a time, as a firmware would that has other work to do. */
static tanbo_status infer(void) {
    tanbo_status status;
    do {
        status = tanbo_engine_step(&engine, 3);
    } while (status == TANBO_STATUS_MORE);
    return status;
}

int main(void) {
    tanbo_status status;
    tanbo_tensor input, output;
    int inputs = semihosting_open("input.bin", SEMIHOSTING_READ);
    int outputs = semihosting_open("output.bin", SEMIHOSTING_WRITE);

    if (inputs < 0 || outputs < 0) {
        semihosting_print("input.bin or output.bin cannot be opened\n");
        return 2;
    }
    status = tanbo_model_parse(&parsed, model, sizeof model, operators, sizeof operators / sizeof operators[0], NULL);
    if (status < 0) {
        return refused("the artifact", status);
    }
    status = tanbo_engine_new(&engine, &parsed, arena, sizeof arena, NULL);
    if (status < 0) {
        return refused("the engine", status);
    }
    status = tanbo_engine_set_cache(&engine, slots, MODEL_STEPS);
    if (status < 0) {
        return refused("the cache", status);
    }
    if ((status = tanbo_engine_input(&engine, 0, &input)) < 0 || (status = tanbo_engine_output(&engine, 0, &output)) < 0) {
        return refused("input and output", status);
    }
    while (semihosting_read(inputs, input.data, input.bytes) == input.bytes) {
        status = infer();
        if (status < 0) {
            return refused("the inference", status);
        }
        if (!semihosting_write(outputs, output.data, output.bytes)) {
            semihosting_print("output.bin cannot be written\n");
            return 2;
        }
    }
    return 0;
}
