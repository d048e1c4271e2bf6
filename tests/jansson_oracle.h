/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_JANSSON_ORACLE_H
#define TOLLBAR_TESTS_JANSSON_ORACLE_H
/* jansson_oracle.h: is a text JSON?  jansson's answer against ours. */

#include "jansson_names.h"

#include "base/json.h"

/* Does jansson agree with our verdict?  Where it cannot be asked, yes: it knows no such depth and count of names, passes
 * over some zero bytes, takes no escaped zero in a name (RFC 8259 does, and such a name is none that we read), and holds
 * numbers in 64 bits where we pass them over as text. */
static inline bool jansson_agrees(struct span text, enum json_error ours)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
	json_error_t error;
	json_t *theirs;

	if (text.bytes > 0 && memchr(text.at, 0, text.bytes) != NULL)
		return ours != JSON_OK;
	if (ours == JSON_DEPTH || ours == JSON_NAMES)
		return true;
	theirs = json_loadb((const char *)text.at, text.bytes, flags, &error);
	if (theirs == NULL && (json_error_code(&error) == json_error_numeric_overflow ||
			       json_error_code(&error) == json_error_null_byte_in_key))
		return true;
	json_decref(theirs);
	return (theirs != NULL) == (ours == JSON_OK);
}

#endif
