/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_ADDRTEXT_H
#define TOLLBAR_BASE_ADDRTEXT_H
/* addrtext.h: an Ethereum address as a person wrote it into a file.  In mixed case it carries a checksum (EIP-55), and
 * that must hold: a mistyped payee is money lost.  All lower or all upper case carries none. */
#include <stdint.h>

#include "base/span.h"

/* NULL, or what is wrong with the text (address is then unspecified). */
const char *addrtext_decode(uint8_t address[20], struct span text) __attribute__((warn_unused_result));

#endif
