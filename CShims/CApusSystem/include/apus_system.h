// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_SYSTEM_H
#define APUS_SYSTEM_H
#endif
