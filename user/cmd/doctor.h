/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_DOCTOR_H
#define TOLLBAR_CMD_DOCTOR_H
/* doctor.h: what the parts of `tollbar doctor` share: what is looked at, and how a finding is said. */
#include <stdbool.h>

#include "config.h"
#include "sys/filter.h"

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_WARN, /* it works, but worse than it could, or not for long */
	DOCTOR_BAD,  /* something will not work */
	DOCTOR_STATES,
};

struct doctor {
	struct config config;
	const char *config_path;
	bool has_config; /* it was read without a mistake: what follows from it can be looked at */
	bool offline;	 /* ask nobody else */
	bool as_json;
	unsigned cnt[DOCTOR_STATES]; /* findings said */
};

/* doctor_say: one finding of an area ("kernel", "disk").  remedy: what to do about it, of anything but DOCTOR_OK. */
void doctor_say(struct doctor *doctor, enum doctor_state state, const char *area, const char *remedy,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Each looks at its part and says what it found. */
void doctor_machine(struct doctor *doctor);   /* kernel, io_uring, limits, clock */
void doctor_files(struct doctor *doctor);     /* ledger's disk, secrets, service units; with a configuration */
void doctor_interface(struct doctor *doctor); /* card, driver, filter; with a configuration */
void doctor_peers(struct doctor *doctor);     /* daemon, model servers, facilitators, chains; with a configuration */

#endif
