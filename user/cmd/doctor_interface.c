// SPDX-License-Identifier: Apache-2.0
/* doctor_interface.c: the card, its driver, and the filter on it. */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "cmd/doctor.h"
#include "payers.h"
#include "sys/driver.h"
#include "sys/pins.h"

/* False: there is no such card. */
static bool look_at_card(struct doctor *doctor, const char *iface)
{
	struct driver driver;
	int error = driver_look(&driver, iface);

	if (error != 0) {
		doctor_say(doctor, DOCTOR_BAD, "interface", "ip link shows those there are; mend interface =", "%s: %s",
			   iface, error == -ENODEV ? "there is none" : strerror(-error));
		return false;
	}
	if (driver.up)
		doctor_say(doctor, DOCTOR_OK, "interface", NULL, "%s is up; MTU %u, %u receive queues, driver %s",
			   iface, driver.mtu, driver.queues, driver.name[0] != 0 ? driver.name : "unknown");
	else
		doctor_say(doctor, DOCTOR_BAD, "interface", "ip link set IFACE up", "%s is down", iface);
	if (driver.queues == 1 && strcmp(driver.name, "veth") != 0 && strcmp(driver.name, "tun") != 0)
		doctor_say(doctor, DOCTOR_WARN, "interface", "ethtool -L IFACE combined N, where the card has more",
			   "one receive queue: one CPU alone filters");
	if (doctor->config.filter.syn_cookies != SYN_COOKIES_OFF && !driver_sends(iface))
		doctor_say(doctor, DOCTOR_WARN, "interface", "syn_cookies = off there",
			   "what the filter answers from a veth arrives only where the other end has a program, too");
	if (doctor->config.filter.checksum && strcmp(driver.name, "veth") == 0)
		doctor_say(doctor, DOCTOR_WARN, "interface",
			   "checksum = no there, or tx offload off on the sending side",
			   "senders leave checksums out on a veth: all packets would be wrong");
	return true;
}

/* Nothing is attached yet: what would become of it? */
static void foretell(struct doctor *doctor, const char *iface)
{
	struct driver driver;

	if (driver_look(&driver, iface) == 0 && !driver_is_native(&driver))
		doctor_say(
			doctor, DOCTOR_WARN, "interface", "use a card whose driver has XDP, or live with less speed",
			"driver %s is not known to have XDP of its own; the filter may run in the kernel's slow mode",
			driver.name[0] != 0 ? driver.name : "unknown");
}

static void look_at_lists(struct doctor *doctor, struct filter_state state)
{
	const struct config *config = &doctor->config;
	bool wanted = config->filter.allow_file[0] != 0 || config->filter.deny_file[0] != 0;

	if (wanted && !state.lists)
		doctor_say(doctor, DOCTOR_BAD, "filter", "tollbar attach IFACE --config FILE --group GROUP",
			   "the configuration names lists of sources, and none are loaded");
	else if (wanted)
		doctor_say(doctor, DOCTOR_OK, "filter", NULL, "the lists of sources are loaded");
	if (state.armed && (state.mode == FILTER_ALLOW) != config->filter.allow_mode)
		doctor_say(doctor, DOCTOR_WARN, "filter", "restart the daemon, or tollbar attach IFACE --config FILE",
			   "its mode is not the configuration's");
	if (state.observe)
		doctor_say(doctor, DOCTOR_WARN, "filter", "observe = no, when you have seen enough",
			   "it only observes: what it would drop is counted, and passes");
}

/* On a native port the filter has the list of payers, in a map of the size it was attached with. */
static void look_at_payers(struct doctor *doctor, const struct filter *filter)
{
	const struct config *config = &doctor->config;
	struct payers *payers = config->payers_file[0] != 0 && config->native.listen_cnt > 0 ? payers_init(1) : NULL;
	struct address *all = NULL;

	if (payers == NULL)
		return;
	int cnt = payers_load(payers, config->payers_file, NULL) == 0 ? payers_admitted(payers, &all) : -1;
	if (cnt > 0 && (size_t)cnt > filter_native_room(filter))
		doctor_say(doctor, DOCTOR_BAD, "filter", "detach it, then tollbar attach IFACE --payers N",
			   "it has room for %zu payers, and the list has %d: every payer passes",
			   filter_native_room(filter), cnt);
	else if (cnt >= 0)
		doctor_say(doctor, DOCTOR_OK, "filter", NULL, "it has room for %zu payers, the list has %d",
			   filter_native_room(filter), cnt);
	free(all);
	payers_fini(payers);
}

static void say_missing(struct doctor *doctor, const char *iface, int error)
{
	doctor_say(doctor, error == -EPERM ? DOCTOR_WARN : DOCTOR_BAD, "filter",
		   error == -ENOENT ? "tollbar attach IFACE, or systemctl enable --now tollbar-filter@IFACE; or leave "
				      "interface = out"
		   : error == -EPROTO ? "tollbar detach IFACE, then attach it with this version"
		   : error == -EPERM  ? "run this as root, or as a member of tollbar attach --group"
				      : "tollbar attach IFACE says more",
		   "%s: %s", iface,
		   error == -ENOENT   ? "it is not there, so the daemon will not start"
		   : error == -EPROTO ? "the one there is of another version"
		   : error == -EPERM  ? "this user may not look for it"
				      : strerror(-error));
}

static void look_at_filter(struct doctor *doctor, const char *iface)
{
	struct filter *filter = NULL;
	int error = filter_open(&filter, iface);

	if (error != 0) {
		say_missing(doctor, iface, error);
		foretell(doctor, iface);
		return;
	}
	struct filter_state state = filter_state(filter);
	if (state.generic)
		doctor_say(doctor, DOCTOR_WARN, "filter",
			   "detach and attach it again once the driver can: ethtool -K IFACE lro off, and a smaller "
			   "MTU help some",
			   "%s: it runs in the kernel's slow mode, behind the driver", iface);
	else
		doctor_say(doctor, DOCTOR_OK, "filter", NULL, "%s: it runs in the driver, of this version", iface);
	look_at_lists(doctor, state);
	look_at_payers(doctor, filter);
	filter_close(filter);
}

static void look_at_pins(struct doctor *doctor)
{
	struct statfs found;

	if (statfs(PINS_FOLDER, &found) == 0 && (unsigned long)found.f_type == BPF_FS_MAGIC)
		doctor_say(doctor, DOCTOR_OK, "filter", NULL, "%s is there to keep it", PINS_FOLDER);
	else
		doctor_say(doctor, DOCTOR_WARN, "filter", "mount -t bpf bpf /sys/fs/bpf",
			   "%s is no BPF file system: nobody but root will find the filter", PINS_FOLDER);
}

void doctor_interface(struct doctor *doctor)
{
	const char *iface = doctor->config.interface;

	if (iface[0] == 0) {
		doctor_say(doctor, DOCTOR_OK, "interface", NULL, "none is named: the daemon runs without a filter");
		return;
	}
	look_at_pins(doctor);
	if (look_at_card(doctor, iface))
		look_at_filter(doctor, iface);
}
