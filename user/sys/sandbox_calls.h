/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_SANDBOX_CALLS_H
#define TOLLBAR_SYS_SANDBOX_CALLS_H
/* sandbox_calls.h: the system calls each kind of thread may make, and why.  For sandbox.c only. */
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>

#define CALL_CONDITIONS_MAX 3

enum call_who { /* bit per enum sandbox_kind */
		M = 1,
		W = 2,
		F = 4,
		C = 8,
		ALL = 15,
};

struct call {
	int number;	   /* negative: this machine has none by that name */
	unsigned char who; /* 0: ends the process */
	const char *why;
	bool filter; /* only where there is one */
	unsigned char condition_cnt;
	struct scmp_arg_cmp conditions[CALL_CONDITIONS_MAX]; /* all of them; several rows of one call: one of them */
};

extern const struct call sandbox_calls[];
extern const size_t sandbox_call_cnt;

#endif
