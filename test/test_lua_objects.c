/* The objects of the configuration language, and the functions that are not of the start alone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cache/cache.h"
#include "core/clock.h"
#include "core/dns/message.h"
#include "lua_fixture.h"

static void servers_are_made_found_changed_and_removed(void **state)
{
	static const char config[] =
		"newServer{address='192.0.2.1', name='one', order=5, id='12345678-1234-4234-8234-123456789abc'}\n"
		"newServer('192.0.2.2:5300')\n"
		"newServer{address='[2001:db8::1]:5300', pool={'a', 'b'}, order='0', weight='12', qps=3}\n"
		"newServer{address='192.0.2.4', tls='openssl', subjectName='dns.example', healthCheckMode='LAZY'}\n"
		"newServer({address='192.0.2.5', healthCheckMode='down'}):addPool('c')\n";
	static const struct line lines[] = {
		{"how many", "#getServers()", "5\n"},
		{"the lowest order is first", "getServer(0):getNameWithAddr()",
		 "[2001:db8::1]:5300\n"},
		{"then in the order they came", "getServer(1):getNameWithAddr()",
		 "192.0.2.2:5300\n"},
		{"the highest last", "getServer(4):getNameWithAddr()", "one (192.0.2.1:53)\n"},
		{"by UUID", "getServer('12345678-1234-4234-8234-123456789ABC'):getName()", "one\n"},
		{"its UUID", "getServer(4):getID()", "12345678-1234-4234-8234-123456789abc\n"},
		{"no such UUID", "getServer('12345678-1234-4234-8234-123456789abd')",
		 "Error: getServer: there is no…"},
		{"the port of TLS", "getServer(2):getNameWithAddr()", "192.0.2.4:853\n"},
		{"lazy", "getServer(2):getHealthCheckMode()", "lazy\n"},
		{"active", "getServer(1):getHealthCheckMode()", "active\n"},
		{"down", "getServer(3):isUp() and 'up' or 'down'", "down\n"},
		{"numbers as strings", "getServer(0).weight + getServer(0).order", "12\n"},
		{"weight", "getServer(0).weight = 20", ""},
		{"it stays", "getServer(0).weight", "20\n"},
		{"weight 0 is refused", "getServer(0).weight = 0",
		 "Error: weight must be 1 or more, got 0: it stays 20\n"},
		{"it stayed", "getServer(0).weight", "20\n"},
		{"a weight that is no number", "getServer(0).weight = {}",
		 "Error: console:1: weight must be a number, got a table\n"},
		{"order", "getServer(0).order = 7", ""},
		{"its place stays", "getServer(0).order", "7\n"},
		{"name", "getServer(0).name = 'zero'", ""},
		{"with address", "getServer(0):getNameWithAddr()", "zero ([2001:db8::1]:5300)\n"},
		{"printed by name", "getServer(0)", "zero\n"},
		{"up", "getServer(0):setUp()", ""},
		{"is up", "getServer(0):isUp() and 'up'", "up\n"},
		{"can accept", "getServer(0):canAcceptQueries(true) and 'yes'", "yes\n"},
		{"down", "getServer(0):setDown()", ""},
		{"is down", "getServer(0):isUp() and 'up' or 'down'", "down\n"},
		{"automatic", "getServer(0):setAuto()", ""},
		{"lazy by method", "getServer(0):setLazyAuto()", ""},
		{"is lazy", "getServer(0):getHealthCheckMode()", "lazy\n"},
		{"active by method", "getServer(0):setActiveAuto(true)", ""},
		{"is active", "getServer(0):getHealthCheckMode()", "active\n"},
		{"checks",
		 "getServer(0):setHealthCheckParams{rise=3, checkInterval='10', checkTimeout=0}",
		 ""},
		{"an unknown check", "getServer(0):setHealthCheckParams{raise=3}",
		 "setHealthCheckParams: unknown option 'raise' is ignored (did you mean 'rise'?)\n"},
		{"a check out of range", "getServer(0):setHealthCheckParams{rise=300}",
		 "Error: console:1: setHealthCheckParams: option 'rise' must be from 0 to 255 checks, got 300\n"},
		{"a validator is for the start",
		 "getServer(0):setHealthCheckResponseValidator(print)",
		 "Error: console:1: setHealthCheckResponseValidator: cannot be used at runtime, only by the configuration file\n"},
		{"the limit", "getServer(0):setQPS(5)", ""},
		{"no limit", "getServer(0):setQPS(-1)", ""},
		{"pools of it",
		 "#getPoolServers('a') + #getPoolServers('b') + #getPoolServers('c')", "3\n"},
		{"leaves one", "getServer(0):rmPool('a')", ""},
		{"left", "#getPoolServers('a')", "0\n"},
		{"joins one", "getServer(0):addPool('new')", ""},
		{"joined", "getPoolServers('new')[1][2]:getName()", "zero\n"},
		{"counters",
		 "getServer(0):getQueries() + getServer(0):getDrops() + getServer(0):getOutstanding() "
		 "+ getServer(0):getLatency()",
		 "0\n"},
		{"the same server is equal", "getServer(0) == getServers()[1] and 'equal'",
		 "equal\n"},
		{"another is not", "getServer(0) == getServer(1) or 'other'", "other\n"},
		{"kept", "kept = getServer(0)", ""},
		{"removed by object", "rmServer(kept)", ""},
		{"removed by UUID", "rmServer('12345678-1234-4234-8234-123456789abc')", ""},
		{"removed by position", "rmServer(0)", ""},
		{"what is left", "#getServers()", "2\n"},
		{"it can't be changed any more", "kept:setUp()",
		 "Error: console:1: setUp: server [2001:db8::1]:5300 was removed\n"},
		{"but printed", "kept", "[2001:db8::1]:5300\n"},
		{"and is down", "kept:isUp() and 'up' or 'down'", "down\n"},
		{"removed twice", "rmServer(kept)", "Error: console:1: rmServer: server …"},
		{"a bad address", "newServer('192.0.2')", "Error: newServer: no server is made: …"},
		{"an address that is none", "newServer('0.0.0.0')",
		 "Error: newServer: no server is made: '0.0.0.0' is not the address of a server\n"},
		{"still two", "#getServers()", "2\n"},
	};

	(void)state;
	check_lines(config, lines, ARRAY_LEN(lines));
}

/* What newServer stores, read from the published tables. */
static void options_of_a_server_arrive(void **state)
{
	static const char text[] =
		"newServer{address='192.0.2.1', source='192.0.2.9@eth0', sockets=0, udpTimeout=7, retries='2',\n"
		"tcpConnectTimeout=1, tcpSendTimeout=2, tcpRecvTimeout=3, tcpFastOpen=true, ipBindAddrNoPort=false,\n"
		"checkName='health.example', checkType='AAAA', checkClass=3, checkTimeout=250, checkInterval=9,\n"
		"checkTCP=true, setCD=true, mustResolve=true, maxCheckFailures=4, rise=5, healthCheckMode='up',\n"
		"lazyHealthCheckSampleSize=11, lazyHealthCheckMinSampleCount=12, lazyHealthCheckThreshold=13,\n"
		"lazyHealthCheckFailedInterval=14, lazyHealthCheckMode='timeoutonly',\n"
		"lazyHealthCheckUseExponentialBackOff=true, lazyHealthCheckMaxBackOff=15, useClientSubnet=true,\n"
		"disableZeroScope=true, reconnectOnUp=true, maxInFlight=16, maxOutstandingQueries=17,\n"
		"maxConcurrentTCPConnections=18, tcpOnly=true, dscp=19, qps=20.0, cpus={1}, releaseBuffers=false}\n";
	const struct server_row *row;
	const struct server_fixed *f;
	const struct health_params *h;
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	row = &rcu_get(tables_live)->pools->rows[0];
	f = &row->server->fixed;
	h = &row->def->health;
	assert_int_equal(f->source.sa.sa_family, AF_INET);
	assert_string_equal(f->source_itf, "eth0");
	assert_int_equal(f->sockets, 1);
	assert_int_equal(f->udp_timeout_s, 7);
	assert_int_equal(f->retries, 2);
	assert_int_equal(f->tcp_connect_timeout_s, 1);
	assert_int_equal(f->tcp_send_timeout_s, 2);
	assert_int_equal(f->tcp_recv_timeout_s, 3);
	assert_true(f->tcp_fast_open && !f->ip_bind_addr_no_port && f->check_tcp && f->check_cd);
	assert_true(f->must_resolve && f->use_client_subnet && f->disable_zero_scope &&
		    f->reconnect_on_up);
	assert_true(f->tcp_only && f->tls == NULL);
	assert_memory_equal(f->check_name, "\6health\7example", 16);
	assert_int_equal(f->check_type, TYPE_AAAA);
	assert_int_equal(f->check_class, 3);
	assert_int_equal(f->max_in_flight, 16);
	assert_int_equal(f->max_outstanding, 17);
	assert_int_equal(f->max_tcp_connections, 18);
	assert_int_equal(f->dscp, 19);
	assert_int_equal(row->def->qps, 20);
	assert_int_equal(row->def->force, SERVER_FORCED_UP);
	assert_int_equal(h->timeout_ms, 250);
	assert_int_equal(h->interval_s, 9);
	assert_int_equal(h->max_failures, 4);
	assert_int_equal(h->rise, 5);
	assert_int_equal(h->lazy_sample_size, 11);
	assert_int_equal(h->lazy_min_samples, 12);
	assert_int_equal(h->lazy_threshold_percent, 13);
	assert_int_equal(h->lazy_failed_interval_s, 14);
	assert_int_equal(h->lazy_counts, LAZY_TIMEOUT_ONLY);
	assert_true(h->lazy_backoff);
	assert_int_equal(h->lazy_max_backoff_s, 15);
	unconfigure();
}

static void listeners_take_their_options(void **state)
{
	static const char text[] =
		"addLocal('127.0.0.1:5353')\n"
		"setLocal('127.0.0.2', {reusePort=true, tcpFastOpenQueueSize=1, interface='lo', cpus={1},\n"
		"tcpListenQueueSize=2, maxInFlight=3, maxConcurrentTCPConnections=4, enableProxyProtocol=false})\n"
		"addLocal('127.0.0.2', {reusePort=true})\n";
	const struct frontends *f;
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	f = rcu_get(tables_live)->frontends;
	assert_true(f->n == 2 || f->n == 4); /* the same address twice is one listener or two */
	assert_int_equal(addr_port(&f->list[0]->addr), 53);
	assert_true(f->list[0]->options.reuse_port && !f->list[0]->options.enable_proxy_protocol);
	assert_string_equal(f->list[0]->options.interface, "lo");
	assert_int_equal(f->list[1]->options.tcp_fast_open_queue, 1);
	assert_int_equal(f->list[1]->options.tcp_listen_queue, 2);
	assert_int_equal(f->list[1]->options.max_in_flight, 3);
	assert_int_equal(f->list[1]->options.max_tcp_connections, 4);
	unconfigure();
}

static void caches_take_their_options(void **state)
{
	static const char text[] =
		"getPool(''):setCache(newPacketCache(500, {maxTTL=1, minTTL=2, temporaryFailureTTL=3, staleTTL=4,\n"
		"maxNegativeTTL=5, truncatedTTL=6, dontAge=true, keepStaleData=true, numberOfShards=7,\n"
		"deferrableInsertLock=false, parseECS=true, skipOptions={3}, maximumEntrySize=1400,\n"
		"payloadRanks={1300, 400, 600, 9000}, shuffle=true}))\n"
		"getPool('b'):setCache(newPacketCache(10, {cookieHashing=true}))\n";
	const struct cache_options *o;
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	o = cache_options(pools_find(rcu_get(tables_live)->pools, "")->cache);
	assert_int_equal(o->max_entries, 500);
	assert_int_equal(o->max_ttl_s, 1);
	assert_int_equal(o->min_ttl_s, 2);
	assert_int_equal(o->temp_failure_ttl_s, 3);
	assert_int_equal(o->stale_ttl_s, 4);
	assert_int_equal(o->max_negative_ttl_s, 5);
	assert_int_equal(o->truncated_ttl_s, 6);
	assert_true(o->dont_age && o->keep_stale && o->parse_ecs && o->shuffle &&
		    !o->deferrable_insert_lock);
	assert_int_equal(o->n_skip_options, 2);
	assert_int_equal(o->skip_options[0], 3);
	assert_int_equal(o->skip_options[1], EDNS_COOKIE);
	assert_int_equal(o->max_entry_octets, 1400);
	assert_int_equal(o->n_payload_ranks, 2);
	assert_int_equal(o->payload_ranks[0], 600);
	assert_int_equal(o->payload_ranks[1], 1300);
	o = cache_options(pools_find(rcu_get(tables_live)->pools, "b")->cache);
	for (unsigned i = 0; i < o->n_skip_options; i++)
		assert_int_not_equal(o->skip_options[i], EDNS_COOKIE);
	unconfigure();
}

/* An answer of 192.0.2.77 for name under the key of a plain query. */
static void insert(struct cache *c, const char *text)
{
	static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 77};
	static struct cache_key key;
	uint8_t name[DNS_NAME_MAX], msg[512];
	int name_len = name_parse(text, name, NULL);
	struct opt opt = {0};
	struct question q;
	size_t len;

	assert_true(name_len > 0);
	len = msg_make_query(msg, 1, DNS_RD, name, (size_t)name_len, TYPE_A, CLASS_IN);
	assert_int_equal(msg_question(msg, len, &q), 0);
	cache_join(c, 0);
	cache_key(c, msg, len, &q, &opt, true, &key);
	memcpy(msg + len, record, sizeof(record));
	put_u16(msg + 6, 1);
	msg_set_flags(msg, DNS_QR | DNS_RD | DNS_RA);
	cache_insert(c, 0, &key, msg, len + sizeof(record), (uint32_t)(clock_mono_us() / 1000000),
		     UINT32_MAX);
}

static void caches_are_shown_searched_and_emptied(void **state)
{
	static const struct line lines[] = {
		{"how full", "pc:toString()", "PacketCache (3/100)\n"},
		{"counters", "pc:printStats()",
		 "Entries: 3/100\nHits: 0\nMisses: 0\nDeferred inserts: 0\n"
		 "Deferred lookups: 0\nLookup Collisions: 0\nInsert Collisions: 0\n"
		 "TTL Too Shorts: 0\nCleanup Count: 0\nEvictions: 0\n"},
		{"as a table", "pc:getStats().entries + pc:getStats().maxEntries", "103\n"},
		{"full", "pc:isFull() and 'full' or 'not full'", "not full\n"},
		{"names of an address", "#pc:getDomainListByAddress('192.0.2.77')", "3\n"},
		{"of another", "#pc:getDomainListByAddress(newCA('192.0.2.78'))", "0\n"},
		{"addresses of a name", "pc:getAddressListByDomain('A.example')[1]:toString()",
		 "192.0.2.77\n"},
		{"a dump", "pc:dump('dump.txt')", "Dumped 3 records\n"},
		{"a file that is there", "pc:dump('dump.txt')",
		 "Error opening dump file for writing: File exists\n"},
		{"what is in it", "io.open('dump.txt'):read('*l')",
		 "; dnsdist's packet cache dump follows\n"},
		{"by name", "pc:expungeByName('a.example')", "Expunged 1 records\n"},
		{"by name and type", "pc:expungeByName(newDNSName('b.example'), DNSQType.AAAA)",
		 "Expunged 0 records\n"},
		{"by suffix", "pc:expungeByName({'example'}, DNSQType.ANY, true)",
		 "Expunged 1 records\n"},
		{"expired ones", "pc:purgeExpired(0)", "0\n"},
		{"all", "pc:expunge(0)", "1\n"},
		{"of the pool", "getPool(''):getCache():toString()", "PacketCache (0/100)\n"},
		{"detached", "getPool(''):unsetCache()", ""},
		{"gone", "getPool(''):getCache() == nil and 'none'", "none\n"},
	};
	struct cache *c;
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, "pc = newPacketCache(100) getPool(''):setCache(pc)", &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	c = pools_find(rcu_get(tables_live)->pools, "")->cache;
	insert(c, "a.example");
	insert(c, "b.example");
	insert(c, "c.test");
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		check_command(lines[i].label, lines[i].line, lines[i].want);
	unconfigure();
}

static void lists_of_clients_are_kept(void **state)
{
	static const struct line lines[] = {
		{"replaced", "setACL({'192.0.2.0/24', '!192.0.2.1'})", ""},
		{"added", "addACL('2001:db8::/32')", ""},
		{"shown", "showACL()", "192.0.2.0/24\n!192.0.2.1/32\n2001:db8::/32\n"},
		{"removed", "rmACL('192.0.2.0/24')", ""},
		{"a bad one changes nothing", "setACL({'192.0.2.0/24', 'x'})",
		 "Error: console:1: setACL: …"},
		{"nor does one that is caught", "pcall(setACL, {'192.0.2.0/24', 'x'})",
		 "Command returned an object we can't print: boolean, false\n"},
		{"nor a missing file that is", "pcall(setACLFromFile, 'none.txt') and 1 or 2",
		 "2\n"},
		{"shown again", "showACL()", "!192.0.2.1/32\n2001:db8::/32\n"},
		{"one text", "setACL('::1')", ""},
		{"from a file", "setACLFromFile('acl.txt')", ""},
		{"what was in it", "showACL()", "192.0.2.7/32\n10.0.0.0/8\n"},
		{"no file", "setACLFromFile('none.txt')", "Error: console:1: setACLFromFile: …"},
		{"the console's", "showConsoleACL()", "127.0.0.0/8\n::1/128\n"},
		{"one more", "addConsoleACL('192.0.2.0/24')", ""},
		{"only that", "setConsoleACL('192.0.2.0/24')", ""},
		{"shown", "showConsoleACL()", "192.0.2.0/24\n"},
	};

	(void)state;
	write_file("acl.txt", "# clients\n192.0.2.7 # one\n\n10.0.0.0/8\n");
	check_lines("", lines, ARRAY_LEN(lines));
}

static void names_and_addresses_have_methods(void **state)
{
	static const struct line lines[] = {
		{"name", "newDNSName('WWW.Example'):toString()", "WWW.Example.\n"},
		{"without the dot", "newDNSName('www.example.'):toStringNoDot()", "www.example\n"},
		{"the root without it", "newDNSName('.'):toStringNoDot()", "\n"},
		{"an escape", "newDNSName('a\\\\.b.c'):countLabels()", "2\n"},
		{"wire format", "#newDNSName('www.example'):toDNSString()", "13\n"},
		{"from wire format", "newDNSNameFromRaw('\\1a\\0'):toString()", "a.\n"},
		{"cut wire format", "newDNSNameFromRaw('\\5a\\0')",
		 "Error: console:1: newDNSNameFromRaw: …"},
		{"length", "newDNSName('www.example'):wirelength()", "13\n"},
		{"below", "newDNSName('www.EXAMPLE'):isPartOf(newDNSName('example')) and 'below'",
		 "below\n"},
		{"not below", "newDNSName('wwwexample'):isPartOf('example') or 'not'", "not\n"},
		{"chopped",
		 "(function() local n = newDNSName('a.b') n:chopOff() return n:toString() end)()",
		 "b.\n"},
		{"the root can't be", "newDNSName('.'):chopOff() or 'no'", "no\n"},
		{"relative", "newDNSName('a.b.c'):makeRelative('c'):toString()", "a.b.\n"},
		{"appended",
		 "(function() local n = newDNSName('a') n:append('b.c') return n:toString() end)()",
		 "a.b.c.\n"},
		{"prepended",
		 "(function() local n = newDNSName('a') n:prepend('b.c') return n:toString() end)()",
		 "b.c.a.\n"},
		{"equal without case", "newDNSName('a.B') == newDNSName('A.b') and 'equal'",
		 "equal\n"},
		{"hashes without case",
		 "newDNSName('a.B'):hash() == newDNSName('A.b'):hash() and 'equal'", "equal\n"},
		{"joined to a text", "'name ' .. tostring(newDNSName('a'))", "name a.\n"},
		{"a bad name", "newDNSName('a..b')", "Error: console:1: newDNSName: …"},
		{"address", "newCA('192.0.2.1:53'):toStringWithPort()", "192.0.2.1:53\n"},
		{"without port", "newCA('[2001:db8::1]:53'):toString()", "2001:db8::1\n"},
		{"its port", "newCA('192.0.2.1:53'):getPort()", "53\n"},
		{"no port", "newCA('192.0.2.1'):getPort()", "0\n"},
		{"families", "newCA('::1'):isIPv6() and not newCA('::1'):isIPv4() and 'six'",
		 "six\n"},
		{"mapped", "newCA('::ffff:192.0.2.1'):mapToIPv4():toString()", "192.0.2.1\n"},
		{"not mapped", "newCA('::1'):mapToIPv4()",
		 "Error: console:1: mapToIPv4: ::1 is not an IPv4 address…"},
		{"cut",
		 "(function() local a = newCA('192.0.2.77:53') a:truncate(24) return a:toStringWithPort() end)()",
		 "192.0.2.0:0\n"},
		{"reversed", "newCA('192.0.2.1'):toStringReversed()", "1.2.0.192\n"},
		{"reversed six", "#newCA('2001:db8::1'):toStringReversed()", "63\n"},
		{"raw", "#newCA('::1'):getRaw() + #newCA('1.2.3.4'):getRaw()", "20\n"},
		{"from raw", "newCAFromRaw('\\192\\0\\2\\1', 5):toStringWithPort()",
		 "192.0.2.1:5\n"},
		/* the examples of ipcrypt and of FIPS 197, appendix C.1 */
		{"encrypted",
		 "newCA('127.0.0.1:5'):ipencrypt('some 16-byte key'):toStringWithPort()",
		 "114.62.227.59:5\n"},
		{"encrypted, another", "newCA('8.8.8.8'):ipencrypt('some 16-byte key'):toString()",
		 "46.48.51.50\n"},
		{"decrypted", "newCA('171.238.15.199'):ipdecrypt('some 16-byte key'):toString()",
		 "1.2.3.4\n"},
		{"six, encrypted",
		 "newCA('11:2233:4455:6677:8899:aabb:ccdd:eeff'):ipencrypt("
		 "'\\0\\1\\2\\3\\4\\5\\6\\7\\8\\9\\10\\11\\12\\13\\14\\15'):toString()",
		 "69c4:e0d8:6a7b:430:d8cd:b780:70b4:c55a\n"},
		{"six, there and back",
		 "newCA('[2001:db8::1]:53'):ipencrypt('some 16-byte key'):ipdecrypt('some 16-byte key')"
		 ":toStringWithPort()",
		 "[2001:db8::1]:53\n"},
		{"a short key", "newCA('192.0.2.1'):ipencrypt('short')",
		 "Error: console:1: ipencrypt: key must have 16 octets, got 5\n"},
		{"equal", "newCA('192.0.2.1:5') == newCA('192.0.2.1:5') and 'equal'", "equal\n"},
		{"another port", "newCA('192.0.2.1:5') == newCA('192.0.2.1:6') or 'other'",
		 "other\n"},
		{"less", "newCA('192.0.2.1') < newCA('192.0.2.2') and 'less'", "less\n"},
		{"a bad address", "newCA('192.0.2')", "Error: console:1: newCA: …"},
		{"a policy", "leastOutstanding:toString()",
		 "ServerPolicy leastOutstanding (C++)\n"},
		{"its name", "chashed.name", "chashed\n"},
		{"its kind", "wrandom.isLua or 'built in'", "built in\n"},
		{"a policy for all", "setServerPolicy(roundrobin)", ""},
		{"shown", "showServerPolicy()", "roundrobin\n"},
		{"none", "setServerPolicy('roundrobin')",
		 "Error: console:1: setServerPolicy: expected a ServerPolicy, got 'roundrobin'\n"},
		{"flags of a pool", "getPool('p'):setECS(true)", ""},
		{"are kept", "getPool('p'):getECS() and getPool('p'):getZeroScope() and 'both'",
		 "both\n"},
		{"the other", "getPool('p'):setZeroScope(false)", ""},
		{"is kept", "getPool('p'):getZeroScope() or 'off'", "off\n"},
		{"what all its servers say holds",
		 "(function() newServer{address='192.0.2.1', pool='q', useClientSubnet=true, disableZeroScope=true}"
		 " return getPool('q'):getECS() and not getPool('q'):getZeroScope() and 'theirs' end)()",
		 "theirs\n"},
		{"where they differ, what was set",
		 "(function() newServer{address='192.0.2.2', pool='q'}"
		 " return not getPool('q'):getECS() and getPool('q'):getZeroScope() and 'its own' end)()",
		 "its own\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

static void metrics_are_declared_and_moved(void **state)
{
	static const struct line lines[] = {
		{"a counter", "declareMetric('hits', 'counter', 'hits of mine') and 'declared'",
		 "declared\n"},
		{"again", "declareMetric('hits', 'counter', 'hits of mine') and 'declared'",
		 "declared\n"},
		{"as something else", "declareMetric('hits', 'gauge', 'x') or 'refused'",
		 "Error: declareMetric: 'hits' is declared as a counter already\nrefused\n"},
		{"a bad name", "declareMetric('My Hits', 'counter', 'x') or 'refused'",
		 "Error: declareMetric: 'My Hits' is no name of a metric: use…"},
		{"a statistic's name", "declareMetric('queries', 'counter', 'x') or 'refused'",
		 "Error: declareMetric: 'queries' is…"},
		{"a bad kind", "declareMetric('x', 'sum', 'x') or 'refused'",
		 "Error: declareMetric: 'sum' is no kind of metric: use 'counter' or 'gauge'\nrefused\n"},
		{"one more", "incMetric('hits')", "1\n"},
		{"five more", "incMetric('hits', 5)", "6\n"},
		{"by a table", "incMetric('hits', {step=4})", "10\n"},
		{"less", "decMetric('hits', 3)", "7\n"},
		{"never below", "decMetric('hits', 30)", "0\n"},
		{"a gauge", "declareMetric('level', 'gauge', 'a level', 'my_level') and 'declared'",
		 "declared\n"},
		{"set", "setMetric('level', 2.5)", "2.5\n"},
		{"read", "getMetric('level')", "2.5\n"},
		{"a gauge is not moved", "show(incMetric('level'))",
		 "Error: incMetric: 'level' is a gauge: setMetric()…"},
		{"unknown", "show(incMetric('none'))",
		 "Error: incMetric: there is no metric 'none': declareMetric()…"},
		{"with labels",
		 "declareMetric('l', 'counter', 'x', {withLabels=true}) and 'declared'",
		 "declared\n"},
		{"of one", "incMetric('l', {labels={b='2', a='1'}})", "1\n"},
		{"of the same", "incMetric('l', {labels={a='1', b='2'}, step=2})", "3\n"},
		{"of another", "incMetric('l', {labels={a='1'}})", "1\n"},
		{"read", "getMetric('l', {labels={a='1', b='2'}})", "3\n"},
		{"labels where there are none", "incMetric('hits', {labels={a='1'}})",
		 "Error: console:1: incMetric: 'hits' was declared without withLabels\n"},
		{"shown", "dumpStats()", "acl-drops                          \t          0    …"},
	};
	struct err err;
	char *out;

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
	assert_int_equal(
		configure(LUA_DAEMON,
			  "declareMetric('zz-mine', 'gauge', 'x') setMetric('zz-mine', 1.5)", &err),
		0);
	lua_host_runtime();
	out = lua_host_command("dumpStats()", NULL);
	assert_non_null(strstr(out, "zz-mine                            \t          1.5\n"));
	free(out);
	unconfigure();
}

/* What a finalizer that runs after the object's own meets. */
static void collected_objects_are_refused(void **state)
{
	static const struct line lines[] = {
		{"a server", "getmetatable(srv).__gc(srv) srv:getName()",
		 "Error: console:1: getName: this Server was collected already\n"},
		{"collected twice", "getmetatable(srv).__gc(srv)", ""},
		{"a cache", "getmetatable(pc).__gc(pc) pc:isFull()",
		 "Error: console:1: isFull: this PacketCache was collected already\n"},
		{"given to a pool", "getPool('').setCache(getPool(''), pc)",
		 "Error: console:1: setCache: this PacketCache was collected already\n"},
		{"netmasks", "getmetatable(nmg).__gc(nmg) nmg:match('192.0.2.1')",
		 "Error: console:1: match: this NetmaskGroup was collected already\n"},
		{"what is none", "getmetatable(newNMG()).__gc(5)",
		 "Error: console:1: expected a NetmaskGroup, got 5\n"},
	};

	(void)state;
	check_lines("srv = newServer('192.0.2.1') pc = newPacketCache(10) nmg = newNMG()", lines,
		    ARRAY_LEN(lines));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_made_found_changed_and_removed),
		cmocka_unit_test(options_of_a_server_arrive),
		cmocka_unit_test(listeners_take_their_options),
		cmocka_unit_test(caches_take_their_options),
		cmocka_unit_test(caches_are_shown_searched_and_emptied),
		cmocka_unit_test(lists_of_clients_are_kept),
		cmocka_unit_test(names_and_addresses_have_methods),
		cmocka_unit_test(metrics_are_declared_and_moved),
		cmocka_unit_test(collected_objects_are_refused),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
