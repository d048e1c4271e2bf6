/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_OWN_FOLDER_H
#define TOLLBAR_TESTS_OWN_FOLDER_H
/* own_folder.h: an empty folder in place of the BPF file system, for this thread and its children alone: what they lock
 * there keeps no other test waiting.  False: not permitted. */
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>

#include "sys/pins.h"

static inline bool own_folder(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/sys", NULL, MS_REC | MS_SLAVE, NULL) == 0 &&
	       mount("tmpfs", PINS_FOLDER, "tmpfs", 0, "size=64k,mode=700") == 0;
}

#endif
