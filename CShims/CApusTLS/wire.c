// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void apus_tls_wire_clear(apus_tls_wire *wire) {
    free(wire->output);
    free(wire->plaintext);
    free(wire->busy);
    *wire = (apus_tls_wire){0};
}

static bool grow(uint8_t **memory, size_t *capacity, size_t needed) {
    if (needed <= *capacity) {
        return true;
    }
    size_t size = *capacity < 4096 ? 4096 : *capacity;
    while (size < needed) {
        size *= 2;
    }
    uint8_t *larger = realloc(*memory, size);
    if (larger == NULL) {
        return false;
    }
    *memory = larger;
    *capacity = size;
    return true;
}

bool apus_tls_wire_reserve(apus_tls_wire *wire, size_t plaintext_size) {
    return grow(&wire->plaintext, &wire->plaintext_capacity, plaintext_size);
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *written) {
    apus_tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!grow(&wire->output, &wire->output_capacity, wire->output_count + count)) {
        return 0;
    }
    memcpy(wire->output + wire->output_count, bytes, count);
    wire->output_count += count;
    *written = count;
    return 1;
}

static int bio_read(BIO *bio, char *bytes, size_t count, size_t *read) {
    apus_tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->input_count == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    size_t taken = count < wire->input_count ? count : wire->input_count;
    memcpy(bytes, wire->input, taken);
    wire->input += taken;
    wire->input_count -= taken;
    *read = taken;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void) {
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "apus wire");
    if (method != NULL) {
        BIO_meth_set_write_ex(method, bio_write);
        BIO_meth_set_read_ex(method, bio_read);
        BIO_meth_set_ctrl(method, bio_control);
    }
}

BIO *apus_tls_wire_bio(apus_tls_wire *wire) {
    pthread_once(&method_once, make_method);
    BIO *bio = method == NULL ? NULL : BIO_new(method);
    if (bio != NULL) {
        BIO_set_data(bio, wire);
        BIO_set_init(bio, 1);
    }
    return bio;
}
