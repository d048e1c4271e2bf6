// SPDX-License-Identifier: Apache-2.0
/* What of the pins needs no BPF: who descends from whom, names, and the lock, where mounting is permitted. */
#include "sys/pins.c"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "check.h"
#include "own_folder.h"

TEST(a_parent_whatever_the_name)
{
	static const char *const names[] = {"plain", "two words", "a) S 1 (b", "))))", "(", "line\nbreak"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		CHECK_EQ(prctl(PR_SET_NAME, names[i]), 0);
		CHECK_ROW(parent_of(getpid()) == getppid(), names[i]);
	}
	CHECK_EQ(parent_of(1), 0);
	CHECK_EQ(parent_of(0x7fffffff), 0); /* nobody */
}

TEST(a_path_for_each_interface_and_namespace)
{
	char path[PIN_BYTES_MAX], want[PIN_BYTES_MAX];
	unsigned long net = namespace_of(getpid(), "net");

	CHECK(net != 0);
	snprintf(want, sizeof want, "/sys/fs/bpf/tollbar/eth0:7@%lu/next", net);
	pin_path(path, "eth0.7", "next");
	CHECK_EQ(strcmp(path, want), 0);
	snprintf(want, sizeof want, "/sys/fs/bpf/tollbar/fifteen-letters@%lu", net);
	pin_path(path, "fifteen-letters", "");
	CHECK_EQ(strcmp(path, want), 0);
}

/* Ends with the process that has it. */
TEST(the_lock)
{
	int ready[2];
	char byte;

	if (!own_folder())
		CHECK_SKIP("no mount namespace of its own");
	CHECK_NEED(pipe(ready) == 0);
	pid_t holder = fork();
	if (holder == 0) {
		byte = pins_lock() >= 0 ? 'y' : 'n';
		_exit(write(ready[1], &byte, 1) == 1 ? pause() : 1);
	}
	CHECK(holder > 0 && read(ready[0], &byte, 1) == 1 && byte == 'y');
	CHECK_EQ(pins_lock(), -EBUSY);
	kill(holder, SIGKILL);
	CHECK_EQ(waitpid(holder, NULL, 0), holder);
	int fd = pins_lock();
	CHECK(fd >= 0);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

static int mode_of(const char *path)
{
	struct stat found;

	return stat(path, &found) == 0 ? (int)(found.st_mode & 07777) : -1;
}

/* Files stand for pins: that a BPF file system takes the same is tests/e2e/unprivileged.sh. */
TEST(sharing)
{
	static const char *const names[] = {"policy", "gate"}, *const missing[] = {"policy", "not-there"};
	char folder[PIN_BYTES_MAX], path[PIN_BYTES_MAX];
	static const char *const all[] = {"policy", "gate", "link"};

	if (!own_folder())
		CHECK_SKIP("no mount namespace of its own");
	CHECK_EQ(pins_share("tb0", names, 2, 1), -ENOENT);
	pin_path(folder, "tb0", "");
	CHECK_NEED(mkdir(PINS_TOP, 0700) == 0 && mkdir(folder, 0700) == 0);
	for (size_t i = 0; i < 3; i++) {
		pin_path(path, "tb0", all[i]);
		int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		CHECK_NEED(fd >= 0);
		close(fd);
	}
	CHECK_EQ(pins_share("tb0", missing, 2, 1), -ENOENT);
	CHECK_EQ(mode_of(folder), 0700); /* half of it is nothing */
	CHECK_EQ(pins_share("tb0", names, 2, 1), 0);
	CHECK_EQ(mode_of(PINS_TOP), 0711);
	CHECK_EQ(mode_of(folder), 0750);
	for (size_t i = 0; i < 3; i++) {
		struct stat found;
		pin_path(path, "tb0", all[i]);
		CHECK(stat(path, &found) == 0 && found.st_gid == (i < 2 ? 1 : 0));
		CHECK_EQ(mode_of(path), i < 2 ? 0660 : 0600);
	}
	pins_remove("tb0");
	CHECK_EQ(mode_of(folder), -1);
	CHECK_EQ(mode_of(PINS_TOP), 0711); /* mounted elsewhere, perhaps */
	CHECK_EQ(chmod(PINS_TOP, 0700), 0);
	pins_remove("tb0");
	CHECK_EQ(mode_of(PINS_TOP), -1);
}

CHECK_MAIN
