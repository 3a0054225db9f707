// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void apus_tls_problem_say(apus_tls_problem *problem, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    ERR_clear_error();
}

void apus_tls_problem_openssl(apus_tls_problem *problem, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (length >= 0 && (size_t)length < sizeof problem->text) {
        snprintf(problem->text + length, sizeof problem->text - (size_t)length, ": %s",
                 reason == NULL ? "OpenSSL does not say why" : reason);
    }
    ERR_clear_error();
}

BIO *apus_tls_open(const char *path, const char *what, apus_tls_problem *problem) {
    errno = 0;
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL) {
        char text[128] = "";
        const char *reason = strerror_r(errno, text, sizeof text);
        apus_tls_problem_say(problem, "the %s file %s cannot be read: %s", what, path, reason);
    }
    return file;
}
