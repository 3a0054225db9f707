// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_RING_H
#define APUS_RING_H
#endif
