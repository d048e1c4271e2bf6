/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's headers. */
#define FS_TRUNCATE (1ull << 14)  /* version 3 */
#define FS_IOCTL_DEV (1ull << 15) /* version 5 */
#define NET_BIND_TCP (1ull << 0)  /* version 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define RULE_NET_PORT 2

struct ruleset { /* struct landlock_ruleset_attr as of version 4; older kernels want what they do not know to be zero */
	uint64_t fs, net;
};

struct net_port {
	uint64_t access, port;
};

int landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version < 0 ? 0 : (int)version;
}

/* All that the kernel can refuse of files. */
static uint64_t fs_all(int version)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (version >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		all |= FS_TRUNCATE;
	if (version >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

static uint64_t fs_access(unsigned access, bool folder)
{
	uint64_t fs = 0;

	if (access & (LANDLOCK_READ | LANDLOCK_WRITE))
		fs |= LANDLOCK_ACCESS_FS_READ_FILE;
	if (access & LANDLOCK_WRITE)
		fs |= LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	if (folder && access & (LANDLOCK_LIST | LANDLOCK_WRITE))
		fs |= LANDLOCK_ACCESS_FS_READ_DIR;
	if (folder && access & LANDLOCK_WRITE)
		fs |= LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
	return fs;
}

static int allow_path(int ruleset, const struct landlock_path *path, uint64_t known)
{
	struct landlock_path_beneath_attr beneath = {.parent_fd = open(path->path, O_PATH | O_CLOEXEC)};
	struct stat st;
	int error = 0;

	if (beneath.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	if (fstat(beneath.parent_fd, &st) < 0)
		error = -errno;
	beneath.allowed_access = fs_access(path->access, S_ISDIR(st.st_mode)) & known;
	if (error == 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		error = -errno;
	close(beneath.parent_fd);
	return error;
}

static int allow_ports(int ruleset, const uint16_t *ports, size_t cnt, uint64_t access)
{
	for (size_t i = 0; i < cnt; i++) {
		struct net_port rule = {.access = access, .port = ports[i]};
		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) < 0)
			return -errno;
	}
	return 0;
}

static int allow(int ruleset, const struct landlock_config *config, const struct ruleset *handled)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < config->path_cnt; i++)
		error = allow_path(ruleset, &config->paths[i], handled->fs);
	if (error == 0 && handled->net & NET_CONNECT_TCP)
		error = allow_ports(ruleset, config->connect_ports, config->connect_port_cnt, NET_CONNECT_TCP);
	if (error == 0 && handled->net & NET_BIND_TCP)
		error = allow_ports(ruleset, config->bind_ports, config->bind_port_cnt, NET_BIND_TCP);
	return error;
}

int landlock_enter(const struct landlock_config *config)
{
	int version = landlock_version(), error;
	struct ruleset handled = {.fs = fs_all(version)};

	if (version == 0)
		return -ENOSYS;
	if (version >= LANDLOCK_TCP)
		handled.net = NET_BIND_TCP | (config->connect_anywhere ? 0 : NET_CONNECT_TCP);
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
	if (ruleset < 0)
		return -errno;
	error = allow(ruleset, config, &handled);
	if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		error = -errno;
	close(ruleset);
	return error;
}
