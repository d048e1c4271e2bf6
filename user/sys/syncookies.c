// SPDX-License-Identifier: Apache-2.0
#include "sys/syncookies.h"

#include <errno.h>
#include <stdio.h>

int syncookies_kernel(void)
{
	int value;
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_syncookies", "re");

	if (file == NULL)
		return -errno;
	if (fscanf(file, "%d", &value) != 1)
		value = -EIO;
	fclose(file);
	return value;
}
