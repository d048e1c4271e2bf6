// SPDX-License-Identifier: Apache-2.0
#include "sys/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PINS_TOP PINS_FOLDER "/tollbar"
#define PIN_BYTES_MAX 128
#define LOCK_PAUSE_MS 10

/* The inode of a process's namespace, 0 when it may not be known. */
static unsigned long namespace_of(int pid, const char *kind)
{
	char path[64];
	struct stat found;

	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kind);
	return stat(path, &found) == 0 ? (unsigned long)found.st_ino : 0;
}

static int parent_of(int pid)
{
	char path[64], line[512];
	int parent = 0;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	/* "PID (NAME) STATE PARENT ...": a name may hold anything, parentheses too */
	line[fread(line, 1, sizeof line - 1, file)] = '\0';
	const char *name_end = strrchr(line, ')');
	if (name_end == NULL || sscanf(name_end, ") %*c %d", &parent) != 1)
		parent = 0;
	fclose(file);
	return parent;
}

/* Do all processes we descend from see the same mounts?  If not, ours may end with this command. */
static bool mounts_last(void)
{
	unsigned long own = namespace_of(getpid(), "mnt");

	for (int pid = getppid(); pid > 0; pid = parent_of(pid)) {
		unsigned long other = namespace_of(pid, "mnt");
		if (other != 0 && other != own)
			return false;
	}
	return own != 0;
}

bool pins_last(void)
{
	struct statfs found;

	if (statfs(PINS_FOLDER, &found) == 0 && (unsigned long)found.f_type == BPF_FS_MAGIC)
		return true;
	return mounts_last() && mount("bpf", PINS_FOLDER, "bpf", 0, "mode=0700") == 0;
}

/* The path of one pin: tollbar/IFACE@NETNS/PIN, since interfaces of two network namespaces may share a name.  bpffs takes
 * no dots: eth0.7 is kept as eth0:7, which no interface is called. */
static void pin_path(char path[PIN_BYTES_MAX], const char *iface, const char *pin)
{
	char name[IF_NAMESIZE];

	snprintf(name, sizeof name, "%s", iface);
	for (char *dot = strchr(name, '.'); dot != NULL; dot = strchr(dot, '.'))
		*dot = ':';
	snprintf(path, PIN_BYTES_MAX, PINS_TOP "/%s@%lu%s%s", name, namespace_of(getpid(), "net"), *pin ? "/" : "",
		 pin);
}

int pins_put(int fd, const char *iface, const char *name)
{
	char path[PIN_BYTES_MAX];

	if (mkdir(PINS_TOP, 0700) != 0 && errno != EEXIST)
		return -errno;
	pin_path(path, iface, "");
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -errno;
	pin_path(path, iface, name);
	remove(path);
	return bpf_obj_pin(fd, path);
}

int pins_get(const char *iface, const char *name)
{
	char path[PIN_BYTES_MAX];

	pin_path(path, iface, name);
	return bpf_obj_get(path);
}

void pins_remove(const char *iface)
{
	char path[PIN_BYTES_MAX];
	struct stat found;

	pin_path(path, iface, "");
	int folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = folder_fd < 0 ? NULL : fdopendir(folder_fd);
	for (const struct dirent *pin; folder != NULL && (pin = readdir(folder)) != NULL;)
		unlinkat(folder_fd, pin->d_name, 0);
	if (folder != NULL)
		closedir(folder);
	rmdir(path);
	if (stat(PINS_TOP, &found) == 0 && (found.st_mode & S_IXOTH) == 0)
		rmdir(PINS_TOP); /* when this was the last interface */
}

int pins_share(const char *iface, const char *const *names, size_t cnt, gid_t group)
{
	char path[PIN_BYTES_MAX];

	for (size_t i = 0; i < cnt; i++) {
		pin_path(path, iface, names[i]);
		if (chown(path, (uid_t)-1, group) < 0 || chmod(path, 0660) < 0)
			return -errno;
	}
	pin_path(path, iface, "");
	if (chown(path, (uid_t)-1, group) < 0 || chmod(path, 0750) < 0 || chmod(PINS_TOP, 0711) < 0)
		return -errno;
	return 0;
}

int pins_lock(void)
{
	int fd = open(PINS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* not by a wait in the kernel: whoever has it may be stopped */
	for (int left_ms = PINS_LOCK_MS; flock(fd, LOCK_EX | LOCK_NB) != 0; left_ms -= LOCK_PAUSE_MS) {
		int err = errno != EWOULDBLOCK ? -errno : left_ms > 0 ? 0 : -EBUSY;
		if (err != 0) {
			close(fd);
			return err;
		}
		usleep(LOCK_PAUSE_MS * 1000);
	}
	return fd;
}
