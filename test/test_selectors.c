/* Selectors that look at the message and where it came from: when they match, what they print, and
 * that their keys are met wherever they must be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/selector_fixture.h"

/* OPT with payload 1232 and, in this order, upper rcode bits, version, flags, options. */
#define OPT_WITH(rcode, version, flags, len, options) \
	BYTES("\0\0\x29\4\xd0" rcode version flags len options)
#define COOKIE         \
	"\0\x0a\0\x08" \
	"12345678"

struct select_case {
	const char *label, *rule;
	const char *args[6];
	struct sample with;
	bool want;
};

static const struct select_case names[] = {
	{"same name", "QNameRule", {"www.example.com."}, {0}, true},
	{"other case", "QNameRule", {"WWW.example.COM"}, {.name = "wwW.Example.com."}, true},
	{"below", "QNameRule", {"example.com."}, {0}, false},
	{"as long", "QNameRule", {"wwx.example.com."}, {0}, false},
	{"root is root", "QNameRule", {"."}, {.name = "."}, true},
	{"root is no other", "QNameRule", {"."}, {0}, false},
	{"an answer", "QNameRule", {"www.example.com."}, {.is_answer = true}, true},
	{"an answer without question is about the query's",
	 "QNameRule",
	 {"www.example.com."},
	 {.is_answer = true, .no_question = true},
	 true},
	{"no question, root", "QNameRule", {"."}, {.is_answer = true, .empty = true}, false},

	{"suffix itself", "QNameSuffixRule", {"www.example.com."}, {0}, true},
	{"suffix above", "QNameSuffixRule", {"com."}, {0}, true},
	{"suffix, other case",
	 "QNameSuffixRule",
	 {"eXample.com."},
	 {.name = "a.EXAMPLE.com."},
	 true},
	{"not at a label's end", "QNameSuffixRule", {"ample.com."}, {0}, false},
	{"suffix below", "QNameSuffixRule", {"a.www.example.com."}, {0}, false},
	{"second of a list", "QNameSuffixRule", {"org.|net.|com."}, {0}, true},
	{"none of a list", "QNameSuffixRule", {"org.|net.|example."}, {0}, false},
	{"all are below the root", "QNameSuffixRule", {"."}, {0}, true},
	{"the root is below the root", "QNameSuffixRule", {"."}, {.name = "."}, true},
	{"no question, below the root",
	 "QNameSuffixRule",
	 {"."},
	 {.is_answer = true, .empty = true},
	 false},
	{"quiet", "QNameSuffixRule", {"com.", "true"}, {0}, true},
	{"old name", "SuffixMatchNodeRule", {"example.com.", "false"}, {0}, true},
	{"old name, no", "SuffixMatchNodeRule", {"example.org."}, {0}, false},

	{"in the set",
	 "QNameSetRule",
	 {"a.|www.example.com.|b."},
	 {.name = "WWW.example.com"},
	 true},
	{"above is not in the set", "QNameSetRule", {"example.com.|com."}, {0}, false},
	{"no question, set with root",
	 "QNameSetRule",
	 {"."},
	 {.is_answer = true, .empty = true},
	 false},

	{"labels inside", "QNameLabelsCountRule", {"3", "3"}, {0}, false},
	{"too few labels", "QNameLabelsCountRule", {"4", "9"}, {0}, true},
	{"too many labels", "QNameLabelsCountRule", {"0", "2"}, {0}, true},
	{"root has none", "QNameLabelsCountRule", {"1", "9"}, {.name = "."}, true},
	{"root is inside", "QNameLabelsCountRule", {"0", "9"}, {.name = "."}, false},
	{"most above all", "QNameLabelsCountRule", {"0", "4294967295"}, {0}, false},
	{"no question, labels",
	 "QNameLabelsCountRule",
	 {"1", "9"},
	 {.is_answer = true, .empty = true},
	 false},
	{"no question, labels inside",
	 "QNameLabelsCountRule",
	 {"0", "9"},
	 {.is_answer = true, .empty = true},
	 false},

	/* 3www7example3com0 are 17 octets */
	{"length inside", "QNameWireLengthRule", {"17", "17"}, {0}, false},
	{"too short", "QNameWireLengthRule", {"18", "255"}, {0}, true},
	{"too long", "QNameWireLengthRule", {"1", "16"}, {0}, true},
	{"root is 1", "QNameWireLengthRule", {"2", "255"}, {.name = "."}, true},
	{"other spelling", "QNameWirelengthRule", {"1", "16"}, {0}, true},
	{"no question, length",
	 "QNameWireLengthRule",
	 {"1", "16"},
	 {.is_answer = true, .empty = true},
	 false},

	{"found inside", "RegexRule", {"ample"}, {0}, true},
	{"case is no matter",
	 "RegexRule",
	 {"^WWW\\.EXAMPLE\\.com$"},
	 {.name = "www.exAMPLE.com"},
	 true},
	{"no dot at the end", "RegexRule", {"com\\.$"}, {0}, false},
	{"extended", "RegexRule", {"^[a-z]{3}\\.(exa|foo)"}, {0}, true},
	{"not found", "RegexRule", {"[0-9]+"}, {0}, false},
	{"root is empty", "RegexRule", {"^$"}, {.name = "."}, true},
	{"no question, regex", "RegexRule", {"^$"}, {.is_answer = true, .empty = true}, false},
};

static const struct select_case numbers[] = {
	{"type", "QTypeRule", {"A"}, {0}, true},
	{"other type", "QTypeRule", {"AAAA"}, {0}, false},
	{"type by number", "QTypeRule", {"65280"}, {.qtype = 65280}, true},
	{"an answer's type", "QTypeRule", {"A"}, {.is_answer = true}, true},
	{"no question, type 0", "QTypeRule", {"0"}, {.is_answer = true, .empty = true}, false},
	{"class", "QClassRule", {"1"}, {0}, true},
	{"chaos", "QClassRule", {"3"}, {.qclass = 3}, true},
	{"other class", "QClassRule", {"3"}, {0}, false},
	{"no question, class 0", "QClassRule", {"0"}, {.is_answer = true, .empty = true}, false},
	{"opcode 0", "OpcodeRule", {"0"}, {.flags = DNS_RD}, true},
	{"notify", "OpcodeRule", {"4"}, {.flags = 4 << DNS_OPCODE_SHIFT | DNS_AA | 0xf}, true},
	{"other opcode", "OpcodeRule", {"5"}, {.flags = 4 << DNS_OPCODE_SHIFT}, false},
	{"no opcode at all", "OpcodeRule", {"16"}, {.flags = 0}, false},
	{"QR is not of the opcode", "OpcodeRule", {"0"}, {.is_answer = true}, true},
	{"rcode", "RCodeRule", {"3"}, {.is_answer = true, .flags = DNS_RD | RCODE_NXDOMAIN}, true},
	{"other rcode", "RCodeRule", {"0"}, {.is_answer = true, .flags = RCODE_NXDOMAIN}, false},
	{"rcode of OPT is no matter",
	 "RCodeRule",
	 {"0"},
	 {.is_answer = true, .more = OPT_WITH("\1", "\0", "\0\0", "\0\0", ""), .ar = 1},
	 true},
	{"rcode above 15", "RCodeRule", {"16"}, {.is_answer = true}, false},
	{"answer without question",
	 "RCodeRule",
	 {"5"},
	 {.is_answer = true, .no_question = true, .flags = RCODE_REFUSED},
	 true},
	{"RD", "RDRule", {NULL}, {.flags = DNS_RD}, true},
	{"no RD", "RDRule", {NULL}, {.flags = DNS_RA | DNS_AA}, false},
};

#define OPT_PLAIN     OPT_WITH("\0", "\0", "\0\0", "\0\0", "")
#define OPT_DO        OPT_WITH("\0", "\0", "\x80\0", "\0\0", "")
#define OPT_COOKIE    OPT_WITH("\0", "\0", "\0\0", "\0\x0c", COOKIE)
#define OPT_VERSION_1 OPT_WITH("\0", "\1", "\0\0", "\0\0", "")
#define OPT_BADCOOKIE OPT_WITH("\1", "\0", "\0\0", "\0\0", "") /* 1 << 4 | 7 */

static const struct select_case edns[] = {
	{"DO", "DNSSECRule", {NULL}, {.more = OPT_DO, .ar = 1}, true},
	{"CD", "DNSSECRule", {NULL}, {.flags = DNS_CD}, true},
	{"AD alone", "DNSSECRule", {NULL}, {.flags = DNS_AD}, false},
	{"EDNS without DO", "DNSSECRule", {NULL}, {.more = OPT_PLAIN, .ar = 1}, false},
	{"DO behind a question cut off",
	 "DNSSECRule",
	 {NULL},
	 {.is_answer = true, .no_question = true, .more = OPT_DO, .ar = 1},
	 true},
	{"DO, cut short", "DNSSECRule", {NULL}, {.more = OPT_DO, .ar = 1, .cut = 1}, false},
	{"DO of an answer",
	 "DNSSECRule",
	 {NULL},
	 {.is_answer = true, .more = BYTES(A_RECORD OPT_EMPTY), .an = 1, .ar = 1},
	 true},

	{"option", "EDNSOptionRule", {"10"}, {.more = OPT_COOKIE, .ar = 1}, true},
	{"other option", "EDNSOptionRule", {"8"}, {.more = OPT_COOKIE, .ar = 1}, false},
	{"no option", "EDNSOptionRule", {"10"}, {.more = OPT_PLAIN, .ar = 1}, false},
	{"no EDNS", "EDNSOptionRule", {"10"}, {0}, false},
	{"OPT that no header counts", "EDNSOptionRule", {"10"}, {.more = OPT_COOKIE}, false},
	{"option, cut short",
	 "EDNSOptionRule",
	 {"10"},
	 {.more = OPT_COOKIE, .ar = 1, .cut = 1},
	 false},
	{"two OPT",
	 "EDNSOptionRule",
	 {"10"},
	 {.more = BYTES(OPT_EMPTY "\0\0\x29\4\xd0\0\0\0\0\0\x0c" COOKIE), .ar = 2},
	 false},
	{"owner of OPT is not the root",
	 "EDNSOptionRule",
	 {"10"},
	 {.more = BYTES("\1x\0\0\x29\4\xd0\0\0\0\0\0\x0c" COOKIE), .ar = 1},
	 false},

	{"version above", "EDNSVersionRule", {"0"}, {.more = OPT_VERSION_1, .ar = 1}, true},
	{"same version", "EDNSVersionRule", {"1"}, {.more = OPT_VERSION_1, .ar = 1}, false},
	{"no EDNS, no version", "EDNSVersionRule", {"0"}, {0}, false},

	{"extended rcode",
	 "ERCodeRule",
	 {"23"},
	 {.is_answer = true, .flags = 7, .more = OPT_BADCOOKIE, .ar = 1},
	 true},
	{"only its lower bits",
	 "ERCodeRule",
	 {"23"},
	 {.is_answer = true, .flags = 7, .more = OPT_PLAIN, .ar = 1},
	 false},
	{"only its upper bits",
	 "ERCodeRule",
	 {"23"},
	 {.is_answer = true, .flags = 6, .more = OPT_BADCOOKIE, .ar = 1},
	 false},
	{"small, with OPT",
	 "ERCodeRule",
	 {"3"},
	 {.is_answer = true, .flags = 3, .more = OPT_PLAIN, .ar = 1},
	 true},
	{"small, without OPT", "ERCodeRule", {"3"}, {.is_answer = true, .flags = 3}, false},
	{"its OPT is cut short",
	 "ERCodeRule",
	 {"23"},
	 {.is_answer = true, .flags = 7, .more = OPT_BADCOOKIE, .ar = 1, .cut = 2},
	 false},
};

/* www.example.com A IN: 33 octets. */
static const struct select_case messages[] = {
	{"equal", "PayloadSizeRule", {"equal", "33"}, {0}, true},
	{"not equal", "PayloadSizeRule", {"equal", "34"}, {0}, false},
	{"greater", "PayloadSizeRule", {"greater", "32"}, {0}, true},
	{"greater than itself", "PayloadSizeRule", {"greater", "33"}, {0}, false},
	{"greater or equal", "PayloadSizeRule", {"greaterOrEqual", "33"}, {0}, true},
	{"not greater or equal", "PayloadSizeRule", {"greaterOrEqual", "34"}, {0}, false},
	{"smaller", "PayloadSizeRule", {"smaller", "34"}, {0}, true},
	{"smaller than itself", "PayloadSizeRule", {"smaller", "33"}, {0}, false},
	{"smaller or equal", "PayloadSizeRule", {"smallerOrEqual", "33"}, {0}, true},
	{"not smaller or equal", "PayloadSizeRule", {"smallerOrEqual", "32"}, {0}, false},
	{"of the answer",
	 "PayloadSizeRule",
	 {"equal", "49"},
	 {.is_answer = true, .more = BYTES(A_RECORD), .an = 1},
	 true},
	{"trailing octets count", "PayloadSizeRule", {"equal", "35"}, {.more = BYTES("xy")}, true},

	{"questions", "RecordsCountRule", {"0", "1", "1"}, {0}, true},
	{"no question",
	 "RecordsCountRule",
	 {"0", "1", "1"},
	 {.is_answer = true, .no_question = true},
	 false},
	{"no answers", "RecordsCountRule", {"1", "0", "0"}, {0}, true},
	{"answers",
	 "RecordsCountRule",
	 {"1", "2", "3"},
	 {.is_answer = true, .more = BYTES(A_RECORD A_RECORD), .an = 2},
	 true},
	{"too many answers",
	 "RecordsCountRule",
	 {"1", "0", "1"},
	 {.is_answer = true, .more = BYTES(A_RECORD A_RECORD), .an = 2},
	 false},
	{"authority",
	 "RecordsCountRule",
	 {"2", "1", "1"},
	 {.is_answer = true, .more = BYTES(A_RECORD), .ns = 1},
	 true},
	{"additional", "RecordsCountRule", {"3", "1", "9"}, {.more = OPT_PLAIN, .ar = 1}, true},
	{"counts of the header alone", "RecordsCountRule", {"1", "5", "5"}, {.an = 5}, true},

	{"OPT", "RecordsTypeCountRule", {"3", "OPT", "1", "1"}, {.more = OPT_PLAIN, .ar = 1}, true},
	{"no OPT", "RecordsTypeCountRule", {"3", "OPT", "1", "1"}, {0}, false},
	{"none is counted", "RecordsTypeCountRule", {"3", "OPT", "0", "0"}, {0}, true},
	{"A in the answer",
	 "RecordsTypeCountRule",
	 {"1", "A", "1", "1"},
	 {.is_answer = true, .more = BYTES(A_RECORD OPT_EMPTY), .an = 1, .ar = 1},
	 true},
	{"A in another section",
	 "RecordsTypeCountRule",
	 {"1", "A", "1", "1"},
	 {.is_answer = true, .more = BYTES(A_RECORD), .ns = 1},
	 false},
	{"more than allowed",
	 "RecordsTypeCountRule",
	 {"1", "A", "1", "1"},
	 {.is_answer = true, .more = BYTES(A_RECORD A_RECORD), .an = 2},
	 false},
	{"question of a type", "RecordsTypeCountRule", {"0", "A", "1", "1"}, {0}, true},
	{"records cut short",
	 "RecordsTypeCountRule",
	 {"1", "A", "1", "2"},
	 {.is_answer = true, .more = BYTES(A_RECORD A_RECORD), .an = 2, .cut = 3},
	 false},
	{"records cut short are not none",
	 "RecordsTypeCountRule",
	 {"1", "AAAA", "0", "2"},
	 {.is_answer = true, .more = BYTES(A_RECORD), .an = 1, .cut = 3},
	 false},

	{"nothing trails", "TrailingDataRule", {NULL}, {0}, false},
	{"trails a question", "TrailingDataRule", {NULL}, {.more = BYTES("x")}, true},
	{"trails OPT", "TrailingDataRule", {NULL}, {.more = BYTES(OPT_EMPTY "x"), .ar = 1}, true},
	{"nothing trails OPT", "TrailingDataRule", {NULL}, {.more = OPT_PLAIN, .ar = 1}, false},
	{"cut short does not trail",
	 "TrailingDataRule",
	 {NULL},
	 {.more = OPT_PLAIN, .ar = 1, .cut = 1},
	 false},
	{"trails an answer without question",
	 "TrailingDataRule",
	 {NULL},
	 {.is_answer = true, .no_question = true, .more = BYTES("xyz")},
	 true},
};

#define V6 "2001:db8::1"

static const struct select_case clients[] = {
	{"in the network", "NetmaskGroupRule", {"192.0.2.0/24"}, {0}, true},
	{"not in the network", "NetmaskGroupRule", {"192.0.2.2"}, {0}, false},
	{"second netmask", "NetmaskGroupRule", {"10.0.0.0/8|192.0.2.1"}, {0}, true},
	{"IPv6", "NetmaskGroupRule", {"2001:db8::/32"}, {.client = V6}, true},
	{"mapped is IPv4",
	 "NetmaskGroupRule",
	 {"192.0.2.0/24"},
	 {.client = "::ffff:192.0.2.7"},
	 true},
	{"IPv4 is not below ::/0", "NetmaskGroupRule", {"::/0"}, {0}, false},
	{"taken out again", "NetmaskGroupRule", {"192.0.2.0/24|!192.0.2.1"}, {0}, false},
	{"beside what is taken out",
	 "NetmaskGroupRule",
	 {"192.0.2.0/24|!192.0.2.1"},
	 {.client = "192.0.2.2"},
	 true},
	{"only taken out", "NetmaskGroupRule", {"!192.0.2.1"}, {.client = "192.0.2.2"}, false},
	{"longest decides", "NetmaskGroupRule", {"!192.0.0.0/16|192.0.2.0/24"}, {0}, true},
	{"source by name", "NetmaskGroupRule", {"192.0.2.53", "true"}, {0}, false},
	{"destination", "NetmaskGroupRule", {"192.0.2.53", "false"}, {0}, true},
	{"not the destination", "NetmaskGroupRule", {"192.0.2.1", "false", "true"}, {0}, false},

	{"port", "DSTPortRule", {"53"}, {0}, true},
	{"other port", "DSTPortRule", {"53"}, {.asked = "192.0.2.53:5353"}, false},
	{"port of an IPv6 listener", "DSTPortRule", {"5353"}, {.asked = "[::1]:5353"}, true},
	{"the client's port is another", "DSTPortRule", {"1053"}, {0}, false},

	{"TCP", "TCPRule", {"true"}, {.proto = PROTO_TCP}, true},
	{"DoT is a stream", "TCPRule", {"true"}, {.proto = PROTO_DOT}, true},
	{"UDP is none", "TCPRule", {"true"}, {0}, false},
	{"UDP", "TCPRule", {"false"}, {0}, true},
	{"DoH is not UDP", "TCPRule", {"false"}, {.proto = PROTO_DOH}, false},

	{"DoUDP", "IncomingProtocolRule", {"DoUDP"}, {0}, true},
	{"DoTCP", "IncomingProtocolRule", {"DoTCP"}, {.proto = PROTO_TCP}, true},
	{"DoT", "IncomingProtocolRule", {"DoT"}, {.proto = PROTO_DOT}, true},
	{"DoH", "IncomingProtocolRule", {"DoH"}, {.proto = PROTO_DOH}, true},
	{"DoT is not DoTCP", "IncomingProtocolRule", {"DoTCP"}, {.proto = PROTO_DOT}, false},
	{"DNSCrypt", "IncomingProtocolRule", {"DNSCryptUDP"}, {0}, false},
	{"DNSCrypt, TCP", "IncomingProtocolRule", {"DNSCryptTCP"}, {.proto = PROTO_TCP}, false},
	{"DoQ", "IncomingProtocolRule", {"DoQ"}, {.proto = PROTO_DOH}, false},
	{"DoH3", "IncomingProtocolRule", {"DoH3"}, {.proto = PROTO_DOH}, false},
};

static void check_case(const struct select_case *c)
{
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &c->with);
	struct err err = {""};
	struct selector *s = selector_of(c->rule, c->args, &err);

	if (s == NULL)
		fail_msg("%s, %s: %s", c->rule, c->label, err.text);
	if (selector_match(s, run) != c->want)
		fail_msg("%s, %s: %d", c->rule, c->label, !c->want);
	if (run->must_drop || run->changed)
		fail_msg("%s, %s: the query was touched", c->rule, c->label);
	if (!keys_allow(s, run, c->want))
		fail_msg("%s, %s: no key is met", c->rule, c->label);
	selector_unref(s);
}

#define CHECK(cases)                                          \
	static void cases##_match(void **state)               \
	{                                                     \
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) \
			check_case(&cases[i]);                \
	}
CHECK(names)
CHECK(numbers)
CHECK(edns)
CHECK(messages)
CHECK(clients)

static void the_whole_name_matches_under_re2(void **state)
{
	static const struct select_case re2[] = {
		{"whole", "RE2Rule", {"www\\.example\\.com"}, {0}, true},
		{"part", "RE2Rule", {"example"}, {0}, false},
		{"case counts", "RE2Rule", {"www\\.Example\\.com"}, {0}, false},
		{"unless told", "RE2Rule", {"(?i)www\\.Example\\.com"}, {0}, true},
		{"root", "RE2Rule", {""}, {.name = "."}, true},
	};

	for (size_t i = 0; regex_has_re2() && i < ARRAY_LEN(re2); i++)
		check_case(&re2[i]);
}

/* Where the listener is a wildcard, what the kernel tells decides. */
static void the_address_that_was_asked_is_the_real_one(void **state)
{
	static const char *const args[] = {"192.0.2.99", "false", NULL};
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &(struct sample){.asked = "0.0.0.0"});
	struct selector *s = selector_of("NetmaskGroupRule", args, NULL);

	assert_false(selector_match(s, run));
	subject.q.local = addr_of("192.0.2.99");
	assert_true(selector_match(s, run));
	selector_unref(s);
}

/* What an action changed is seen by the rules behind it. */
static void an_edited_message_is_looked_at_anew(void **state)
{
	static const char *const none[] = {NULL};
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &(struct sample){.more = OPT_DO, .ar = 1});
	struct selector *dnssec = selector_of("DNSSECRule", none, NULL);
	struct selector *rd = selector_of("RDRule", none, NULL);

	assert_true(selector_match(dnssec, run));
	assert_false(selector_match(rd, run));
	put_u16(run->msg + 10, 0);
	msg_set_flags(run->msg, DNS_RD);
	run_edited(run, run->len - OPT_FIXED);
	assert_false(selector_match(dnssec, run));
	assert_true(selector_match(rd, run));
	selector_unref(rd);
	selector_unref(dnssec);
}

static const struct {
	const char *rule;
	const char *args[6];
	const char *want;
} texts[] = {
	{"QNameRule", {"Www.Example.com"}, "qname==Www.Example.com."},
	{"QNameRule", {"."}, "qname==."},
	{"QNameSuffixRule", {"a.|B.example."}, "qname in a., B.example."},
	{"QNameSuffixRule", {"."}, "qname in ."},
	{"QNameSuffixRule", {"a.|b.", "true"}, "qname==in-set"},
	{"SuffixMatchNodeRule", {"a.", "false"}, "qname in a."},
	{"QNameSetRule", {"a.|b.|A."}, "qname in DNSNameSet(2 FQDNs)"},
	{"QNameLabelsCountRule", {"1", "5"}, "labels count < 1 || labels count > 5"},
	{"QNameWireLengthRule", {"1", "50"}, "wire length < 1 || wire length > 50"},
	{"QNameWirelengthRule", {"0", "4294967295"}, "wire length < 0 || wire length > 4294967295"},
	{"RegexRule", {"[0-9]{5,}"}, "Regex: [0-9]{5,}"},
	{"QTypeRule", {"AAAA"}, "qtype==AAAA"},
	{"QTypeRule", {"TYPE65280"}, "qtype==TYPE65280"},
	{"QClassRule", {"3"}, "qclass==3"},
	{"OpcodeRule", {"4"}, "opcode==4"},
	{"RCodeRule", {"3"}, "rcode==Non-Existent domain"},
	{"RDRule", {NULL}, "rd==1"},
	{"DNSSECRule", {NULL}, "DNSSEC"},
	{"EDNSOptionRule", {"10"}, "ednsoptcode==10"},
	{"EDNSVersionRule", {"0"}, "ednsversion>0"},
	{"ERCodeRule", {"23"}, "ercode==Bad/missing Server Cookie"},
	{"ERCodeRule", {"2"}, "ercode==Server Failure"},
	{"PayloadSizeRule", {"equal", "512"}, "payload size is equal to 512"},
	{"PayloadSizeRule", {"greater", "512"}, "payload size is greater than 512"},
	{"PayloadSizeRule", {"greaterOrEqual", "1"}, "payload size is equal to or greater than 1"},
	{"PayloadSizeRule", {"smaller", "1"}, "payload size is smaller than 1"},
	{"PayloadSizeRule", {"smallerOrEqual", "1"}, "payload size is equal to or smaller than 1"},
	{"RecordsCountRule", {"0", "1", "1"}, "1 <= records in QD <= 1"},
	{"RecordsCountRule", {"1", "1", "2"}, "1 <= records in AN <= 2"},
	{"RecordsTypeCountRule", {"2", "SOA", "0", "1"}, "0 <= SOA records in NS <= 1"},
	{"RecordsTypeCountRule", {"3", "OPT", "0", "1"}, "0 <= OPT records in AR <= 1"},
	{"TrailingDataRule", {NULL}, "trailing data"},
	{"NetmaskGroupRule",
	 {"192.0.2.0/24|!192.0.2.1|::1"},
	 "Src: 192.0.2.0/24, !192.0.2.1/32, ::1/128"},
	{"NetmaskGroupRule", {"10.0.0.0/8", "false"}, "Dst: 10.0.0.0/8"},
	{"NetmaskGroupRule", {"10.0.0.0/8", "true", "true"}, "Src: in-group"},
	{"NetmaskGroupRule", {"10.0.0.0/8", "false", "true"}, "Dst: in-group"},
	{"DSTPortRule", {"853"}, "dst port==853"},
	{"TCPRule", {"true"}, "TCP"},
	{"TCPRule", {"false"}, "UDP"},
	{"IncomingProtocolRule", {"DoH3"}, "incoming protocol is DoH3"},
};

static void texts_are_as_show_rules_prints_them(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct selector *s = selector_of(texts[i].rule, texts[i].args, NULL);
		char *text = selector_text(s);

		assert_string_equal(text, texts[i].want);
		free(text);
		selector_unref(s);
	}
}

static const struct {
	const char *rule;
	const char *args[6];
	const char *want; /* part of the sentence */
} refusals[] = {
	{"QNameSuffixRule", {""}, "the list of names is empty"},
	{"QNameSetRule", {""}, "the DNSNameSet is empty"},
	{"NetmaskGroupRule", {""}, "the NetmaskGroup is empty"},
	{"RegexRule", {"a(b"}, "regex 'a(b'"},
	{"PayloadSizeRule", {"greatr", "1"}, "did you mean 'greater'?"},
	{"PayloadSizeRule",
	 {"<=", "1"},
	 "comparison is '<=', which is none of equal, greater, greaterOrEqual, smaller, smallerOrEqual"},
	{"IncomingProtocolRule",
	 {"doh"},
	 "protocol is 'doh', which is unknown: did you mean 'DoH'?"},
};

static void bad_arguments_are_refused_with_a_reason(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct err err = {""};

		assert_null(selector_of(refusals[i].rule, refusals[i].args, &err));
		if (strstr(err.text, refusals[i].want) == NULL)
			fail_msg("%s: %s", refusals[i].rule, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_match),
		cmocka_unit_test(numbers_match),
		cmocka_unit_test(edns_match),
		cmocka_unit_test(messages_match),
		cmocka_unit_test(clients_match),
		cmocka_unit_test(the_whole_name_matches_under_re2),
		cmocka_unit_test(the_address_that_was_asked_is_the_real_one),
		cmocka_unit_test(an_edited_message_is_looked_at_anew),
		cmocka_unit_test(texts_are_as_show_rules_prints_them),
		cmocka_unit_test(bad_arguments_are_refused_with_a_reason),
	};

	if (rand_init() < 0)
		return 1;
	hash_init(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
