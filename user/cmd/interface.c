// SPDX-License-Identifier: Apache-2.0
#include "cmd/interface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/hook.h"

static const char *advice(int err)
{
	switch (err) {
	case -ENOENT:
		return "no filter there; put it there by: tollbar attach";
	case -EPROTO:
		return "the filter there is of another tollbar version; detach it and attach this one's";
	case -EPERM:
		return "not permitted; finding the filter takes root, or the group of tollbar attach --group";
	case -ENODEV:
		return "no such interface";
	default:
		return strerror(-err);
	}
}

static struct filter *open_named(const char *iface)
{
	struct filter *filter = NULL;
	int err = filter_open(&filter, iface);

	if (err != 0)
		fprintf(stderr, "tollbar: %s: %s\n", iface, advice(err));
	return filter;
}

/* How many interfaces have a filter; the name of the last one, or -errno. */
static int find(char name[IF_NAMESIZE])
{
	struct if_nameindex *all = if_nameindex();
	int found = 0;

	if (all == NULL)
		return -errno;
	for (const struct if_nameindex *one = all; found >= 0 && one->if_name != NULL; one++) {
		bool generic;
		int fd = hook_find(one->if_name, &generic);
		if (fd >= 0) {
			close(fd);
			snprintf(name, IF_NAMESIZE, "%s", one->if_name);
			found++;
		} else if (fd == -EPERM) {
			found = fd;
		}
	}
	if_freenameindex(all);
	return found;
}

struct filter *interface_filter(char name[IF_NAMESIZE], const char *iface)
{
	if (iface != NULL) {
		snprintf(name, IF_NAMESIZE, "%s", iface);
		return open_named(iface);
	}
	int found = find(name);
	if (found == 1)
		return open_named(name);
	if (found == 0)
		fputs("tollbar: no interface has a filter; put it there by: tollbar attach\n", stderr);
	else if (found > 1)
		fprintf(stderr, "tollbar: %d interfaces have a filter; say which by: -i IFACE\n", found);
	else
		fprintf(stderr, "tollbar: %s\n", advice(found));
	return NULL;
}
