// SPDX-License-Identifier: Apache-2.0
/* doctor_files.c: the ledger's disk, who can read what, and the service manager's units. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cmd/doctor.h"

/* --- the ledger --- */

/* Past the page cache, as its log is written (sys/wal.c). */
static void try_direct(struct doctor *doctor, const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);

	if (fd >= 0)
		doctor_say(doctor, DOCTOR_OK, "disk", NULL, "%s takes direct writes", folder);
	else if (errno == EINVAL || errno == EOPNOTSUPP)
		doctor_say(doctor, DOCTOR_WARN, "disk", "put state = on ext4 or xfs",
			   "%s: this file system takes no direct writes; each commit goes through the page cache",
			   folder);
	else
		doctor_say(doctor, DOCTOR_WARN, "disk", "run this as root, or as the daemon's user",
			   "%s cannot be tried: %s", folder, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* What the table may still grow by. */
static void look_at_room(struct doctor *doctor, const char *folder)
{
	char path[PATH_BYTES_MAX + 16];
	struct statvfs room;
	struct stat table;

	if (statvfs(folder, &room) != 0)
		return;
	snprintf(path, sizeof path, "%s/data.mdb", folder);
	size_t used = stat(path, &table) == 0 ? (size_t)table.st_blocks * 512 : 0;
	size_t most = doctor->config.ledger_bytes, have = (size_t)room.f_bavail * room.f_frsize;
	size_t wanted = most > used ? most - used : 0;
	if (have < 64u << 20)
		doctor_say(doctor, DOCTOR_BAD, "disk", "make room: without it payments are refused (store_down)",
			   "%s: %zu MiB are free", folder, have >> 20);
	else if (have < wanted)
		doctor_say(doctor, DOCTOR_WARN, "disk", "make room, or lower ledger_bytes or keep_s",
			   "%s: %zu MiB are free, the ledger may take %zu MiB more", folder, have >> 20, wanted >> 20);
	else
		doctor_say(doctor, DOCTOR_OK, "disk", NULL, "%s: %zu MiB are free, the ledger may take %zu MiB more",
			   folder, have >> 20, wanted >> 20);
}

/* The daemon makes it, where what it is in is there and may be written to. */
static void look_at_missing(struct doctor *doctor, const char *folder)
{
	char above[PATH_BYTES_MAX];

	snprintf(above, sizeof above, "%s", folder);
	if (access(dirname(above), W_OK) == 0)
		doctor_say(doctor, DOCTOR_OK, "disk", NULL, "%s is not there yet; the daemon makes it", folder);
	else
		doctor_say(doctor, DOCTOR_WARN, "disk",
			   "install -d -m 700 -o tollbar -g tollbar DIRECTORY; under the unit, StateDirectory= does it",
			   "%s is not there, and this user cannot make it: %s", folder, strerror(errno));
}

static void look_at_ledger(struct doctor *doctor)
{
	const char *folder = doctor->config.state_directory;
	struct stat about;

	if (folder[0] == 0)
		return;
	if (stat(folder, &about) != 0) {
		look_at_missing(doctor, folder);
		return;
	}
	if (!S_ISDIR(about.st_mode)) {
		doctor_say(doctor, DOCTOR_BAD, "disk", "name a directory: state =", "%s is no directory", folder);
		return;
	}
	if ((about.st_mode & 077) != 0)
		doctor_say(doctor, DOCTOR_WARN, "disk", "chmod 700 it",
			   "%s can be entered by others (mode %o): payments are in it", folder, about.st_mode & 0777);
	else
		doctor_say(doctor, DOCTOR_OK, "disk", NULL, "%s is its owner's alone", folder);
	look_at_room(doctor, folder);
	try_direct(doctor, folder);
}

/* --- secrets --- */

static bool has_secret(const struct config *config)
{
	bool has = config->facilitator.authorization[0] != 0;

	for (size_t i = 0; i < config->alternate_cnt; i++)
		has |= config->alternates[i].authorization[0] != 0;
	for (size_t i = 0; i < config->upstream_cnt; i++)
		has |= config->upstreams[i].authorization[0] != 0;
	for (size_t i = 0; i < config->chain_cnt; i++)
		has |= config->chains[i].authorization[0] != 0;
	return has;
}

static void look_at_secrets(struct doctor *doctor)
{
	struct stat about;

	if (stat(doctor->config_path, &about) != 0)
		return;
	if ((about.st_mode & 002) != 0)
		doctor_say(doctor, DOCTOR_BAD, "secrets", "chmod o-w it", "anybody can write to %s (mode %o)",
			   doctor->config_path, about.st_mode & 0777);
	if (!has_secret(&doctor->config))
		return;
	if ((about.st_mode & 004) != 0)
		doctor_say(doctor, DOCTOR_BAD, "secrets",
			   "chmod 640 it, with the daemon's group; and change what was in it",
			   "%s has an authorization = in it, and anybody can read it (mode %o)", doctor->config_path,
			   about.st_mode & 0777);
	else
		doctor_say(doctor, DOCTOR_OK, "secrets", NULL, "%s has one in it, and not everybody can read it",
			   doctor->config_path);
}

/* --- units --- */

static bool is_there(const char *folder, const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Linked to what is started at boot. */
static bool is_enabled(const char *unit)
{
	return is_there("/etc/systemd/system/multi-user.target.wants", unit) ||
	       is_there("/etc/systemd/system/sockets.target.wants", unit);
}

static void look_at_units(struct doctor *doctor)
{
	char unit[64];

	if (access("/run/systemd/system", F_OK) != 0 || (!is_there("/lib/systemd/system", "tollbar.service") &&
							 !is_there("/etc/systemd/system", "tollbar.service")))
		return; /* not a service manager's here, or not this one's */
	if (is_enabled("tollbar.service") || is_enabled("tollbar.socket"))
		doctor_say(doctor, DOCTOR_OK, "units", NULL, "the daemon is started at boot");
	else
		doctor_say(doctor, DOCTOR_WARN, "units", "systemctl enable --now tollbar",
			   "the daemon is not started at boot");
	if (doctor->config.interface[0] == 0 || strpbrk(doctor->config.interface, "-@\\") != NULL)
		return; /* a name that systemd writes otherwise */
	snprintf(unit, sizeof unit, "tollbar-filter@%s.service", doctor->config.interface);
	if (is_enabled(unit))
		doctor_say(doctor, DOCTOR_OK, "units", NULL, "the filter is attached at boot");
	else
		doctor_say(doctor, DOCTOR_WARN, "units", "systemctl enable --now tollbar-filter@IFACE",
			   "the filter is not attached at boot");
}

void doctor_files(struct doctor *doctor)
{
	look_at_ledger(doctor);
	look_at_secrets(doctor);
	look_at_units(doctor);
}
