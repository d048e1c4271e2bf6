// SPDX-License-Identifier: Apache-2.0
#include "sys/driver.h"

#define INT_MAX __INT_MAX__ /* the header below wants it of <limits.h>, whose name one of ours has */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(int fd, unsigned long what, const char *iface, struct ifreq *asked)
{
	snprintf(asked->ifr_name, sizeof asked->ifr_name, "%s", iface);
	return ioctl(fd, what, asked) == 0 ? 0 : -errno;
}

int driver_look(struct driver *driver, const char *iface)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq asked = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*driver = (struct driver){.name = ""};
	if (fd < 0)
		return -errno;
	int error = ask(fd, SIOCGIFFLAGS, iface, &asked);
	driver->up = error == 0 && (asked.ifr_flags & IFF_UP) != 0;
	if (error == 0 && ask(fd, SIOCGIFMTU, iface, &asked) == 0)
		driver->mtu = (unsigned)asked.ifr_mtu;
	asked.ifr_data = (void *)&info;
	if (error == 0 && ask(fd, SIOCETHTOOL, iface, &asked) == 0)
		snprintf(driver->name, sizeof driver->name, "%.*s", (int)sizeof driver->name - 1, info.driver);
	asked.ifr_data = (void *)&channels;
	if (error == 0 && ask(fd, SIOCETHTOOL, iface, &asked) == 0)
		driver->queues = channels.rx_count + channels.combined_count;
	close(fd);
	return error;
}

bool driver_sends(const char *iface)
{
	struct driver driver;

	return driver_look(&driver, iface) != 0 || strcmp(driver.name, "veth") != 0;
}

bool driver_is_native(const struct driver *driver)
{
	static const char *const names[] = {"atlantic",	 "bnxt_en", "bonding",	  "ena",       "fec",	  "gve",
					    "hv_netvsc", "i40e",    "ice",	  "igb",       "igc",	  "ixgbe",
					    "ixgbevf",	 "mana",    "mlx4_en",	  "mlx5_core", "mvneta",  "mvpp2",
					    "nfp",	 "nicvf",   "qede",	  "sfc",       "st_gmac", "tun",
					    "veth",	 "vif",	    "virtio_net", "vmxnet3"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(driver->name, names[i]) == 0)
			return true;
	return false;
}
