package transfer

import "strings"

// A table is one that is copied. Its columns are called alike in both databases, and have the types of PostgreSQL.
type table struct {
	name    string
	columns []column
	// numbered says that PostgreSQL gives out the ids of its rows, and has to go on behind the highest.
	numbered bool
	// steps says that it has as many rows as lines were read, so that it is copied in several transactions.
	steps bool
}

type column struct{ name, kind string }

// tables are all that the migrations make, in an order in which each stands behind those that it refers to, but for blocks and record_files, in which
// records stand in another form, and for two which are made anew: schema_version is the migrations' own, and identity tells a database from every other one, its copies among them, for two that
// go on side by side must not be taken for one.
//
// Everything else is copied to the letter, the ids and numbers too. How far the read positions, the batches, the blacklist and the audit
// trail have come is what an agent knows its database by (agent/state), so it goes on with the copy as if nothing had been. What firewalls
// enforce is copied, because it says which of the addresses on them are ours; what they named as not to be blocked, and what other agents
// never block, because it guards from the first moment; notices and how far their receivers are, because each is to be told, and once;
// what detection remembers, because a day of records is not read again. Signs of life are those of agents that have not moved yet, for
// which the others wait.
var tables = []table{
	{name: "agents", numbered: true, columns: of("id int2, name text, seq int8")},
	{name: "counters", columns: of("name text, value int8")},
	{name: "agent_signs", columns: of("agent int2, name text, host text, version text, firewalls text, started_at timestamptz, seen_at timestamptz, behind text")},
	{name: "agent_guards", columns: of("agent int2, address cidr, what text")},
	{name: "positions", columns: of("agent int2, id int8, path bytea, device int8, inode int8, fingerprint bytea, fingerprint_len int4, file_offset int8, done bool, updated timestamptz, last_time timestamptz")},
	{name: "memory_parts", columns: of("agent int2, part int2, seq int8, data bytea")},
	{name: "memory_journal", columns: of("agent int2, seq int8, data bytea")},
	{name: "blacklist", numbered: true, columns: of(`id int8, address cidr, rule text, reason text, blocked_by text, device text, target text, first_seen timestamptz, last_seen timestamptz, blocked_at timestamptz,
		expires_at timestamptz, hits int8, seen_count int8, released_at timestamptz, released_by text, release_reason text, release_record int8, version int8, grade int2, state int2, hold text,
		quiet_for int8, escalation text, served int2, tag text, neighbourhood cidr, country text, port int4`)},
	{name: "dated", columns: of("address cidr, seen timestamptz, begun timestamptz, begun_host timestamptz")},
	{name: "evidence", columns: of("entry int8, n int4, time timestamptz, device text, line text")},
	{name: "members", columns: of("entry int8, address cidr, seen timestamptz")},
	{name: "audit", numbered: true, columns: of("id int8, time timestamptz, action text, address cidr, done_by text, reason text, subject text")},
	{name: "label_files", numbered: true, columns: of("id int4, agent int2, path text, label text")},
	{name: "listed", columns: of("file int4, address cidr")},
	{name: "enforced", columns: of("firewall text, address cidr, since timestamptz, held_until timestamptz, left_out int2, seen_at timestamptz")},
	{name: "enforced_reads", columns: of("firewall text, read_at timestamptz")},
	{name: "firewall_states", columns: of("agent int2, firewall text, began timestamptz, until timestamptz, state text")},
	{name: "policies", columns: of("firewall text, looked_at timestamptz, fault text")},
	{name: "protected", columns: of("firewall text, kind text, what text, address cidr, since timestamptz")},
	{name: "protected_asked", columns: of("firewall text, asked_at timestamptz")},
	{name: "allowed", numbered: true, columns: of("id int4, entry text, reason text, added_by text, since timestamptz, ends_at timestamptz, resolved_at timestamptz, due_at timestamptz, trouble text, ended_at timestamptz")},
	{name: "allowed_addresses", columns: of("allowed int4, address cidr, ended_at timestamptz, end_record int8")},
	{name: "paused", columns: of("only_one int2, since timestamptz, ends_at timestamptz, paused_by text, reason text")},
	{name: "notices", columns: of("id int8, agent int2, key text, event text, time timestamptz, stands_for int8, content text")},
	{name: "notice_receivers", columns: of("agent int2, name text, position int8, state text")},
	{name: "notice_troubles", columns: of("agent int2, key text, content text")},
	{name: "records", steps: true, columns: of(`id int8, time timestamptz, file int8, file_offset int8, repeat int8, src_port int4, dst_port int4, agent int2, src inet, dst inet, device text, src_user text,
		src_country text, dst_country text, action text, rule text, rule_id text, threat_name text, threat_id text, severity text, subtype text, direction text, type text,
		protocol int2, outcome int2, grade int2, application text, from_zone text, to_zone text, session_end_reason text,
		category text, client text`)},
}

// recordTime is the place of a record's time among its columns.
const recordTime = 1

// of reads columns: a name and a type each.
func of(text string) (list []column) {
	for part := range strings.SplitSeq(text, ",") {
		f := strings.Fields(part)
		list = append(list, column{f[0], f[1]})
	}
	return list
}

// names are the columns as a statement has them.
func (t *table) names() string {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}
