/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_ASSERT_H
#define TOLLBAR_BASE_ASSERT_H
/* assert.h: "we were wrong".  Always on: the process stops rather than guess about money. */

_Noreturn void assert_failed(const char *expression, const char *file, int line);

#define ASSERT(expression) ((expression) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))

#endif
