// SPDX-License-Identifier: Apache-2.0
#include "sys/driver.h"

#define INT_MAX __INT_MAX__ /* the header below wants it of <limits.h>, whose name one of ours has */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

bool driver_sends(const char *iface)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq asked = {.ifr_data = (void *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(asked.ifr_name, sizeof asked.ifr_name, "%s", iface);
	bool known = fd >= 0 && ioctl(fd, SIOCETHTOOL, &asked) == 0;
	if (fd >= 0)
		close(fd);
	return !known || strcmp(info.driver, "veth") != 0;
}
