/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/confine.h"

#include <errno.h>
#include <libgen.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "base/url.h"
#include "sys/lookup.h"
#include "sys/sandbox.h"

#define PATHS_MAX 64
#define PORTS_MAX 64
#define DNS_PORT 53

/* What name lookup and TLS read when they are used for the first time, or when it changed. */
static const char *const system_folders[] = {
	"/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
};

struct needs {
	char names[PATHS_MAX][PATH_MAX];
	struct landlock_path paths[PATHS_MAX];
	size_t path_cnt;
	uint16_t connect_ports[PORTS_MAX], bind_ports[PORTS_MAX], worker_ports[UPSTREAMS_MAX];
	size_t connect_cnt, bind_cnt, worker_cnt;
	bool system; /* names are looked up, or certificates checked */
};

static void need_path(struct needs *needs, const char *path, unsigned access)
{
	if (needs->path_cnt == PATHS_MAX || strlen(path) >= PATH_MAX)
		return;
	char *name = needs->names[needs->path_cnt];
	memcpy(name, path, strlen(path) + 1);
	needs->paths[needs->path_cnt++] = (struct landlock_path){.path = name, .access = access};
}

/* The folder of a file, which may be replaced by another one of its name; and that of the file behind a symbolic link. */
static void need_file(struct needs *needs, const char *file, unsigned access)
{
	char name[PATH_MAX], real[PATH_MAX];

	if (file[0] == 0 || strlen(file) >= sizeof name)
		return;
	memcpy(name, file, strlen(file) + 1);
	need_path(needs, dirname(name), access);
	if (realpath(file, real) != NULL)
		need_path(needs, dirname(real), access);
}

static void need_url(struct needs *needs, const char *text)
{
	struct addresses ignored;
	struct url url;

	if (!url_parse(&url, text) || needs->connect_cnt == PORTS_MAX)
		return;
	needs->connect_ports[needs->connect_cnt++] = url.port;
	needs->system |= url.tls || !lookup_numeric(&ignored, url.host, url.port);
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
	return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
						    : ((const struct sockaddr_in *)address)->sin_port);
}

/* A proxy of libcurl's may be at any port. */
static bool is_proxied(void)
{
	static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		if (getenv(variables[i]) != NULL)
			return true;
	return false;
}

static void need_facilitator(struct needs *needs, const struct config_facilitator *facilitator)
{
	need_url(needs, facilitator->url);
	need_file(needs, facilitator->ca_file, LANDLOCK_READ);
}

static void need_files(struct needs *needs, const struct config *config, const char *config_path)
{
	need_file(needs, config_path, LANDLOCK_READ);
	need_file(needs, config->payers_file, LANDLOCK_READ);
	need_file(needs, config->filter.allow_file, LANDLOCK_READ);
	need_file(needs, config->filter.deny_file, LANDLOCK_READ);
	need_file(needs, config->tls.certificate, LANDLOCK_READ);
	need_file(needs, config->tls.key, LANDLOCK_READ);
	need_file(needs, config->tls.client_ca, LANDLOCK_READ);
	need_file(needs, config->access_log, LANDLOCK_WRITE);
	if (config->state_directory[0] != 0) {
		char parent[PATH_MAX];

		(void)mkdir(config->state_directory, 0700); /* nothing can be allowed in what is not there */
		snprintf(parent, sizeof parent, "%s/..", config->state_directory);
		need_path(needs, config->state_directory, LANDLOCK_WRITE);
		need_path(needs, parent, LANDLOCK_LIST); /* flushed, so that the ledger's name in it lasts */
	}
	need_path(needs, "/sys/devices/system/cpu", LANDLOCK_READ); /* how many there are */
	if (config->interface[0] != 0) {
		need_path(needs, "/sys", LANDLOCK_READ | LANDLOCK_LIST); /* the interface, the filter's pins */
		need_path(needs, "/proc/sys/net", LANDLOCK_READ);	 /* does the kernel make SYN cookies? */
	}
	for (size_t i = 0; needs->system && i < sizeof system_folders / sizeof *system_folders; i++)
		need_path(needs, system_folders[i], LANDLOCK_READ | LANDLOCK_LIST);
	if (needs->system)
		need_file(needs, "/etc/resolv.conf", LANDLOCK_READ);
}

static void need_ports(struct needs *needs, const struct config *config)
{
	need_facilitator(needs, &config->facilitator);
	for (size_t i = 0; i < config->alternate_cnt; i++)
		need_facilitator(needs, &config->alternates[i]);
	for (size_t i = 0; i < config->chain_cnt; i++) {
		need_url(needs, config->chains[i].rpc);
		need_file(needs, config->chains[i].ca_file, LANDLOCK_READ);
	}
	for (size_t i = 0; i < config->upstream_cnt; i++) {
		uint16_t port = port_of(&config->upstreams[i].address);

		needs->worker_ports[needs->worker_cnt++] = port;
		needs->connect_ports[needs->connect_cnt++] = port;
	}
	needs->connect_ports[needs->connect_cnt++] = DNS_PORT;
	for (size_t i = 0; i < config->listen_cnt; i++)
		needs->bind_ports[needs->bind_cnt++] = port_of(&config->listens[i]);
	if (config->admin.ss_family != AF_UNSPEC)
		needs->bind_ports[needs->bind_cnt++] = port_of(&config->admin);
}

_Static_assert(FACILITATORS_MAX + CHAINS_MAX + UPSTREAMS_MAX + 1 <= PORTS_MAX && LISTENS_MAX + 1 <= PORTS_MAX,
	       "all fit");
_Static_assert(2 * (FACILITATORS_MAX + CHAINS_MAX + 9) + 3 + sizeof system_folders / sizeof *system_folders <=
		       PATHS_MAX,
	       "all fit");

int confine(const struct config *config, const char *config_path)
{
	struct needs *needs = calloc(1, sizeof *needs);

	if (needs == NULL)
		return -ENOMEM;
	need_ports(needs, config);
	need_files(needs, config, config_path);
	struct sandbox_config sandbox = {
		.process = {.paths = needs->paths,
			    .path_cnt = needs->path_cnt,
			    .connect_ports = needs->connect_ports,
			    .connect_port_cnt = needs->connect_cnt,
			    .bind_ports = needs->bind_ports,
			    .bind_port_cnt = needs->bind_cnt,
			    .connect_anywhere = is_proxied()},
		.worker_ports = needs->worker_ports,
		.worker_port_cnt = needs->worker_cnt,
		.filter = config->interface[0] != 0,
	};
	int error = sandbox_enter(&sandbox);
	free(needs);
	return error;
}
