// SPDX-License-Identifier: Apache-2.0
#include "cmd/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "lists.h"

static size_t ports_of(uint16_t ports[LISTENS_MAX], const struct sockaddr_storage *listens, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) /* v4 and v6 keep the port in the same place */
		ports[i] = ntohs(((const struct sockaddr_in *)&listens[i])->sin_port);
	return cnt;
}

static int set_ports(struct filter *filter, const struct config *config)
{
	uint16_t tcp[LISTENS_MAX], udp[LISTENS_MAX];
	size_t tcp_cnt = ports_of(tcp, config->listens, config->listen_cnt);
	size_t udp_cnt = ports_of(udp, config->native.listens, config->native.listen_cnt);

	return filter_set_ports(filter, tcp, tcp_cnt, udp, udp_cnt);
}

static int load_list(struct prefix_list *list, const char *path)
{
	int mistakes = path[0] != 0 ? lists_load(list, path, stderr) : 0;

	if (mistakes < 0)
		log_error("event=list file=%s error=\"%s\"", path, strerror(-mistakes));
	else if (mistakes > 0)
		log_error("event=list file=%s mistakes=%d", path, mistakes);
	return mistakes == 0 ? 0 : -EINVAL;
}

/* Many clients stand behind a proxy, and a limit by source would take them for one.  On the allowlist it is exempt; in
 * allow mode it is there already, or nobody behind it gets in. */
static int exempt_proxies(struct prefix_list *allow, const struct config *config)
{
	int error = 0;

	for (size_t i = 0; error == 0 && !config->filter.allow_mode && i < config->trusted_proxy_cnt; i++)
		error = lists_add(allow, &config->trusted_proxies[i]);
	return error;
}

static int load_lists(struct filter *filter, const struct config *config)
{
	struct prefix_list allow = {0}, deny = {0};
	int error = load_list(&allow, config->filter.allow_file);

	if (error == 0)
		error = exempt_proxies(&allow, config);
	if (error == 0)
		error = load_list(&deny, config->filter.deny_file);
	if (error == 0)
		error = filter_load_lists(filter, &allow, &deny);
	lists_fini(&allow);
	lists_fini(&deny);
	return error;
}

/* Making the kernel's lists takes privilege.  Those that are there are whoever's who attached the filter, the same
 * configuration's if that was done with --config. */
static int keep_lists(const struct filter *filter, const struct config *config)
{
	bool wanted = config->filter.allow_file[0] != 0 || config->filter.deny_file[0] != 0;

	if (!wanted || filter_state(filter).lists)
		return 0;
	log_error("event=lists error=\"there are none, and loading them takes root\" help=\"tollbar attach %s --config "
		  "FILE\"",
		  config->interface);
	return -EPERM;
}

/* Lists before limits and mode, these before ports: no packet is judged by half a policy. */
int policy_set(struct filter *filter, const struct config *config, bool alive)
{
	int error = filter_state(filter).pinned ? keep_lists(filter, config) : load_lists(filter, config);

	if (error == 0)
		error = filter_set_limits(filter, &config->filter.limits);
	if (error != 0)
		return error;
	if (alive)
		filter_set_alive(filter, config->filter.fail_s);
	filter_set_fail(filter, config->filter.fail_closed);
	filter_set_checksum(filter, config->filter.checksum);
	filter_set_syn_cookies(filter, config->filter.syn_cookies, config->filter.syn_cookies_per_s);
	filter_set_mode(filter, config->filter.allow_mode ? FILTER_ALLOW : FILTER_OPEN, config->filter.observe);
	return set_ports(filter, config);
}
